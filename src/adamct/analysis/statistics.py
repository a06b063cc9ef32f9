"""Bootstrap intervals of statistics over points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

FEWEST = 5  # points that a statistic over points needs


class Interval(NamedTuple):
    """The two ends of an interval; its format is that of both.

    >>> f"{Interval(-0.5, 0.25):+.2f}"
    '[-0.50, +0.25]'
    """

    low: float
    high: float

    def __format__(self, spec: str) -> str:
        return f"[{self.low:{spec}}, {self.high:{spec}}]"


def with_interval(
    *samples: np.ndarray,
    statistic: Callable[..., Any] = np.median,
    paired: bool = False,
) -> tuple[float, Interval]:
    """Return a statistic over independent points, and its 95 % percentile bootstrap interval.

    Args:
        samples: one sample, shape (n,), or several, of a statistic that takes them all.
        statistic: what to estimate; of many resamples at once if it takes ``axis``.
        paired: several samples are columns of one: resample them together.

    Returns:
        The statistic; the interval, with NaN as its ends if a sample has fewer than two points.

    Example:
        >>> with_interval(np.array([1.0, 1.0, 1.0]))
        (1.0, Interval(low=1.0, high=1.0))
    """
    value = float(statistic(*samples))
    if min(map(len, samples)) < 2:
        return value, Interval(float("nan"), float("nan"))
    result = stats.bootstrap(
        samples,
        statistic,
        n_resamples=9999 if len(samples) == 1 else 1999,
        method="percentile",
        paired=paired,
        rng=np.random.default_rng(0),  # so that a verdict repeats
    )
    return value, Interval(*map(float, result.confidence_interval))


def span(values: np.ndarray, spec: str = ".3g") -> str:
    """Return the smallest and the largest of some values in words.

    >>> span(np.array([2.0, 0.5, 1.0]))
    '0.5 to 2'
    """
    return f"{np.min(values):{spec}} to {np.max(values):{spec}}"
