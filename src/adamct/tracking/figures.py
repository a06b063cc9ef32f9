"""A figure in W&B: its image, the claims that it shows, and the numbers behind its points."""

from __future__ import annotations

from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from adamct.claims import Kind, Status
from adamct.config.execution import WandbTracker
from adamct.plotting.registry import figure_number
from adamct.plotting.rendered import Rendered
from adamct.tracking import names as m
from adamct.tracking.content import Identity
from adamct.tracking.mirror import Mirror
from adamct.tracking.mode import answered

CLAIM_COLUMNS = [
    *("name", "kind", "reference", "statement", "status"),
    *("statistic", "interval", "unit", "n", "rule", "seeds", "criterion", "detail"),
]


def mirror_figure(tracker: WandbTracker, rendered: Rendered, folder: Path) -> None:
    """Show a figure in W&B as a run of its own; drawn again, it replaces what was there.

    Online, W&B shows the last rendering, and keeps those before it as earlier steps of the run.

    Args:
        tracker: where.
        rendered: the figure; of its files PNG is shown, and CSV becomes a table.
        folder: of its files.

    Raises:
        TrackingError: if W&B fails; what is on disk is complete without it.
        FileError: if the folder cannot be written, or another process mirrors the same figures.
    """
    name, scale, group = rendered.stem, rendered.scale, m.at_scale(m.FIGURES, rendered.scale)
    tags = (f"figure {figure_number(name)}",)
    experiments = [runs.experiment for runs in rendered.experiments]
    own = [verdict for verdict in rendered.verdicts if not rendered.counted_elsewhere(verdict)]
    counts = Counter((verdict.kind, verdict.status) for verdict in own)
    with Mirror.locked(tracker, group) as mirror:
        identity = Identity(m.at_scale(name, scale), name, group, "figure", tags)
        run = mirror.open(identity, {"scale": scale, "experiments": experiments})
        with answered():
            run.log(_shown(rendered, folder))
            # With the zeros: online, what is not written stays as an earlier rendering left it.
            kinds = product(get_args(Kind), get_args(Status))
            run.summary.update({f"claims/{'/'.join(pair)}": counts[pair] for pair in kinds})
            run.finish()


def _shown(rendered: Rendered, folder: Path) -> dict[str, Any]:
    """Return the files and the verdicts of a figure as W&B shows them."""
    import wandb

    shown: dict[str, Any] = {}
    for path in (folder / name for name in rendered.files):
        if path.suffix == ".png":
            shown[m.FIGURE_IMAGE] = wandb.Image(str(path))
        elif path.suffix == ".csv":
            texts = pd.read_csv(path, dtype=str, keep_default_na=False)
            shown[m.NUMBERS_TABLE] = wandb.Table(dataframe=texts)
    rows: list[Any] = []
    for verdict in rendered.verdicts:
        values = {name: getattr(verdict, name) for name in CLAIM_COLUMNS}
        if verdict.interval:
            values["interval"] = "[{:.4g}, {:.4g}]".format(*verdict.interval)
        values["seeds"] = ", ".join(map(str, verdict.seeds))
        rows.append(list(values.values()))
    if rows:
        shown[m.CLAIMS_TABLE] = wandb.Table(list(CLAIM_COLUMNS), rows, allow_mixed_types=True)
    return shown
