"""Statistics of claims: bootstrap intervals, and violations of a bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from adamct.records import Records
from adamct.theory.domain import Values

Interval = tuple[float, float]

# The update is computed in fp32; a bound that exact arithmetic attains may be passed by rounding.
ROUNDING = 1e-5


def bootstrap_interval(
    values: np.ndarray,
    statistic: Callable[..., np.ndarray] = np.median,
    *,
    level: float = 0.95,
    n_resamples: int = 9999,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of a statistic over independent values.

    Args:
        values: one value a point (or a point and seed), shape (n,).
        statistic: takes ``axis``, as ``np.median`` does.
        level: confidence.
        n_resamples: resamples.
        seed: of the resampling, so that a verdict repeats.

    Returns:
        The lower and upper end; NaN for fewer than two values.

    Example:
        >>> bootstrap_interval(np.array([1.0, 1.0, 1.0]))
        (1.0, 1.0)
    """
    if len(values) < 2:
        return (float("nan"), float("nan"))
    result = stats.bootstrap(
        (np.asarray(values),),
        statistic,
        confidence_level=level,
        n_resamples=n_resamples,
        method="percentile",
        vectorized=True,
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
    records: Records, bound: Callable[..., Values], *, rounding: float = ROUNDING
) -> Violations:
    """Count the steps at which ‖u_n‖∞ exceeds a bound by more than fp32 rounding.

    Args:
        records: of one experiment.
        bound: ``(n, beta, gamma, log=True) -> ln bound``.
        rounding: relative excess that counts as rounding.
    """
    n, values = records.matrix("max_update")
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.log(values) - bound(
            n[:, None], records.runs.beta.to_numpy(), records.runs.gamma.to_numpy(), log=True
        )
    checked = np.isfinite(values)
    broken = checked & (excess > np.log1p(rounding))
    return Violations(
        count=int(broken.sum()),
        n_checked=int(checked.sum()),
        n_runs=int(broken.any(axis=0).sum()),
        last_step=int(n[broken.any(axis=1)].max(initial=-1)),
        worst=float(np.exp(excess[checked].max())) if checked.any() else 0.0,
    )
