"""Intervals over seeds, the unit of every verdict (docs/STATISTICS.md).

Points, heads, parameters and steps of one run share its batches and its trajectory; they are never
independent draws. So a statistic is taken in each seed, and its interval over the seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

FEWEST = 3  # seeds, below which an interval is not drawn: it says nothing that they do not
FIRST_FRESH = 10  # the seeds below are pilots: they set criteria and choose, and never score


class Interval(NamedTuple):
    """The two ends of an interval; its format is that of both.

    >>> f"{Interval(-0.5, 0.25):+.2f}"
    '[-0.50, +0.25]'
    """

    low: float
    high: float

    def __format__(self, spec: str) -> str:
        return f"[{self.low:{spec}}, {self.high:{spec}}]"


def student(values: ArrayLike, confidence: float = 0.95) -> Interval | None:
    """Return Student's interval of the mean over seeds, of the smallest mean of several rows.

    A row that differs from the others' comparator by paired seeds is a rival: their smallest mean
    is the advantage over the best of them. Its interval is that of multiple comparisons with the
    best (Hsu 1996), [min_j (x̄_j − t s_j), min_j (x̄_j + t s_j)] with s_j the standard error of
    row j; t has Bonferroni's level, 1 − α/(2 · rows), since paired rows are dependent and differ
    in their spread.

    Args:
        values: a statistic in each seed, shape (seeds,), or several, shape (rows, seeds).
        confidence: 1 − α.

    Returns:
        The interval; ``None`` for fewer than two seeds.

    >>> f"{student([1.0, 2.0, 3.0]):.2f}"
    '[-0.48, 4.48]'
    """
    rows = np.atleast_2d(np.asarray(values, dtype=float))
    n_rows, n_seeds = rows.shape
    if n_seeds < 2:
        return None
    mean = rows.mean(axis=1)
    half = half_width(rows.std(axis=1, ddof=1), n_seeds, (1 - confidence) / (2 * n_rows))
    return Interval(float((mean - half).min()), float((mean + half).min()))


def half_width(std: Any, n_seeds: Any, tail: float = 0.025) -> Any:
    """Return half the width of Student's interval of a mean, t · std / √n, elementwise.

    Args:
        std: standard deviation over the seeds, of n − 1 degrees of freedom.
        n_seeds: n.
        tail: the probability on either side, α/2.
    """
    return stats.t.isf(tail, n_seeds - 1) * std / np.sqrt(n_seeds)


def mean_and_ends(values: np.ndarray) -> np.ndarray:
    """Return the mean over seeds and both ends of its 95 % interval, to be drawn.

    Args:
        values: shape (points, seeds).

    Returns:
        Shape (3, points); the ends are NaN below ``FEWEST`` seeds.
    """
    mean, n_seeds = values.mean(axis=1), values.shape[1]
    if n_seeds < FEWEST:
        return np.array([mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)])
    half = half_width(values.std(axis=1, ddof=1), n_seeds)
    return np.array([mean, mean - half, mean + half])


def with_bands(table: pd.DataFrame, column: str, by: Sequence[str]) -> pd.DataFrame:
    """Return the mean of a column over seeds, with its 95 % interval by Student's t.

    Args:
        table: one row a seed and value of ``by``.
        column: which.
        by: the columns that tell apart what is averaged.

    Returns:
        ``by``, ``mean, low, high``; both ends are NaN below three seeds.

    >>> table = pd.DataFrame({"C": [0.1, 0.1, 0.1], "slope": [1.0, 2.0, 3.0]})
    >>> with_bands(table, "slope", ["C"]).round(2).to_dict("records")
    [{'C': 0.1, 'mean': 2.0, 'low': -0.48, 'high': 4.48}]
    """
    found = table.groupby(list(by))[column].agg(["mean", "std", "count"]).reset_index()
    half = half_width(found["std"], found["count"].where(found["count"] >= FEWEST))
    ends = {"low": found["mean"] - half, "high": found["mean"] + half}
    return found.drop(columns=["std", "count"]).assign(**ends)


def holm(levels: Sequence[float]) -> list[int]:
    """Divide the level α among several claims by Holm's step-down procedure.

    Args:
        levels: of each claim, the smallest part of α at which it is decided; infinite if at none.

    Returns:
        What the α of each claim is divided by: by m for the claim that is decided most clearly, by
        m − 1 for the next, as long as each is decided at that; the others keep the last divisor.

    >>> holm([0.2, 0.6, 0.4]), holm([0.2, 0.9, 0.6])
    ([3, 1, 2], [3, 2, 2])
    """
    divisors, divisor, stopped = [0] * len(levels), len(levels), False
    for index in np.argsort(levels):
        divisors[index] = divisor
        stopped = stopped or levels[index] * divisor > 1
        divisor -= not stopped
    return divisors


def span(values: np.ndarray, spec: str = ".3g") -> str:
    """Return the smallest and the largest of some values in words.

    >>> span(np.array([2.0, 0.5, 1.0]))
    '0.5 to 2'
    """
    return f"{np.min(values):{spec}} to {np.max(values):{spec}}"
