"""Things timed in turn in one process, since machines are shared: only their ratio is reported."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch


class Row(NamedTuple):
    """A ratio of two times, and the limit that it should keep.

    Args:
        name: what over what.
        ratio: of the times, perhaps per unit of work.
        limit: what the ratio should not exceed; NaN for none.
        ours: ms.
        baseline: ms.
    """

    name: str
    ratio: float
    limit: float
    ours: float
    baseline: float


def in_turn(
    cases: Mapping[str, Callable[[], Any]], *, rounds: int = 15, seconds: float = 0.25
) -> dict[str, float]:
    """Time cases in rounds in which they take turns.

    Args:
        cases: what is timed, by name.
        rounds: turns of each.
        seconds: about how long a turn lasts.

    Returns:
        Milliseconds of one call of each case, the median of its turns.
    """
    repeats = {}
    for name, work in cases.items():
        for _ in range(3):
            work()
        repeats[name] = max(1, round(seconds / max(_seconds(work, 1), 1e-6)))
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, work in cases.items():
            times[name].append(_seconds(work, repeats[name]) / repeats[name])
    return {name: 1e3 * statistics.median(of_case) for name, of_case in times.items()}


def _seconds(work: Callable[[], Any], repeats: int) -> float:
    wait()
    began = time.perf_counter()
    for _ in range(repeats):
        work()
    wait()
    return time.perf_counter() - began


def wait() -> None:
    """Wait until the GPU, if there is one, has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def print_rows(rows: Sequence[Row]) -> int:
    """Print a table of rows; return how many exceed their limit."""
    width = max(len(row.name) for row in rows)
    print(f"{'':{width}}  ratio  limit      ours  baseline")
    for row in rows:
        print(
            f"{row.name:{width}}  {row.ratio:5.2f}  {row.limit:5.2f}  {row.ours:8.3f}  "
            f"{row.baseline:8.3f} ms{'  exceeds' if row.ratio > row.limit else ''}"
        )
    return sum(row.ratio > row.limit for row in rows)
