"""Claims on the growth of the max-update, and the rates of both theories (Section 3.2).

Measured is the 10-step slope of ln ‖u_n‖∞, (ln ‖u_{n+5}‖∞ − ln ‖u_{n−5}‖∞)/10: its median over
every step n = 500 … 1000 (see ``slope_table``), at every point of B₋, however near to C = 0.
Predicted is |C|/2, or the same median of the slopes of ln D_n or ln Eq. (5). The net slope has no
sawtooth: it is the mean of ln ‖u_n‖∞ over n = 950 … 1009 less that over 450 … 509, over 500 (see
``net_growth``). A seed's statistic is the median over its points.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from adamct.analysis.growth import (
    CLEARLY_UNSTABLE,
    SLOPE_STEP,
    Theory,
    late_steps,
    net_growth,
    share_of_steps_off,
    slope_ratio,
    slope_step,
    slope_table,
)
from adamct.analysis.statistics import span
from adamct.claims.boundedness import CURVE, STABLE, UNSTABLE, in_region
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError, equivalent
from adamct.claims.verdict import Claim
from adamct.records import Records
from adamct.theory import share_at_predicted_rate
from adamct.theory.slopes import HALF_WIDTH, RATE_TOLERANCE

EQUAL = 0.01  # relative deviation up to which two slopes count as the same
LAW = (0.8, 1.25)  # docs/STATISTICS.md: one rule for laws
# Per step. In pilots the net slope of B₊ is −0.0004: a training that settles. The margin is a
# twentieth of the paper's rate at C = −0.04, and e^0.5 over 500 steps.
FLAT = 0.001


def no_growth(records: Records) -> Estimate:
    """Median over the points of B₊ of the net slope of ln ‖u_n‖∞, per seed.

    The robust slope that serves in B₋ would be biased here: a sawtooth's median slope is that of
    its longer flank.
    """
    stable = _long_enough(records, STABLE)
    robust = _robust(stable).slope
    single = slope_table(stable, SLOPE_STEP).slope
    beside = (
        f"of single runs {span(net_growth(stable).measured.to_numpy(), '.1g')}; the median 10-step "
        f"slope, which is biased upwards for a sawtooth, is {robust.median():+.5f}; at n = "
        f"{SLOPE_STEP} alone {single.mean():+.5f} ± {single.std():.5f}"
    )
    return Estimate.over_seeds(stable, lambda own: net_growth(own).measured.median(), beside)


def rate(records: Records, *, theory: Theory) -> Estimate:
    """Median over the points of B₋ of measured over predicted slope, per seed."""
    unstable = _long_enough(records, UNSTABLE)
    table = _robust(unstable)
    ratio, clear = slope_ratio(table, theory), (table.C < CLEARLY_UNSTABLE).to_numpy()
    at_step = slope_ratio(slope_table(unstable, SLOPE_STEP), theory)
    n, values = unstable.matrix("max_update")
    share = share_at_predicted_rate(n, values, unstable.runs.beta, unstable.runs.gamma)
    cut = ((clear, f"with C < {CLEARLY_UNSTABLE:g}"), (~clear, "nearer to C = 0"))
    parts = (
        f"{np.median(ratio[part]):.3f} at the {_points(table[part])} {where}"
        for part, where in cut
        if part.any()
    )
    beside = (
        f"{', '.join(parts)}; the median error is {np.median(np.abs(ratio - 1)):.2%}, at n = "
        f"{SLOPE_STEP} alone {np.nanmedian(np.abs(at_step - 1)):.1%}, and of single steps N = 100, "
        f"110, … {SLOPE_STEP} {share_of_steps_off(unstable, theory):.0%} miss by more than 10 %; "
        f"steps within {100 * RATE_TOLERANCE:g} % of D_n's slope: {span(share, '.0%')} of a run"
    )
    return _of_points(unstable, partial(slope_ratio, theory=theory), beside)


def rate_near_boundary(records: Records) -> Estimate:
    """Median of measured over |C|/2 over the points of B₋ nearest to C = 0, per seed."""
    near = records.where(records.runs[records.runs.C >= CLEARLY_UNSTABLE])
    near = _long_enough(near, UNSTABLE)
    table = _robust(near)
    _, values = near.matrix("max_update")
    beside = (
        f"at {_points(table)} with {CLEARLY_UNSTABLE:g} ≤ C < 0, the nearest at C = "
        f"{table.C.max():.2g}; their largest max-updates are {span(np.nanmax(values, axis=0))}, "
        f"and the measured slope {span(table.slope.to_numpy(), '.4f')}"
    )
    return _of_points(near, partial(slope_ratio, theory="half_C"), beside)


def exact_is_closer(records: Records) -> Estimate:
    """Median over the points of B₋ of the error of ln Eq. (5) less that of ln D_n, per seed."""

    def gain(table: pd.DataFrame) -> np.ndarray:
        paper, exact = (np.abs(slope_ratio(table, theory) - 1) for theory in ("paper", "exact"))
        return 100 * (paper - exact)

    unstable = _long_enough(records, UNSTABLE)
    gains = gain(_robust(unstable))
    return _of_points(unstable, gain, f"D_n is closer at {np.mean(gains > 0):.0%} of the runs")


def net_change(records: Records, *, theory: Theory) -> Estimate:
    """Median over the points of B₋ of the net growth over that of a bound, per seed."""
    unstable = _long_enough(records, UNSTABLE)
    table = net_growth(unstable)
    beside = (
        f"measured {table.measured.median():+.4f} per step, predicted "
        f"{table[theory].median():.4f}; it rises in "
        f"{np.sum(table.measured > 0)} of {len(table)} runs"
    )

    def ratio(own: Records) -> float:
        each = net_growth(own)
        return float(np.median(each.measured / each[theory]))

    return Estimate.over_seeds(unstable, ratio, beside)


def _robust(records: Records) -> pd.DataFrame:
    return slope_table(records, late_steps(records.runs.n_recorded.min()))


def _of_points(records: Records, of: Callable[[pd.DataFrame], np.ndarray], beside: str) -> Estimate:
    """Estimate the median over the points of a column of robust slopes."""
    return Estimate.over_seeds(records, lambda own: np.median(of(_robust(own))), beside)


def _points(table: pd.DataFrame) -> str:
    return f"{table.C.nunique()} points"


def _long_enough(records: Records, regions: tuple[str, ...]) -> Records:
    """Return the runs of some regions; inconclusive if one of them ends before n = 1005."""
    own = in_region(records, regions)
    shortest = own.runs.n_recorded.min()
    if slope_step(shortest) < SLOPE_STEP:
        raise InconclusiveError(
            f"slopes are taken from the steps up to n = {SLOPE_STEP} + {HALF_WIDTH}; the shortest "
            f"record holds {shortest} steps",
            len(own.runs),
        )
    return own


MEASURED = f"the median over the points of measured over predicted slope (n = 500 … {SLOPE_STEP})"
NEAR_PERFECT = equivalent(MEASURED, EQUAL, to=1.0)
A_LAW = Criterion(MEASURED, at_least=LAW[0], at_most=LAW[1])
NET = "the median over the points of measured over predicted change from n ≈ 480 to 980"
RIGHT_AFTER = f"the median over {CLEARLY_UNSTABLE:g} ≤ C < 0 of measured over predicted slope"

in_figure_3 = partial(Claim, figure="fig03", reads=CURVE)


def in_figure_E3(ending: str, setting: str, reads: tuple[str, ...]) -> tuple[Claim, ...]:
    """Return what is claimed of the growth in another setting than Figure 3's.

    Args:
        ending: of the claims' names.
        setting: in words, before the statement.
        reads: its experiment.
    """
    beyond = partial(
        Claim, figure="figE3", kind="extension", reads=reads, reference=f"beyond Fig. 3: {setting}"
    )
    return (
        beyond(
            name=f"growth-rate-D-{ending}",
            statement=f"In B₋ the max-update grows like D_n {setting}, too",
            criterion=A_LAW,
            evaluate=partial(rate, theory="exact"),
        ),
        beyond(
            name=f"growth-rate-half-C-{ending}",
            statement=f"In B₋ the max-update grows at about |C|/2 {setting}, too",
            criterion=A_LAW,
            evaluate=partial(rate, theory="half_C"),
        ),
        beyond(
            name=f"net-growth-{ending}",
            statement=f"In B₋ the max-update grows on like D_n {setting}, falls included",
            criterion=Criterion(NET, at_least=LAW[0], at_most=LAW[1]),
            evaluate=partial(net_change, theory="exact"),
        ),
    )


FLOAT64 = ("max_update_float64",)
CNN = ("max_update_cnn",)

CLAIMS = (
    in_figure_3(
        name="no-growth-where-stable",
        reference="Section 3.2, Fig. 3b",
        statement="In B₊ the max-update does not grow: its net slope is 0",
        criterion=equivalent(
            "the median over the points of the net slope from n ≈ 480 to 980",
            FLAT,
            unit="per step",
        ),
        evaluate=no_growth,
    ),
    in_figure_3(
        name="growth-equals-half-C",
        reference="Section 3.2, Fig. 3b: near-perfect agreement",
        statement="In B₋ the slope is |C|/2",
        criterion=NEAR_PERFECT,
        evaluate=partial(rate, theory="half_C"),
    ),
    in_figure_3(
        name="growth-rate-half-C",
        reference="Section 3.2, Fig. 3b: correlated as predicted",
        statement="In B₋ the slope is about |C|/2, a law of first order in 1 − β and 1 − γ",
        criterion=A_LAW,
        evaluate=partial(rate, theory="half_C"),
    ),
    in_figure_3(
        name="growth-equals-D",
        kind="extension",
        reference="beyond the paper: the exact bound",
        statement="In B₋ the slope is that of ln D_n",
        criterion=NEAR_PERFECT,
        evaluate=partial(rate, theory="exact"),
    ),
    in_figure_3(
        name="growth-rate-D",
        kind="extension",
        reference="beyond the paper: the exact bound",
        statement="In B₋ the slope is about that of ln D_n",
        criterion=A_LAW,
        evaluate=partial(rate, theory="exact"),
    ),
    in_figure_3(
        name="growth-right-after-C-0",
        reference="Section 3.2: almost immediately after entering B₋",
        statement="Growth sets in right behind C = 0: there, too, the slope is about |C|/2",
        criterion=Criterion(RIGHT_AFTER, at_least=LAW[0], at_most=LAW[1]),
        evaluate=rate_near_boundary,
    ),
    in_figure_3(
        name="net-growth",
        reference="Section 3.2: the bounds are very accurate models of the dynamics",
        statement="In B₋ the max-update grows on like Eq. (5), falls included",
        criterion=Criterion(NET, at_least=LAW[0], at_most=LAW[1]),
        evaluate=partial(net_change, theory="paper"),
    ),
    *in_figure_E3("float64", "with float64 state", FLOAT64),
    *in_figure_E3("cnn", "in a CNN on images", CNN),
    Claim(
        name="exact-is-closer",
        figure="figE3",
        kind="extension",
        reference="beyond the paper: both theories, head to head",
        statement="In B₋ ln D_n predicts the slope better than ln Eq. (5), point by point",
        criterion=Criterion(
            "the median over the points of the difference of their relative errors",
            at_least=0,
            unit="percentage points",
        ),
        reads=CURVE,
        evaluate=exact_is_closer,
    ),
)
