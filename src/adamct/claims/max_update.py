"""Claims on the max-update: both bounds, and the growth rates of both theories (Section 3.2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from adamct.claims.statistics import bootstrap_interval, violations
from adamct.claims.verdicts import Claim, Finding, Status, below, inconclusive
from adamct.records import Records
from adamct.theory import (
    discrete_max_update_bound,
    log_slope,
    max_update_bound,
    predicted_slope,
    riding_share,
)
from adamct.theory.domain import Values

AT = 1000  # Appendix H: the slope is taken at n = 1000, from n = 995 and 1005
CLEARLY_UNSTABLE = -0.02  # nearer to C = 0 the growth is slower than the resets between
FLAT = 0.002  # per step: growth by e in 500 steps; a tenth of the paper's rate at C = -0.04

Bound = Callable[..., Values]


def bound_holds(records: Records, *, bound: Bound, name: str) -> Finding:
    """Count the steps, over all runs, at which the max-update exceeds a bound."""
    if records.runs.guard.any():
        return inconclusive("the guard was on, which clamps updates to the bound")
    found = violations(records, bound)
    detail = (
        f"{found.count} violations of {name} in {found.n_checked:,} steps of "
        f"{len(records.runs)} runs; the largest measured value over bound is {found.worst:.4f}"
    )
    if found.count:
        detail += f"; violated in {found.n_runs} runs, for the last time at n = {found.last_step}"
    status: Status = "not reproduced" if found.count else "reproduced"
    return Finding(status, found.count, None, found.n_checked, detail)


def flat_where_stable(records: Records) -> Finding:
    """Median slope of ln ‖u_n‖∞ at n = 1000 over the points of B₊."""
    stable = records.where(records.runs[records.runs.C > 0])
    slopes = _slopes(stable)
    if slopes is None:
        return inconclusive(_too_short(stable), len(stable.runs))
    if len(slopes) < 5:
        return inconclusive(f"only {len(slopes)} points in B₊ have a slope", len(slopes))
    median, interval = float(np.median(slopes)), bootstrap_interval(slopes)
    largest = max(map(abs, interval))
    status = below((min(map(abs, interval)) if interval[0] * interval[1] > 0 else 0, largest), FLAT)
    detail = (
        f"median slope {median:+.5f} per step, 95 % interval [{interval[0]:+.5f}, "
        f"{interval[1]:+.5f}], {len(slopes)} points; a single slope deviates by "
        f"{np.std(slopes):.5f}"
    )
    return Finding(status, median, interval, len(slopes), detail)


def slope_error(
    records: Records, *, predicted: Callable[[np.ndarray, np.ndarray], np.ndarray], limit: float
) -> Finding:
    """Median relative error of a predicted slope at n = 1000, over the points with C < −0.02."""
    unstable = records.where(records.runs[records.runs.C < CLEARLY_UNSTABLE])
    slopes = _slopes(unstable)
    if slopes is None:
        return inconclusive(_too_short(unstable), len(unstable.runs))
    if len(slopes) < 5:
        return inconclusive(f"only {len(slopes)} points have C < {CLEARLY_UNSTABLE}", len(slopes))
    beta, gamma = unstable.runs.beta.to_numpy(), unstable.runs.gamma.to_numpy()
    errors = np.abs(slopes / predicted(beta, gamma) - 1)
    median, interval = float(np.median(errors)), bootstrap_interval(errors)
    n, values = unstable.matrix("max_update")
    share = riding_share(n, values, beta, gamma)
    detail = (
        f"median relative error {median:.2%}, 95 % interval [{interval[0]:.2%}, "
        f"{interval[1]:.2%}], {len(errors)} points with C < {CLEARLY_UNSTABLE}; "
        f"{np.mean(errors <= 0.01):.0%} of them within 1 %; riding share (of the steps, within "
        f"2 % of the exact slope) {np.min(share):.2f} to {np.max(share):.2f}"
    )
    return Finding(below(interval, limit), median, interval, len(errors), detail)


def _slopes(records: Records) -> np.ndarray | None:
    """Return the finite slopes at n = 1000, one a run; ``None`` if the records end before."""
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
    return (1 + 1 / beta - 2 / gamma) / 2


EXPERIMENT = "max_update_normal_curve"

CLAIMS = (
    Claim(
        name="eq5-bounds-max-update",
        figure="fig03",
        reference="Theorem 1, Fig. 3a",
        statement="Eq. (5) bounds the max-update at every step and every point",
        criterion="no step exceeds Eq. (5) beyond fp32 rounding (1e-5), guard off",
        experiment=EXPERIMENT,
        evaluate=partial(bound_holds, bound=max_update_bound, name="Eq. (5)"),
    ),
    Claim(
        name="D-bounds-max-update",
        figure="fig03",
        reference="beyond the paper: the exact bound",
        statement="D_n bounds the max-update at every step and every point",
        criterion="no step exceeds D_n beyond fp32 rounding (1e-5), guard off",
        experiment=EXPERIMENT,
        evaluate=partial(bound_holds, bound=discrete_max_update_bound, name="D_n"),
    ),
    Claim(
        name="no-growth-where-stable",
        figure="fig03",
        reference="Section 3.2, Fig. 3b",
        statement="In B₊ the max-update does not grow: its slope at n = 1000 is about 0",
        criterion=f"the interval of the median slope lies within ±{FLAT} per step",
        experiment=EXPERIMENT,
        evaluate=flat_where_stable,
    ),
    Claim(
        name="growth-rate-half-C",
        figure="fig03",
        reference="Section 3.2, Fig. 3b",
        statement="In B₋ the slope at n = 1000 is |C|/2, in near-perfect agreement",
        criterion="median relative error at most 5 %, with its whole interval",
        experiment=EXPERIMENT,
        evaluate=partial(slope_error, predicted=_half_C, limit=0.05),
    ),
    Claim(
        name="growth-rate-eq5",
        figure="fig03",
        reference="Eq. (5), Fig. 3b",
        statement="In B₋ the slope at n = 1000 is that of ln Eq. (5), bias correction included",
        criterion="median relative error at most 5 %, with its whole interval",
        experiment=EXPERIMENT,
        evaluate=partial(
            slope_error, predicted=partial(predicted_slope, AT, bound=max_update_bound), limit=0.05
        ),
    ),
    Claim(
        name="growth-rate-D",
        figure="fig03",
        reference="beyond the paper: the exact bound",
        statement="In B₋ the slope at n = 1000 is that of ln D_n",
        criterion="median relative error at most 1 %, with its whole interval",
        experiment=EXPERIMENT,
        evaluate=partial(slope_error, predicted=partial(predicted_slope, AT), limit=0.01),
    ),
)
