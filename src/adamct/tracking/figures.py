"""A figure in W&B: its image, the claims that it shows, and the numbers behind its points."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adamct.config.execution import WandbTracker
from adamct.tracking import names as metrics
from adamct.tracking.mirror import Mirror
from adamct.tracking.mode import answered

CLAIM_COLUMNS = (
    "name",
    "reference",
    "statement",
    "status",
    "statistic",
    "interval",
    "n",
    "criterion",
    "detail",
)


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
    group = metrics.figure_group(scale)
    number = name.split("_")[0].removeprefix("fig").lstrip("0")
    with Mirror.held(tracker, group) as mirror:
        run = mirror.open(
            f"{name}-{scale}",
            name=name,
            group=group,
            job_type=metrics.FIGURE_JOB,
            tags=(f"figure {number}",),
            config={metrics.SCALE: scale, "experiments": list(experiments)},
        )
        with answered():
            run.log(_shown(paths, verdicts))
            run.summary.update(claim_counts(verdicts))
            run.finish()


def _shown(paths: Sequence[Path], verdicts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the files and the verdicts of a figure as W&B shows them."""
    import wandb

    shown: dict[str, Any] = {}
    for path in paths:
        if path.suffix == ".png":
            shown[metrics.FIGURE_IMAGE] = wandb.Image(str(path))
        elif path.suffix == ".csv":
            shown[metrics.NUMBERS_TABLE] = _table(*_read_csv(path))
    if verdicts:
        shown[metrics.CLAIMS_TABLE] = _table(CLAIM_COLUMNS, claim_rows(verdicts))
    return shown


def claim_counts(verdicts: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the number of claims of every status.

    With the zeros: online, what is not written stays as an earlier drawing left it.
    """
    counts = Counter(verdict["status"] for verdict in verdicts)
    return {metrics.claims_count(status): counts[status] for status in metrics.CLAIM_STATUSES}


def claim_rows(verdicts: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Return one row a verdict, under ``CLAIM_COLUMNS``; an interval in words."""
    return [
        [_interval(verdict[c]) if c == "interval" else verdict[c] for c in CLAIM_COLUMNS]
        for verdict in verdicts
    ]


def _interval(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"[{interval[0]:.4g}, {interval[1]:.4g}]"


def _read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(newline="") as file:
        columns, *lines = csv.reader(file)
    return columns, lines


def _table(columns: Sequence[str], lines: Sequence[Sequence[Any]]) -> Any:
    import wandb

    return wandb.Table(columns=list(columns), data=list(map(list, lines)), allow_mixed_types=True)
