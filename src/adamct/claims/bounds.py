"""Claims on the bounds of the max-update: Eq. (5) and D_n (Theorems 1, 3; Appendices E, L)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from adamct.analysis.statistics import FEWEST, bootstrap_interval, violations
from adamct.claims.verdict import Claim, Finding, Status, below, inconclusive
from adamct.records import Records
from adamct.theory import discrete_max_update_bound, max_update_bound
from adamct.theory.domain import Values

Bound = Callable[..., Values]


def bound_holds(records: Records, *, bound: Bound, name: str) -> Finding:
    """Count the steps, over all runs, at which the max-update exceeds a bound."""
    if records.runs.guard.any():
        return inconclusive("the guard was on, which clamps updates to the bound")
    found = violations(records, bound)
    detail = (
        f"{found.count} violations of {name} in {found.n_checked:,} steps of "
        f"{len(records.runs)} runs; the largest measured value over bound is {found.worst:.4g}"
    )
    if found.count:
        detail += f"; violated in {found.n_runs} runs, for the last time at n = {found.last_step}"
        if bound is max_update_bound:
            detail += (
                " (Eq. (5) is a continuous-time bound: on C = 0 it starts at √0 = 0, while every "
                "‖u_0‖∞ is 1)"
            )
    status: Status = "not reproduced" if found.count else "reproduced"
    return Finding(status, found.count, None, found.n_checked, detail)


def levels_bounded(records: Records) -> Finding:
    """Count the steps at which a level's max-update exceeds D_n of that level (Theorem 3)."""
    if records.runs.guard.any():
        return inconclusive("the guard was on, which clamps updates to the bound")
    found = [
        violations(records.where(rows), discrete_max_update_bound, level=level)
        for k, rows in ((k, records.runs[records.runs.k == k]) for k in set(records.runs.k))
        for level in range(1, k + 1)
    ]
    count, checked = sum(f.count for f in found), sum(f.n_checked for f in found)
    detail = (
        f"{count} violations of D_n in {checked:,} level-steps of {len(records.runs)} runs with "
        f"k = {', '.join(map(str, sorted(set(records.runs.k))))}; the largest measured value over "
        f"bound is {max(f.worst for f in found):.4g}"
    )
    return Finding("not reproduced" if count else "reproduced", count, None, checked, detail)


def bounded_on_boundary(records: Records) -> Finding:
    """Median power p of ‖u_n‖∞ ∝ n^p over the second half, over the points of C = 0."""
    n, values = records.matrix("max_update")
    late = n >= n.max() / 2
    if n.max() < 500 or len(records.runs) < FEWEST:
        return inconclusive(f"{len(records.runs)} points with {n.max() + 1} steps", 0)
    powers = np.polyfit(np.log(n[late]), np.log(values[late]), 1)[0]
    median, interval = float(np.median(powers)), bootstrap_interval(powers)
    detail = (
        f"median power of n {median:+.3f}, 95 % interval [{interval[0]:+.3f}, {interval[1]:+.3f}], "
        f"{len(powers)} points, fitted for n ≥ {int(n[late].min())}; √n would be 0.5, bounded is "
        f"0; the largest max-update is {np.nanmax(values):.2f}"
    )
    return Finding(below(interval, 0.25), median, interval, len(powers), detail)


def _stable_only(records: Records) -> Records:
    return records.where(records.runs[records.runs.C > 0])


def _bound_holds_where_stable(records: Records, *, bound: Bound, name: str) -> Finding:
    return bound_holds(_stable_only(records), bound=bound, name=name)


EQ5: dict[str, Any] = {"bound": max_update_bound, "name": "Eq. (5)"}
EXACT: dict[str, Any] = {"bound": discrete_max_update_bound, "name": "D_n"}
EXACT_REFERENCE = "beyond the paper: the exact bound"
NEVER_EXCEEDED = "no step exceeds it beyond fp32 rounding (1e-5), guard off"
CURVE = ("max_update_normal_curve",)
BOUNDARY = ("max_update_boundary",)

CLAIMS = (
    Claim(
        "eq5-bounds-max-update",
        "fig03",
        "Theorem 1, Fig. 3a",
        "Eq. (5) bounds the max-update at every step and every point",
        NEVER_EXCEEDED,
        CURVE,
        partial(bound_holds, **EQ5),
    ),
    Claim(
        "D-bounds-max-update",
        "fig03",
        EXACT_REFERENCE,
        "D_n bounds the max-update at every step and every point",
        NEVER_EXCEEDED,
        CURVE,
        partial(bound_holds, **EXACT),
    ),
    Claim(
        "bounded-on-boundary",
        "fig07",
        "Appendix E, Fig. 7",
        "On C = 0 the max-update is bounded rather than growing like √n",
        "the interval of the median fitted power of n lies below 1/4, nearer to 0 than to 1/2",
        BOUNDARY,
        bounded_on_boundary,
    ),
    Claim(
        "eq5-on-boundary",
        "fig07",
        "Appendix E, Fig. 7",
        "On C = 0 Eq. (5) is not violated",
        NEVER_EXCEEDED,
        BOUNDARY,
        partial(bound_holds, **EQ5),
    ),
    Claim(
        "D-on-boundary",
        "fig07",
        EXACT_REFERENCE,
        "On C = 0 D_n, which tends to 1/√(1−β), bounds the max-update",
        NEVER_EXCEEDED,
        BOUNDARY,
        partial(bound_holds, **EXACT),
    ),
    Claim(
        "eq5-where-stable",
        "fig11",
        "Appendix L, Fig. 11",
        "In B₊ Eq. (5) bounds the max-update at every step",
        NEVER_EXCEEDED,
        CURVE,
        partial(_bound_holds_where_stable, **EQ5),
    ),
    Claim(
        "D-where-stable",
        "fig11",
        EXACT_REFERENCE,
        "In B₊ D_n bounds the max-update at every step",
        NEVER_EXCEEDED,
        CURVE,
        partial(_bound_holds_where_stable, **EXACT),
    ),
    Claim(
        "D-bounds-every-level",
        "figE5",
        "Theorem 3 (with D_n of each level)",
        "In k-Adam the max-update of every level obeys the bound of that level",
        NEVER_EXCEEDED,
        ("max_update_levels",),
        levels_bounded,
    ),
)
