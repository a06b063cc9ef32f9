"""Claims on the growth of the max-update, and the rates of both theories (Section 3.2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from adamct.analysis.statistics import FEWEST, bootstrap_interval
from adamct.claims.bounds import CURVE, EXACT_REFERENCE
from adamct.claims.verdict import Claim, Finding, above, below, inconclusive, within
from adamct.records import Records
from adamct.theory import (
    local_slopes,
    log_slope,
    max_update_bound,
    predicted_slope,
    share_at_predicted_rate,
    stability_coefficient,
)

AT = 1000  # Appendix H: the slope is taken at n = 1000, from n = 995 and 1005
CLEARLY_UNSTABLE = -0.02  # nearer to C = 0 the growth is slower than the resets between
FLAT = 0.002  # per step: growth by e in 500 steps; a tenth of the paper's rate at C = -0.04


def flat_where_stable(records: Records) -> Finding:
    """Median over the points of B₊ of the typical slope of ln ‖u_n‖∞ up to n = 1000.

    All runs see the same batch at the same step, so their slopes at one n share its noise. The
    typical slope of a run is the median of its 10-step slopes over the second half.
    """
    stable = records.where(records.runs[records.runs.C > 0])
    at_one = _slopes(stable)
    if at_one is None:
        return inconclusive(_too_short(stable), len(stable.runs))
    n, values = stable.matrix("max_update")
    centres, slopes = local_slopes(n, values)
    typical = np.median(slopes[(centres >= AT / 2) & (centres <= AT)], axis=0)
    if len(typical) < FEWEST:
        return inconclusive(f"only {len(typical)} points in B₊", len(typical))
    median, interval = float(np.median(typical)), bootstrap_interval(typical)
    detail = (
        f"median slope {median:+.5f} per step over n = {AT // 2} to {AT}, 95 % interval "
        f"[{interval[0]:+.5f}, {interval[1]:+.5f}], {len(typical)} points; at n = {AT} alone "
        f"{np.median(at_one):+.5f} ± {np.std(at_one):.5f}"
    )
    return Finding(within(interval, -FLAT, FLAT), median, interval, len(typical), detail)


def slope_error(
    records: Records, *, predicted: Callable[[np.ndarray, np.ndarray], np.ndarray], limit: float
) -> Finding:
    """Median relative error of a predicted slope at n = 1000, over the points with C < −0.02."""
    unstable = records.where(records.runs[records.runs.C < CLEARLY_UNSTABLE])
    slopes = _slopes(unstable)
    if slopes is None:
        return inconclusive(_too_short(unstable), len(unstable.runs))
    if len(slopes) < FEWEST:
        return inconclusive(f"only {len(slopes)} points have C < {CLEARLY_UNSTABLE}", len(slopes))
    beta, gamma = unstable.runs.beta.to_numpy(), unstable.runs.gamma.to_numpy()
    errors = np.abs(slopes / predicted(beta, gamma) - 1)
    median, interval = float(np.median(errors)), bootstrap_interval(errors)
    n, values = unstable.matrix("max_update")
    share = share_at_predicted_rate(n, values, beta, gamma)
    detail = (
        f"median relative error {100 * median:.2g} %, 95 % interval [{100 * interval[0]:.2g} %, "
        f"{100 * interval[1]:.2g} %], {len(errors)} points with C < {CLEARLY_UNSTABLE}, "
        f"{np.sum(errors <= 0.01)} of them within 1 %; riding share (of the steps, within "
        f"2 % of the exact slope) {np.min(share):.2f} to {np.max(share):.2f}"
    )
    return Finding(below(interval, limit), median, interval, len(errors), detail)


def exact_is_closer(records: Records) -> Finding:
    """Median over the points with C < −0.02 of the error of ln Eq. (5) less that of ln D_n."""
    unstable = records.where(records.runs[records.runs.C < CLEARLY_UNSTABLE])
    slopes = _slopes(unstable)
    if slopes is None or len(slopes) < FEWEST:
        return inconclusive(_too_short(unstable), len(unstable.runs))
    pairs = unstable.runs.beta.to_numpy(), unstable.runs.gamma.to_numpy()
    paper = np.abs(slopes / predicted_slope(AT, *pairs, bound=max_update_bound) - 1)
    exact = np.abs(slopes / predicted_slope(AT, *pairs) - 1)
    gain = 100 * (paper - exact)
    median, interval = float(np.median(gain)), bootstrap_interval(gain)
    detail = (
        f"the relative error of ln Eq. (5)'s slope exceeds that of ln D_n's by {median:.2f} "
        f"percentage points in the median, 95 % interval [{interval[0]:.2f}, {interval[1]:.2f}], "
        f"point by point; D_n is closer at {np.sum(gain > 0)} of {len(gain)} points"
    )
    return Finding(above(interval, 0.0), median, interval, len(gain), detail)


def _slopes(records: Records) -> np.ndarray | None:
    """Return the slopes at n = 1000, one a run; ``None`` if the records end before."""
    if records.runs.empty or records.runs.n_recorded.min() <= AT + 5:
        return None
    n, values = records.matrix("max_update")
    return np.asarray(log_slope(n, values, at=AT))


def _too_short(records: Records) -> str:
    if records.runs.empty:
        return "no point lies in the region that the claim is about"
    return (
        f"the slope is taken at n = {AT}, from steps {AT - 5} and {AT + 5}; the shortest record "
        f"holds {records.runs.n_recorded.min()} steps"
    )


def _half_C(beta: np.ndarray, gamma: np.ndarray) -> np.ndarray:
    return -np.asarray(stability_coefficient(beta, gamma)) / 2


PRECISE = ("max_update_float64",)
WITHIN_10 = "median relative error at most 10 %, with its whole interval"
WITHIN_1 = "median relative error at most 1 %, with its whole interval"

CLAIMS = (
    Claim(
        "no-growth-where-stable",
        "fig03",
        "Section 3.2, Fig. 3b",
        "In B₊ the max-update does not grow: its slope is about 0",
        f"the interval of the median slope lies within ±{FLAT} per step",
        CURVE,
        flat_where_stable,
    ),
    Claim(
        "growth-rate-half-C",
        "fig03",
        "Section 3.2, Fig. 3b",
        "In B₋ the slope at n = 1000 is |C|/2, in “near-perfect agreement”",
        WITHIN_10,
        CURVE,
        partial(slope_error, predicted=_half_C, limit=0.10),
    ),
    Claim(
        "growth-rate-eq5",
        "fig03",
        "Eq. (5), Fig. 3b",
        "In B₋ the slope at n = 1000 is that of ln Eq. (5), bias correction included",
        WITHIN_10,
        CURVE,
        partial(
            slope_error, predicted=partial(predicted_slope, AT, bound=max_update_bound), limit=0.10
        ),
    ),
    Claim(
        "growth-rate-D",
        "fig03",
        EXACT_REFERENCE,
        "In B₋ the slope at n = 1000 is that of ln D_n",
        WITHIN_1,
        CURVE,
        partial(slope_error, predicted=partial(predicted_slope, AT), limit=0.01),
    ),
    Claim(
        "growth-rate-half-C-float64",
        "figE3",
        "Section 3.2, Fig. 3b",
        "With float64 state, too, the slope in B₋ is |C|/2",
        WITHIN_10,
        PRECISE,
        partial(slope_error, predicted=_half_C, limit=0.10),
    ),
    Claim(
        "growth-rate-D-float64",
        "figE3",
        EXACT_REFERENCE,
        "With float64 state, too, the slope in B₋ is that of ln D_n: no artefact of fp32",
        WITHIN_1,
        PRECISE,
        partial(slope_error, predicted=partial(predicted_slope, AT), limit=0.01),
    ),
    Claim(
        "exact-is-closer",
        "figE3",
        "beyond the paper: both theories, head to head",
        "In B₋ the exact theory predicts the slope better than the paper's, point by point",
        "the interval of the median difference of their relative errors lies above 0",
        CURVE,
        exact_is_closer,
    ),
)
