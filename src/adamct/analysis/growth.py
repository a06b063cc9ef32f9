"""How fast the max-update grows: its slope at a step and over many, its net growth, its reach."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from adamct.records import Records
from adamct.theory import (
    discrete_max_update_bound,
    log_slope,
    max_update_bound,
    predicted_slope,
)
from adamct.theory.domain import Values, plain
from adamct.theory.slopes import HALF_WIDTH

SLOPE_STEP = 1000  # Appendix H: the slope is taken at n = 1000
CLEARLY_UNSTABLE = -0.02  # C; nearer to 0 the growth is slower than the resets between

Theory = Literal["half_C", "paper", "exact"]


def slope_step(n_steps: int) -> int:
    """Return the step at which slopes are taken: 1000, or the last that a shorter record has.

    >>> slope_step(2000), slope_step(400)
    (1000, 394)
    """
    return min(SLOPE_STEP, n_steps - 1 - HALF_WIDTH)


def late_steps(n_steps: int) -> np.ndarray:
    """Return the steps of a robust slope: n = 500 … 1000, or the second half of a shorter record.

    >>> late_steps(2000)[[0, -1]]
    array([ 500, 1000])
    """
    last = slope_step(n_steps)
    return np.arange(last // 2, last + 1)


def slope_table(records: Records, at: ArrayLike) -> pd.DataFrame:
    """Return each run's slope of ln ‖u_n‖∞, beside what the theories predict.

    The max-update of B₋ is a sawtooth: it grows, and falls back once a gradient returns. Its slope
    at one step may lie on either flank; the median over many is that of the longer flank, the
    growth. So it is no net slope (see :func:`net_growth`), and biased upwards where nothing grows.

    Args:
        records: runs that hold the steps from 5 before to 5 after those asked for.
        at: one step, or several, over which the median is taken.

    Returns:
        One row a run, per step: ``seed, C``; ``slope``, NaN where the run ended before; ``half_C``,
        |C|/2 where C < 0; and, for the pair of the last level, whose update is applied, the same
        finite differences of ln Eq. (5) (``paper``) and of ln D_n (``exact``), so that the bias
        correction counts in all three. Eq. (5) is NaN at the edges of the square.
    """
    slopes = _slopes(records, np.atleast_1d(at))
    medians = {name: pd.DataFrame(values).median() for name, values in slopes.items()}
    return records.runs[["seed", "C"]].reset_index(drop=True).assign(**medians)


def _slopes(records: Records, steps: np.ndarray) -> dict[str, np.ndarray]:
    """Return slopes at some steps, measured and predicted: each of shape (steps, runs)."""
    n, values = records.matrix("max_update")
    pair = tuple(
        np.array([run[f"{name}_{run['k']}"] for run in records.runs.to_dict("records")])
        for name in ("beta", "gamma")
    )
    measured = np.asarray(log_slope(n, values, at=steps))
    bounds = {"paper": inner_max_update_bound, "exact": discrete_max_update_bound}
    return {
        "slope": measured,
        "half_C": np.broadcast_to(-records.runs.C.to_numpy() / 2, measured.shape),
        **{
            theory: np.asarray(predicted_slope(steps[:, None], *pair, bound=bound))
            for theory, bound in bounds.items()
        },
    }


def inner_max_update_bound(
    n: ArrayLike, beta: ArrayLike, gamma: ArrayLike, *, log: bool = False
) -> Values:
    """Return Eq. (5), and NaN at the edges of the square, of which it says nothing.

    >>> inner_max_update_bound(10, 0.0, 0.9)
    nan
    """
    inside = (np.asarray(beta) > 0) & (np.asarray(gamma) > 0)
    β, γ = (np.where(inside, decay, 0.5) for decay in (beta, gamma))
    return plain(np.where(inside, max_update_bound(n, β, γ, log=log), np.nan))


def slope_ratio(slopes: pd.DataFrame, theory: Theory) -> np.ndarray:
    """Return measured over predicted slope, of each row of a :func:`slope_table`."""
    return (slopes.slope / slopes[theory]).to_numpy()


def share_of_steps_off(records: Records, theory: Theory, tolerance: float = 0.1) -> float:
    """Return how often a slope taken at one step N = 100, 110, … misses a theory's.

    Args:
        records: of runs in B₋.
        theory: whose slope.
        tolerance: relative deviation that does not count as missing.

    Returns:
        The share of all (N, run) that miss by more.
    """
    last = slope_step(int(records.runs.n_recorded.min()))
    slopes = _slopes(records, np.arange(min(100, last), last + 1, 10))
    return float(np.mean(~(np.abs(slopes["slope"] / slopes[theory] - 1) <= tolerance)))


def net_growth(records: Records) -> pd.DataFrame:
    """Return how ln ‖u_n‖∞ changes over 500 steps, falls included, beside what the bounds do.

    The change is that of the mean over n = 450 … 509 to that over 950 … 1009, or over the same
    parts of a shorter record.

    Returns:
        One row a run: ``seed, C``; ``measured``, and the same change of ln Eq. (5) (``paper``) and
        of ln D_n (``exact``), per step; ``below_paper, below_exact``: the mean of ln bound −
        ln ‖u_n‖∞ over the later window.
    """
    n, values = records.matrix("max_update")
    at = slope_step(int(records.runs.n_recorded.min()))
    windows = [(n >= start * at) & (n < (start + 0.06) * at) for start in (0.45, 0.95)]
    pair = records.runs.beta.to_numpy(), records.runs.gamma.to_numpy()

    def of(log_values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        early, late = (log_values[window].mean(axis=0) for window in windows)
        return late, (late - early) / (at / 2)

    late, measured = of(np.log(values))
    table = {"seed": records.runs.seed, "C": records.runs.C, "measured": measured}
    for theory, bound in (("paper", max_update_bound), ("exact", discrete_max_update_bound)):
        above, table[theory] = of(np.asarray(bound(n[:, None], *pair, log=True)))
        table[f"below_{theory}"] = above - late
    return pd.DataFrame(table)


def growth_powers(records: Records) -> tuple[np.ndarray, np.ndarray]:
    """Fit ‖u_n‖∞ ∝ n^p over the second half of every run.

    Returns:
        The steps of the fit, and p, shape (runs,): 1/2 for Eq. (5) on C = 0, 0 if bounded.
    """
    n, values = records.matrix("max_update")
    late = n >= n.max() / 2
    return n[late], np.polyfit(np.log(n[late]), np.log(values[late]), 1)[0]


def reach(records: Records) -> pd.DataFrame:
    """Measure how far the max-update of each run of a map of (β, γ) gets, up to where it diverged.

    Returns:
        The runs with ``largest``, their largest max-update; ``over_stable``, ln of it over
        1/√(1−β), which no pair of B₊ with this β passes (D_n ≤ 1/√(1−β) there, and D_∞ is that on
        C = 0); ``log_bound``, ln D_n at the last step; ``later_rise``, ln of the largest of the
        second half of the steps over that of the first, NaN if it diverged; and ``slope``, the
        median 10-step slope of the second half.
    """
    series = dict(list(records.scalars.groupby("run_id")[["n", "max_update"]]))
    runs: Iterable[Any] = records.runs.itertuples()
    reached = [_reach(run, series[run.run_id]) for run in runs]
    return records.runs.reset_index(drop=True).assign(**pd.DataFrame(reached))


def _reach(run: Any, series: pd.DataFrame) -> dict[str, float]:
    n, values = series[np.isfinite(series.max_update)].to_numpy(float).T
    half, largest = len(n) // 2, values.max()
    centres = np.arange(max(half, HALF_WIDTH), len(n) - HALF_WIDTH)
    whole = len(n) == run.n_steps
    return {
        "largest": largest,
        "over_stable": np.log(largest) + np.log1p(-run.beta) / 2,
        "log_bound": discrete_max_update_bound(n[-1], run.beta, run.gamma, log=True),
        "later_rise": np.log(values[half:].max() / values[:half].max()) if whole else np.nan,
        "slope": np.median(log_slope(n, values, centres)) if len(centres) else np.nan,
    }
