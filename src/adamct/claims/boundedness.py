"""Claims on the bounds of the max-update: Eq. (5) and D_n (Theorems 1, 3; Appendices E, L)."""

from __future__ import annotations

from functools import partial

import numpy as np

from adamct.analysis.growth import growth_powers
from adamct.analysis.statistics import FEWEST, median_with_interval
from adamct.analysis.violations import ROUNDING, level_violations, violations
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError
from adamct.claims.verdict import Claim
from adamct.records import Records
from adamct.theory import discrete_max_update_bound, max_update_bound

BOUNDS = {"Eq. (5)": max_update_bound, "D_n": discrete_max_update_bound}


def count_violations(records: Records, *, bound: str, stable: bool = False) -> Estimate:
    """Count the steps, over all runs, at which the max-update exceeds a bound.

    Args:
        records: of Adam.
        bound: a name of ``BOUNDS``.
        stable: over the runs in B₊ alone.
    """
    if stable:
        records = records.where(records.runs[records.runs.C > 0])
    _require_unguarded(records)
    found = violations(records, BOUNDS[bound])
    detail = (
        f"{found.count} violations of {bound} in {found.n_checked:,} steps of "
        f"{len(records.runs)} runs; the largest measured value over bound is {found.worst:.4g}"
    )
    if found.count:
        detail += f"; violated in {found.n_runs} runs, for the last time at n = {found.last_step}"
        if bound == "Eq. (5)":
            detail += (
                " (Eq. (5) is a continuous-time bound: on C = 0 it starts at √0 = 0, while every "
                "‖u_0‖∞ is 1)"
            )
    return Estimate(found.count, found.n_checked, detail)


def count_level_violations(records: Records) -> Estimate:
    """Count the steps at which a level's max-update exceeds D_n of that level (Theorem 3)."""
    _require_unguarded(records)
    found = level_violations(records)
    count, checked = sum(f.count for f in found), sum(f.n_checked for f in found)
    detail = (
        f"{count} violations of D_n in {checked:,} level-steps of {len(records.runs)} runs with "
        f"k = {', '.join(map(str, sorted(set(records.runs.k))))}; the largest measured value over "
        f"bound is {max(f.worst for f in found):.4g}"
    )
    return Estimate(count, checked, detail)


def power_on_boundary(records: Records) -> Estimate:
    """Median power p of ‖u_n‖∞ ∝ n^p over the second half, over the points of C = 0."""
    n, values = records.matrix("max_update")
    if n.max() < 500 or len(records.runs) < FEWEST:
        raise InconclusiveError(f"{len(records.runs)} points with {n.max() + 1} steps")
    late, powers = growth_powers(records)
    median, interval = median_with_interval(powers)
    detail = (
        f"median power of n {median:+.3f}, 95 % interval {interval:+.3f}, {len(powers)} points, "
        f"fitted for n ≥ {int(late.min())}; √n would be 0.5, bounded is 0; the largest max-update "
        f"is {np.nanmax(values):.2f}"
    )
    return Estimate(median, len(powers), detail, interval)


def _require_unguarded(records: Records) -> None:
    if records.runs.guard.any():
        raise InconclusiveError("the guard was on, which clamps updates to the bound")


NEVER_EXCEEDED = Criterion(
    f"with the guard off, the number of steps that exceed it beyond fp32 rounding ({ROUNDING:.0e})",
    at_least=0,
    at_most=0,
    interval=False,
)
CURVE = ("max_update_normal_curve",)
BOUNDARY = ("max_update_boundary",)
EXACT_REFERENCE = "beyond the paper: the exact bound"

paper = partial(Claim, criterion=NEVER_EXCEEDED)
exact = partial(paper, kind="extension", reference=EXACT_REFERENCE)

CLAIMS = (
    paper(
        name="eq5-bounds-max-update",
        figure="fig03",
        reference="Theorem 1, Fig. 3a",
        statement="Eq. (5) bounds the max-update at every step and every point",
        reads=CURVE,
        evaluate=partial(count_violations, bound="Eq. (5)"),
    ),
    exact(
        name="D-bounds-max-update",
        figure="fig03",
        statement="D_n bounds the max-update at every step and every point",
        reads=CURVE,
        evaluate=partial(count_violations, bound="D_n"),
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
    paper(
        name="eq5-on-boundary",
        figure="fig07",
        reference="Appendix E, Fig. 7",
        statement="On C = 0 Eq. (5) is not violated",
        reads=BOUNDARY,
        evaluate=partial(count_violations, bound="Eq. (5)"),
    ),
    exact(
        name="D-on-boundary",
        figure="fig07",
        statement="On C = 0 D_n, which tends to 1/√(1−β), bounds the max-update",
        reads=BOUNDARY,
        evaluate=partial(count_violations, bound="D_n"),
    ),
    paper(
        name="eq5-where-stable",
        figure="fig11",
        reference="Appendix L, Fig. 11",
        statement="In B₊ Eq. (5) bounds the max-update at every step",
        reads=CURVE,
        evaluate=partial(count_violations, bound="Eq. (5)", stable=True),
    ),
    exact(
        name="D-where-stable",
        figure="fig11",
        statement="In B₊ D_n bounds the max-update at every step",
        reads=CURVE,
        evaluate=partial(count_violations, bound="D_n", stable=True),
    ),
    paper(
        name="D-bounds-every-level",
        figure="figE5",
        reference="Theorem 3 (with D_n of each level)",
        statement="In k-Adam the max-update of every level obeys the bound of that level",
        reads=("max_update_levels",),
        evaluate=count_level_violations,
    ),
)
