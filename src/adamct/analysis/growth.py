"""How fast the max-update grows: its slope at one step, over a window, and its share of growth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from adamct.analysis.violations import violations
from adamct.records import Records
from adamct.theory import (
    discrete_max_update_bound,
    local_slopes,
    log_slope,
    max_update_bound,
    predicted_slope,
    share_at_predicted_rate,
)
from adamct.theory.domain import Values, plain
from adamct.theory.slopes import HALF_WIDTH

SLOPE_STEP = 1000  # Appendix H: the slope is taken at n = 1000
FEWEST_STEPS = 2 * HALF_WIDTH + 2  # of a record that says something of its slopes
CLEARLY_UNSTABLE = -0.02  # C; nearer to 0 the growth is slower than the resets between

Theory = Literal["half_C", "paper", "exact"]


def slope_step(n_steps: int) -> int:
    """Return the step at which slopes are taken: 1000, or the last that a shorter record has.

    >>> slope_step(2000), slope_step(400)
    (1000, 394)
    """
    return min(SLOPE_STEP, n_steps - 1 - HALF_WIDTH)


def slope_table(records: Records, at: int) -> pd.DataFrame:
    """Return each run's slope of ln ‖u_n‖∞ at one step, beside what the theories predict.

    Args:
        records: runs that hold the steps ``at`` − 5 and ``at`` + 5.
        at: the step.

    Returns:
        One row a run, per step: ``C``; ``slope``, NaN where the run ended before; ``half_C``,
        |C|/2 where C < 0; and, for the pair of the last level, whose update is applied, the same
        finite difference of ln Eq. (5) (``paper``) and of ln D_n (``exact``), so that the bias
        correction counts in all three. Eq. (5) is NaN at the edges of the square.
    """
    n, values = records.matrix("max_update")
    C = records.runs.C.to_numpy()
    beta, gamma = (
        np.array([run[f"{name}_{run['k']}"] for run in records.runs.to_dict("records")])
        for name in ("beta", "gamma")
    )
    return pd.DataFrame(
        {
            "C": C,
            "slope": log_slope(n, values, at=at),
            "half_C": -C / 2,
            "paper": predicted_slope(at, beta, gamma, bound=inner_max_update_bound),
            "exact": predicted_slope(at, beta, gamma, bound=discrete_max_update_bound),
        }
    )


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


def slope_error(slopes: pd.DataFrame, theory: Theory) -> np.ndarray:
    """Return measured over predicted slope, less 1, from a :func:`slope_table`."""
    return (slopes.slope / slopes[theory] - 1).to_numpy()


def rate_errors(slopes: pd.DataFrame, theory: Theory) -> np.ndarray:
    """Return the size of :func:`slope_error` at the points with C < ``CLEARLY_UNSTABLE``."""
    return np.abs(slope_error(slopes[slopes.C < CLEARLY_UNSTABLE], theory))


def median_slope(n: np.ndarray, values: np.ndarray, first: float, last: float = np.inf) -> float:
    """Return the median 10-step slope of ln ‖u_n‖∞ over a window of one run.

    Args:
        n: the steps.
        values: ‖u_n‖∞; what is not finite is left out.
        first: the first step of the window.
        last: its last step. All runs see the same batch at the same step, so that slopes at one
            step share its noise, which a window averages out. The claim on B₊ ends it at n = 1000,
            where Appendix H takes its slopes; the map of Figure E1 takes all of the second half.

    Returns:
        The slope per step; NaN for fewer than ``FEWEST_STEPS`` values.

    >>> n = np.arange(100)
    >>> round(median_slope(n, np.exp(0.02 * n), first=50), 6)
    0.02
    """
    finite = np.isfinite(values)
    if finite.sum() < FEWEST_STEPS:
        return float("nan")
    centres, slopes = local_slopes(n[finite], values[finite])
    return float(np.median(slopes[(centres >= first) & (centres <= last)]))


def growth_powers(records: Records) -> tuple[np.ndarray, np.ndarray]:
    """Fit ‖u_n‖∞ ∝ n^p over the second half of every run.

    Returns:
        The steps of the fit, and p, shape (runs,): 1/2 for Eq. (5) on C = 0, 0 if bounded.
    """
    n, values = records.matrix("max_update")
    late = n >= n.max() / 2
    return n[late], np.polyfit(np.log(n[late]), np.log(values[late]), 1)[0]


def exponential_growth(records: Records) -> pd.DataFrame:
    """Measure each run of a map of (β, γ), over the steps that it has if it diverged.

    Returns:
        One row a run: ``share``, of the steps, those whose local slope is that of a predicted
        exponential up to ``RATE_TOLERANCE``: of the exact theory where it predicts one, else of
        the paper, and NaN in B₊, where neither does; ``exceeded``, whether some step exceeds D_n
        beyond rounding.
    """
    runs: Iterable[Any] = records.runs.itertuples()
    shares = [_share_at_a_rate(*records.series(run.run_id, "max_update"), run) for run in runs]
    exceeding = violations(records, discrete_max_update_bound).run_ids
    return records.runs[[]].assign(share=shares, exceeded=records.runs.run_id.isin(exceeding))


def _share_at_a_rate(n: np.ndarray, values: np.ndarray, run: Any) -> float:
    usable = np.isfinite(values) & (values > 0)
    if run.paper_rate == 0 or usable.sum() < FEWEST_STEPS:
        return float("nan")
    bound = discrete_max_update_bound if run.exact_rate > 0 else max_update_bound
    pair = run.beta, run.gamma
    return float(share_at_predicted_rate(n[usable], values[usable], *pair, bound=bound))
