"""Claims of the paper and beyond it, and their verdicts."""

from adamct.claims import bounds, generalization, growth, kadam, kadam_grids, regions
from adamct.claims.verdicts import Claim, Finding, Verdict, judge

CLAIMS: tuple[Claim, ...] = (
    *regions.CLAIMS,
    *bounds.CLAIMS,
    *growth.CLAIMS,
    *generalization.CLAIMS,
    *kadam.CLAIMS,
    *kadam_grids.CLAIMS,
)

__all__ = ["CLAIMS", "Claim", "Finding", "Verdict", "judge"]
