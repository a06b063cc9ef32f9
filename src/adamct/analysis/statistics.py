"""Statistics of claims: bootstrap intervals, and violations of a bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from adamct.records import Records
from adamct.theory.domain import Values

Interval = tuple[float, float]

FEWEST = 5  # points that a statistic over points needs
# The update is computed in fp32; a bound that exact arithmetic attains may be passed by rounding.
ROUNDING = 1e-5


def bootstrap_interval(
    *samples: np.ndarray,
    statistic: Callable[..., Any] = np.median,
    paired: bool = False,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of a statistic over independent points.

    Args:
        samples: one sample, shape (n,), of a vectorized statistic (it takes ``axis``); or several,
            of a statistic that takes them all.
        statistic: what to estimate.
        paired: several samples are columns of one: resample them together.
        level: confidence.
        seed: of the resampling, so that a verdict repeats.

    Returns:
        The lower and upper end; NaN if a sample has fewer than two points.

    Example:
        >>> bootstrap_interval(np.array([1.0, 1.0, 1.0]))
        (1.0, 1.0)
    """
    if min(map(len, samples)) < 2:
        return (float("nan"), float("nan"))
    one = len(samples) == 1
    result = stats.bootstrap(
        samples,
        statistic,
        confidence_level=level,
        n_resamples=9999 if one else 1999,
        method="percentile",
        vectorized=one,
        paired=paired,
        rng=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


@dataclass(frozen=True)
class Violations:
    """Where a measured max-update exceeds a bound.

    Attributes:
        count: number of violating (run, step) pairs.
        n_checked: number of (run, step) pairs checked.
        n_runs: number of runs with at least one violation.
        last_step: the latest violating step; −1 if there is none.
        worst: largest measured over bound; 0 if nothing was checked.
    """

    count: int
    n_checked: int
    n_runs: int
    last_step: int
    worst: float


def violations(
    records: Records,
    bound: Callable[..., Values],
    *,
    level: int | None = None,
    rounding: float = ROUNDING,
) -> Violations:
    """Count the steps at which ‖u_n‖∞ exceeds a bound by more than fp32 rounding.

    Args:
        records: the runs to check.
        bound: ``(n, beta, gamma, log=True) -> ln bound``.
        level: check ‖u_n^{(i)}‖∞ of this level i against the bound with (β_i, γ_i); ``None`` for
            Adam, whose only level it is.
        rounding: relative excess that counts as rounding.
    """
    suffix = "" if level is None else f"_{level}"
    n, values = records.matrix(f"max_update{suffix}")
    beta, gamma = (records.runs[f"{name}{suffix}"].to_numpy() for name in ("beta", "gamma"))
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.log(values) - bound(n[:, None], beta, gamma, log=True)
    checked = np.isfinite(values)
    broken = checked & (excess > np.log1p(rounding))
    return Violations(
        count=int(broken.sum()),
        n_checked=int(checked.sum()),
        n_runs=int(broken.any(axis=0).sum()),
        last_step=int(n[broken.any(axis=1)].max(initial=-1)),
        worst=float(np.exp(excess[checked].max())) if checked.any() else 0.0,
    )
