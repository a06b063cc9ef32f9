"""Claims on the growth of the max-update, and the rates of both theories (Section 3.2)."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from adamct.analysis.growth import (
    CLEARLY_UNSTABLE,
    HALF_WIDTH,
    SLOPE_STEP,
    Theory,
    median_slope,
    slope_error,
    slope_step,
    slope_table,
)
from adamct.analysis.statistics import median_with_interval
from adamct.claims.boundedness import CURVE, EXACT_REFERENCE
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError, require_points
from adamct.claims.verdict import Claim
from adamct.records import Records
from adamct.theory import share_at_predicted_rate

FLAT = 0.002  # per step: growth by e in 500 steps; a tenth of the paper's rate at C = -0.04


def flat_where_stable(records: Records) -> Estimate:
    """Median over the points of B₊ of the typical slope of ln ‖u_n‖∞ up to n = 1000.

    All runs see the same batch at the same step, so their slopes at one n share its noise. The
    typical slope of a run is the median of its 10-step slopes over n = 500 to 1000.
    """
    stable = records.where(records.runs[records.runs.C > 0])
    at_one = _slopes(stable).slope
    require_points(len(at_one), "points in B₊")
    first = SLOPE_STEP / 2
    series = (stable.series(run_id, "max_update") for run_id in stable.runs.run_id)
    typical = np.array([median_slope(n, values, first, SLOPE_STEP) for n, values in series])
    median, interval = median_with_interval(typical)
    detail = (
        f"median slope {median:+.5f} per step over n = {first:.0f} to {SLOPE_STEP}, 95 % interval "
        f"{interval:+.5f}, {len(typical)} points; at n = {SLOPE_STEP} alone "
        f"{np.median(at_one):+.5f} ± {np.std(at_one):.5f}"
    )
    return Estimate(median, len(typical), detail, interval)


def rate_error(records: Records, *, theory: Theory) -> Estimate:
    """Median relative error of a predicted slope at n = 1000, over the points with C < −0.02."""
    unstable, slopes = _unstable(records)
    errors = np.abs(slope_error(slopes, theory))
    median, interval = median_with_interval(errors)
    n, values = unstable.matrix("max_update")
    share = share_at_predicted_rate(n, values, unstable.runs.beta, unstable.runs.gamma)
    detail = (
        f"median relative error {100 * median:.2g} %, 95 % interval [{100 * interval.low:.2g} %, "
        f"{100 * interval.high:.2g} %], {len(errors)} points with C < {CLEARLY_UNSTABLE}, "
        f"{np.sum(errors <= 0.01)} of them within 1 %; share of the steps within 2 % of the exact "
        f"slope {np.min(share):.2f} to {np.max(share):.2f}"
    )
    return Estimate(median, len(errors), detail, interval)


def exact_is_closer(records: Records) -> Estimate:
    """Median over the points with C < −0.02 of the error of ln Eq. (5) less that of ln D_n."""
    _, slopes = _unstable(records)
    paper, exact = (np.abs(slope_error(slopes, theory)) for theory in ("paper", "exact"))
    gain = 100 * (paper - exact)
    median, interval = median_with_interval(gain)
    detail = (
        f"the relative error of ln Eq. (5)'s slope exceeds that of ln D_n's by {median:.2f} "
        f"percentage points in the median, 95 % interval {interval:.2f}, point by point; D_n is "
        f"closer at {np.sum(gain > 0)} of {len(gain)} points"
    )
    return Estimate(median, len(gain), detail, interval)


def _unstable(records: Records) -> tuple[Records, pd.DataFrame]:
    unstable = records.where(records.runs[records.runs.C < CLEARLY_UNSTABLE])
    slopes = _slopes(unstable)
    require_points(len(slopes), f"points with C < {CLEARLY_UNSTABLE}")
    return unstable, slopes


def _slopes(records: Records) -> pd.DataFrame:
    """Return the slopes at n = 1000; inconclusive if a record ends before."""
    runs = records.runs
    if runs.empty:
        raise InconclusiveError("no point lies in the region that the claim is about")
    shortest = runs.n_recorded.min()
    if slope_step(shortest) < SLOPE_STEP:
        first, last = SLOPE_STEP - HALF_WIDTH, SLOPE_STEP + HALF_WIDTH
        raise InconclusiveError(
            f"the slope is taken at n = {SLOPE_STEP}, from steps {first} and {last}; the shortest "
            f"record holds {shortest} steps",
            len(runs),
        )
    return slope_table(records, SLOPE_STEP)


PRECISE = ("max_update_float64",)


def within(limit: float) -> Criterion:
    """Return the criterion of a relative error."""
    return Criterion("the median relative error", at_most=limit, unit="%")


in_figure_3 = partial(Claim, figure="fig03", reads=CURVE)
precise = partial(Claim, figure="figE3", reads=PRECISE)

CLAIMS = (
    in_figure_3(
        name="no-growth-where-stable",
        reference="Section 3.2, Fig. 3b",
        statement="In B₊ the max-update does not grow: its slope is about 0",
        criterion=Criterion("the median slope", at_least=-FLAT, at_most=FLAT, unit="per step"),
        evaluate=flat_where_stable,
    ),
    in_figure_3(
        name="growth-rate-half-C",
        reference="Section 3.2, Fig. 3b",
        statement="In B₋ the slope at n = 1000 is |C|/2, in “near-perfect agreement”",
        criterion=within(0.10),
        evaluate=partial(rate_error, theory="half_C"),
    ),
    in_figure_3(
        name="growth-rate-eq5",
        reference="Eq. (5), Fig. 3b",
        statement="In B₋ the slope at n = 1000 is that of ln Eq. (5), bias correction included",
        criterion=within(0.10),
        evaluate=partial(rate_error, theory="paper"),
    ),
    in_figure_3(
        name="growth-rate-D",
        kind="extension",
        reference=EXACT_REFERENCE,
        statement="In B₋ the slope at n = 1000 is that of ln D_n",
        criterion=within(0.01),
        evaluate=partial(rate_error, theory="exact"),
    ),
    precise(
        name="growth-rate-half-C-float64",
        reference="Section 3.2, Fig. 3b",
        statement="With float64 state, too, the slope in B₋ is |C|/2",
        criterion=within(0.10),
        evaluate=partial(rate_error, theory="half_C"),
    ),
    precise(
        name="growth-rate-D-float64",
        kind="extension",
        reference=EXACT_REFERENCE,
        statement="With float64 state, too, the slope in B₋ is that of ln D_n: no artefact of fp32",
        criterion=within(0.01),
        evaluate=partial(rate_error, theory="exact"),
    ),
    Claim(
        name="exact-is-closer",
        figure="figE3",
        kind="extension",
        reference="beyond the paper: both theories, head to head",
        statement="In B₋ the exact theory predicts the slope better than the paper's, point by "
        "point",
        criterion=Criterion(
            "the median difference of their relative errors",
            at_least=0,
            unit="percentage points",
        ),
        reads=CURVE,
        evaluate=exact_is_closer,
    ),
)
