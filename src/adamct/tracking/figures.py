"""A figure in W&B: its image, the claims that it shows, and the numbers behind its points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from adamct.claims.verdict import Status
from adamct.config.execution import WandbTracker
from adamct.plotting.registry import number
from adamct.tracking import names as m
from adamct.tracking.content import Identity
from adamct.tracking.mirror import Mirror
from adamct.tracking.mode import answered

CLAIM_COLUMNS = [
    *("name", "reference", "statement", "status"),
    *("statistic", "interval", "unit", "n", "criterion", "detail"),
]


def mirror_figure(
    tracker: WandbTracker,
    scale: str,
    name: str,
    experiments: Sequence[str],
    paths: Sequence[Path],
    verdicts: Sequence[Mapping[str, Any]],
) -> None:
    """Show a figure in W&B as a run of its own; drawn again, it replaces what was there.

    Online, W&B shows the last drawing, and keeps those before it as earlier steps of the run.

    Args:
        tracker: where.
        scale: of the records that it was drawn from.
        name: of its file, ``"fig03_max_update"``.
        experiments: whose records it reads.
        paths: its files; of these PNG is shown, and CSV becomes a table.
        verdicts: of its claims, each as ``Verdict.model_dump`` gives it.

    Raises:
        TrackingError: if W&B fails; what is on disk is complete without it.
        FileError: if the folder cannot be written, or another process mirrors the same figures.
    """
    group, tag = m.at_scale(m.FIGURES, scale), f"figure {number(name)}"
    identity = Identity(m.at_scale(name, scale), name, group, "figure", (tag,))
    statuses = Counter(verdict["status"] for verdict in verdicts)
    with Mirror.locked(tracker, group) as mirror:
        run = mirror.open(identity, {"scale": scale, "experiments": list(experiments)})
        with answered():
            run.log(_shown(paths, verdicts))
            # With the zeros: online, what is not written stays as an earlier drawing left it.
            run.summary.update({f"claims/{said}": statuses[said] for said in get_args(Status)})
            run.finish()


def _shown(paths: Sequence[Path], verdicts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the files and the verdicts of a figure as W&B shows them."""
    import wandb

    shown: dict[str, Any] = {}
    for path in paths:
        if path.suffix == ".png":
            shown[m.FIGURE_IMAGE] = wandb.Image(str(path))
        elif path.suffix == ".csv":
            shown[m.NUMBERS_TABLE] = wandb.Table(
                dataframe=pd.read_csv(path, dtype=str, keep_default_na=False)
            )
    if verdicts:
        shown[m.CLAIMS_TABLE] = wandb.Table(
            columns=list(CLAIM_COLUMNS),
            data=[[_as_cell(verdict[column]) for column in CLAIM_COLUMNS] for verdict in verdicts],
            allow_mixed_types=True,
        )
    return shown


def _as_cell(value: Any) -> Any:
    """Return what stands in a table: an interval as text, all else as it is."""
    return "[{:.4g}, {:.4g}]".format(*value) if isinstance(value, (tuple, list)) else value
