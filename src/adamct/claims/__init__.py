"""Claims of the paper and beyond it, and their verdicts."""

from adamct.claims import (
    assumptions,
    bounds,
    continuous,
    direction,
    generalization,
    growth,
    kadam,
    kadam_grids,
    meta_adaptive,
    norm,
    regions,
)
from adamct.claims.verdict import Claim, Finding, Status, Verdict, judge

CLAIMS: tuple[Claim, ...] = (
    *regions.CLAIMS,
    *bounds.CLAIMS,
    *growth.CLAIMS,
    *generalization.CLAIMS,
    *kadam.CLAIMS,
    *kadam_grids.CLAIMS,
    *continuous.CLAIMS,
    *norm.CLAIMS,
    *assumptions.CLAIMS,
    *meta_adaptive.CLAIMS,
    *direction.CLAIMS,
)

__all__ = ["CLAIMS", "Claim", "Finding", "Status", "Verdict", "judge"]
