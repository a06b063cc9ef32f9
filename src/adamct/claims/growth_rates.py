"""Claims on the growth of the max-update, and the rates of both theories (Section 3.2)."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from adamct.analysis.growth import (
    CLEARLY_UNSTABLE,
    SLOPE_STEP,
    Theory,
    median_slope,
    rate_errors,
    slope_step,
    slope_table,
)
from adamct.analysis.statistics import span
from adamct.claims.boundedness import CURVE, EXACT_REFERENCE
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError
from adamct.claims.verdict import Claim, Kind
from adamct.records import Records
from adamct.theory import share_at_predicted_rate
from adamct.theory.slopes import HALF_WIDTH, RATE_TOLERANCE

CLOSE = 0.01  # relative error
FLAT = 0.002  # per step: growth by e in 500 steps; a tenth of the paper's rate at C = -0.04
UNSTABLE = f"points with C < {CLEARLY_UNSTABLE}"


def flat_where_stable(records: Records) -> Estimate:
    """Median over the points of B₊ of the typical slope of ln ‖u_n‖∞ up to n = 1000.

    All runs see the same batch at the same step, so their slopes at one n share its noise. The
    typical slope of a run is the median of its 10-step slopes over n = 500 to 1000.
    """
    stable, slopes = _slopes(records, records.runs.C > 0, "points in B₊")
    first = SLOPE_STEP / 2
    series = (stable.series(run_id, "max_update") for run_id in stable.runs.run_id)
    typical = np.array([median_slope(n, values, first, SLOPE_STEP) for n, values in series])
    beside = (
        f"each the median over n = {first:.0f} to {SLOPE_STEP}; at n = {SLOPE_STEP} alone "
        f"{np.median(slopes.slope):.5f} ± {np.std(slopes.slope):.5f}"
    )
    return Estimate.over(typical, of="points in B₊", beside=beside)


def rate_error(records: Records, *, theory: Theory) -> Estimate:
    """Median relative error of a predicted slope at n = 1000, over the points with C < −0.02."""
    unstable, slopes = _slopes(records, records.runs.C < CLEARLY_UNSTABLE, UNSTABLE)
    errors = rate_errors(slopes, theory)
    n, values = unstable.matrix("max_update")
    share = share_at_predicted_rate(n, values, unstable.runs.beta, unstable.runs.gamma)
    beside = (
        f"{np.sum(errors <= CLOSE)} of them within {100 * CLOSE:g} %; share of the steps within "
        f"{100 * RATE_TOLERANCE:g} % of the exact slope {span(share, '.2f')}"
    )
    return Estimate.over(errors, of=UNSTABLE, beside=beside)


def exact_is_closer(records: Records) -> Estimate:
    """Median over the points with C < −0.02 of the error of ln Eq. (5) less that of ln D_n."""
    _, slopes = _slopes(records, records.runs.C < CLEARLY_UNSTABLE, UNSTABLE)
    gain = 100 * (rate_errors(slopes, "paper") - rate_errors(slopes, "exact"))
    beside = f"D_n is closer at {np.sum(gain > 0)} of them"
    return Estimate.over(gain, of=UNSTABLE, beside=beside)


def _slopes(records: Records, region: pd.Series, of: str) -> tuple[Records, pd.DataFrame]:
    """Return the runs of a region, and their slopes at n = 1000; inconclusive if one ends before.

    Args:
        records: of a curve.
        region: which of its runs.
        of: what they are called.
    """
    own = records.where(records.runs[region])
    require_points(len(own.runs), of)
    shortest = own.runs.n_recorded.min()
    if slope_step(shortest) < SLOPE_STEP:
        raise InconclusiveError(
            f"the slope is taken from the steps n = {SLOPE_STEP} ± {HALF_WIDTH}; the shortest "
            f"record holds {shortest} steps",
            len(own.runs),
        )
    return own, slope_table(own, SLOPE_STEP)


# Laws of growth: the theory, the largest error, whose it is and where, and the slope in words.
LAWS: dict[str, tuple[Theory, float, Kind, str, str]] = {
    "half-C": ("half_C", 0.1, "paper", "Section 3.2, Fig. 3b", "|C|/2"),
    "eq5": ("paper", 0.1, "paper", "Eq. (5), Fig. 3b", "that of ln Eq. (5) with bias correction"),
    "D": ("exact", CLOSE, "extension", EXACT_REFERENCE, "that of ln D_n"),
}


def growth_follows(law: str, *, float64: bool = False) -> Claim:
    """Return the claim that the max-update grows by one of ``LAWS``, with fp32 or float64 state."""
    theory, at_most, kind, reference, slope = LAWS[law]
    return Claim(
        name=f"growth-rate-{law}{'-float64' if float64 else ''}",
        figure="figE3" if float64 else "fig03",
        kind=kind,
        reference=reference,
        statement=f"In B₋ the slope at n = {SLOPE_STEP} is {slope}"
        f"{', with float64 state, too' if float64 else ''}",
        criterion=Criterion("the median relative error", at_most=at_most, unit="%"),
        reads=("max_update_float64",) if float64 else CURVE,
        evaluate=partial(rate_error, theory=theory),
    )


CLAIMS = (
    Claim(
        name="no-growth-where-stable",
        figure="fig03",
        reference="Section 3.2, Fig. 3b",
        statement="In B₊ the max-update does not grow: its slope is about 0",
        criterion=Criterion("the median slope", at_least=-FLAT, at_most=FLAT, unit="per step"),
        reads=CURVE,
        evaluate=flat_where_stable,
    ),
    *map(growth_follows, LAWS),
    growth_follows("half-C", float64=True),
    growth_follows("D", float64=True),
    Claim(
        name="exact-is-closer",
        figure="figE3",
        kind="extension",
        reference="beyond the paper: both theories, head to head",
        statement="In B₋ ln D_n predicts the slope better than ln Eq. (5), point by point",
        criterion=Criterion(
            "the median difference of their relative errors",
            at_least=0,
            unit="percentage points",
        ),
        reads=CURVE,
        evaluate=exact_is_closer,
    ),
)
