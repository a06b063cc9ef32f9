"""Claims of the paper and beyond it, and their verdicts."""

from adamct.claims import max_update
from adamct.claims.verdicts import Claim, Finding, Verdict, judge

CLAIMS: tuple[Claim, ...] = (*max_update.CLAIMS,)

__all__ = ["CLAIMS", "Claim", "Finding", "Verdict", "judge"]
