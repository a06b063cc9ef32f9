"""Claims on the bounds of the max-update: Eq. (5) and D_n (Theorems 1, 3; Appendices E, L)."""

from __future__ import annotations

from functools import partial

import numpy as np

from adamct.analysis.growth import growth_powers
from adamct.analysis.violations import ROUNDING, level_violations, violations
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError, none
from adamct.claims.verdict import Claim, Kind
from adamct.records import Records
from adamct.theory import discrete_max_update_bound, max_update_bound

FITTED_FROM = 500  # steps that a record needs for a power of n to show
BOUNDS = {"Eq. (5)": max_update_bound, "D_n": discrete_max_update_bound}


def count_violations(
    records: Records, *, bound: str | None = None, stable: bool = False
) -> Estimate:
    """Count the steps, over all runs, at which the max-update exceeds a bound.

    Args:
        records: of Adam, or of k-Adam.
        bound: a name of ``BOUNDS``; ``None`` for D_n of each level of k-Adam (Theorem 3).
        stable: over the runs in B₊ alone.
    """
    if records.runs.guard.any():
        raise InconclusiveError("the guard was on, which clamps updates to the bound")
    if stable:
        records = records.where(records.runs[records.runs.C > 0])
    found = violations(records, BOUNDS[bound]) if bound else level_violations(records)
    levels = "" if bound else f" with k = {', '.join(map(str, sorted(set(records.runs.k))))}"
    detail = (
        f"{found.n_checked:,} {'steps' if bound else 'level-steps'} of {len(records.runs)} runs"
        f"{levels}; the largest measured value over bound is {found.worst:.4g}"
    )
    if found.count:
        detail += (
            f"; violated in {len(found.run_ids)} runs, for the last time at n = {found.last_step}"
        )
    if found.count and bound == "Eq. (5)":
        detail += (
            " (Eq. (5) is a continuous-time bound: on C = 0 it starts at √0 = 0, while every "
            "‖u_0‖∞ is 1)"
        )
    return Estimate(found.count, found.n_checked, detail)


def power_on_boundary(records: Records) -> Estimate:
    """Median power p of ‖u_n‖∞ ∝ n^p over the second half, over the points of C = 0."""
    n, values = records.matrix("max_update")
    if n.max() < FITTED_FROM:
        raise InconclusiveError(f"{len(records.runs)} points with {n.max() + 1} steps")
    late, powers = growth_powers(records)
    beside = (
        f"fitted for n ≥ {int(late.min())}; √n would be 0.5, bounded is 0; the largest max-update "
        f"is {np.nanmax(values):.2f}"
    )
    return Estimate.over(powers, of="points", beside=beside)


CURVE = ("max_update_normal_curve",)
BOUNDARY = ("max_update_boundary",)
EXACT_REFERENCE = "beyond the paper: the exact bound"

never_exceeded = partial(
    Claim,
    criterion=none(
        "with the guard off, the number of steps that exceed it beyond fp32 rounding "
        f"({ROUNDING:.0e})"
    ),
)


# Of each claim that a bound holds: the end of its name, the figure, the reference in the paper,
# where it holds, the experiment, and whether over B₊ alone.
HOLDS = (
    ("bounds-max-update", "fig03", "Theorem 1, Fig. 3a", "at every step and point", CURVE, False),
    ("on-boundary", "fig07", "Appendix E, Fig. 7", "on C = 0", BOUNDARY, False),
    ("where-stable", "fig11", "Appendix L, Fig. 11", "at every step in B₊", CURVE, True),
)


# Per bound: how the names of its claims begin, their kind, and their reference if not the paper.
THEORIES: dict[str, tuple[str, Kind, str]] = {
    "Eq. (5)": ("eq5", "paper", ""),
    "D_n": ("D", "extension", EXACT_REFERENCE),
}

CLAIMS = (
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
    *(
        never_exceeded(
            name=f"{short}-{name}",
            figure=figure,
            kind=kind,
            reference=beyond or reference,
            statement=f"{bound} bounds the max-update {where}",
            reads=reads,
            evaluate=partial(count_violations, bound=bound, stable=stable),
        )
        for name, figure, reference, where, reads, stable in HOLDS
        for bound, (short, kind, beyond) in THEORIES.items()
    ),
    never_exceeded(
        name="D-bounds-every-level",
        figure="figE5",
        reference="Theorem 3 (with D_n of each level)",
        statement="In k-Adam the max-update of every level obeys the bound of that level",
        reads=("max_update_levels",),
        evaluate=count_violations,
    ),
)
