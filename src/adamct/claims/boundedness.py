"""Claims on the bounds of the max-update: Eq. (5) and D_n (Theorem 1; Appendices E, L)."""

from __future__ import annotations

from functools import partial

import numpy as np

from adamct.analysis.growth import SLOPE_STEP, growth_powers, net_growth
from adamct.analysis.statistics import span
from adamct.analysis.violations import ROUNDING, violations
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError, none
from adamct.claims.verdict import Claim
from adamct.records import Records
from adamct.theory import discrete_max_update_bound, max_update_bound

FITTED_FROM = 500  # steps that a record needs for a power of n to show
BOUNDS = {"Eq. (5)": max_update_bound, "D_n": discrete_max_update_bound}
TIGHT = np.log(2.0)  # nats: what is called tight here is a bound within a factor of 2


def in_region(records: Records, regions: tuple[str, ...]) -> Records:
    """Return the runs of some regions; inconclusive if there are none.

    Args:
        records: of some pairs.
        regions: of ``B+``, ``B0``, ``B-`` and ``strip`` (part of B₋ where γ² < β).
    """
    own = records.where(records.runs[records.runs.region.isin(regions)])
    if own.runs.empty:
        raise InconclusiveError(f"no run in {', '.join(regions)}")
    return own


STABLE = ("B+",)
UNSTABLE = ("B-", "strip")
ANYWHERE = ("B+", "B0", "strip", "B-")


def require_unclamped(records: Records) -> None:
    """Raise :class:`InconclusiveError` where the guard held updates to the bound to be checked."""
    if records.runs.guard.any():
        raise InconclusiveError("the guard was on, which clamps updates to the bound")


def count_violations(
    records: Records, *, bound: str, regions: tuple[str, ...] = ANYWHERE
) -> Estimate:
    """Count the steps, over all runs of some regions, at which the max-update exceeds a bound.

    Args:
        records: of Adam.
        bound: a name of ``BOUNDS``.
        regions: as :func:`in_region` takes them.
    """
    require_unclamped(records)
    records = in_region(records, regions)
    found = violations(records, BOUNDS[bound])
    detail = (
        f"{found.n_checked:,} steps of {len(records.runs)} runs; the largest measured value over "
        f"bound is {found.worst:.4g}"
    )
    if found.count:
        detail += (
            f"; violated in {len(found.run_ids)} runs, for the last time at n = {found.last_step}"
        )
    if found.count and bound == "Eq. (5)":
        detail += (
            " (proved in continuous time: on C = 0 it starts at √0 = 0, while every ‖u_0‖∞ is 1)"
        )
    return Estimate(found.count, found.n_checked, detail)


def power_on_boundary(records: Records) -> Estimate:
    """Median power p of ‖u_n‖∞ ∝ n^p over the second half, over the points of C = 0, per seed.

    Of a run it is fitted by least squares of ln ‖u_n‖∞ on ln n.
    """
    n, values = records.matrix("max_update")
    if n.max() < FITTED_FROM:
        raise InconclusiveError(f"{len(records.runs)} points with {n.max() + 1} steps")
    late, powers = growth_powers(records)
    beside = (
        f"fitted for n ≥ {int(late.min())}, of single runs {span(powers, '.2f')}; √n would be 0.5, "
        f"bounded is 0; the largest max-update is {np.nanmax(values):.2f}"
    )
    return Estimate.over_seeds(records, lambda own: np.median(growth_powers(own)[1]), beside)


def distance_below(records: Records, *, regions: tuple[str, ...]) -> Estimate:
    """Median over the points of a region of ln Eq. (5) − ln ‖u_n‖∞ late in training, per seed.

    Of a run it is the mean over n = 950 … 1009, the later window of ``net_growth``.
    """
    records = in_region(records, regions)
    shortest = records.runs.n_recorded.min()
    if shortest <= SLOPE_STEP:
        raise InconclusiveError(f"tightness is judged at n ≈ {SLOPE_STEP}; a run has {shortest}")
    table = net_growth(records)
    beside = (
        f"of single runs {span(table.below_paper.to_numpy(), '.2f')}; below D_n by "
        f"{table.below_exact.median():.2f}; a max-update lower by a factor of "
        f"{np.exp(table.below_paper.median()):.3g}"
    )
    return Estimate.over_seeds(records, lambda own: net_growth(own).below_paper.median(), beside)


CURVE = ("max_update_normal_curve",)
BOUNDARY = ("max_update_boundary",)

bound_holds = partial(
    Claim,
    kind="theorem",
    criterion=none(
        "with the guard off, the number of steps that exceed it beyond fp32 rounding "
        f"({ROUNDING:.0e})"
    ),
)
on_curve = partial(bound_holds, figure="fig03", reads=CURVE)
on_boundary = partial(bound_holds, figure="fig07", reads=BOUNDARY)
tight = partial(
    Claim,
    figure="fig03",
    reads=CURVE,
    criterion=Criterion(
        f"the median over the points of ln Eq. (5) − ln ‖u_n‖∞ near n = {SLOPE_STEP}",
        at_most=float(TIGHT),
        unit="in ln",
        note="that is, within a factor of 2",
    ),
)

CLAIMS = (
    on_curve(
        name="D-bounds-max-update",
        also=("fig11",),
        reference="beyond the paper: the exact bound",
        statement="D_n bounds the max-update at every step and point",
        evaluate=partial(count_violations, bound="D_n"),
    ),
    on_curve(
        name="eq5-where-stable",
        also=("fig11",),
        reference="Theorem 1, Figs. 3a and 11",
        statement="Eq. (5) bounds the max-update at every step in B₊",
        evaluate=partial(count_violations, bound="Eq. (5)", regions=STABLE),
    ),
    on_curve(
        name="eq5-where-unstable",
        reference="Theorem 1, Fig. 3a",
        statement="Eq. (5) bounds the max-update at every step in B₋",
        evaluate=partial(count_violations, bound="Eq. (5)", regions=UNSTABLE),
    ),
    tight(
        name="eq5-is-tight-where-stable",
        also=("fig11",),
        reference="Section 3.2: the bounds are very accurate models, in B₊",
        statement="In B₊ the max-update comes near to Eq. (5)",
        evaluate=partial(distance_below, regions=STABLE),
    ),
    tight(
        name="eq5-is-tight-where-unstable",
        reference="Section 3.2: the bounds are very accurate models, in B₋",
        statement="In B₋ the max-update comes near to Eq. (5)",
        evaluate=partial(distance_below, regions=UNSTABLE),
    ),
    on_boundary(
        name="D-on-boundary",
        reference="beyond the paper: the exact bound",
        statement="D_n bounds the max-update on C = 0",
        evaluate=partial(count_violations, bound="D_n"),
    ),
    on_boundary(
        name="eq5-on-boundary",
        reference="Theorem 1, Appendix E, Fig. 7",
        statement="Eq. (5) bounds the max-update on C = 0",
        evaluate=partial(count_violations, bound="Eq. (5)"),
    ),
    Claim(
        name="bounded-on-boundary",
        figure="fig07",
        reference="Appendix E, Fig. 7",
        statement="On C = 0 the max-update is bounded rather than growing like √n",
        criterion=Criterion(
            "the median fitted power of n", at_most=0.25, note="nearer to 0 than to 1/2"
        ),
        reads=BOUNDARY,
        evaluate=power_on_boundary,
    ),
)
