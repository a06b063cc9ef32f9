"""Claims of the paper and beyond it, and their verdicts.

A claim names what it reads, how its statistic is estimated, and the criterion that decides.
"""

from adamct.claims import (
    assumptions,
    boundedness,
    continuous_time,
    generalization,
    growth_rates,
    kadam_grids,
    kadam_rankings,
    meta_adaptive,
    regions,
    theorem_2,
)
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError, Status
from adamct.claims.verdict import Claim, Verdict, judge

CLAIMS: tuple[Claim, ...] = (
    *regions.CLAIMS,
    *boundedness.CLAIMS,
    *growth_rates.CLAIMS,
    *generalization.CLAIMS,
    *kadam_rankings.CLAIMS,
    *kadam_grids.CLAIMS,
    *continuous_time.CLAIMS,
    *theorem_2.CLAIMS,
    *assumptions.CLAIMS,
    *meta_adaptive.CLAIMS,
)

__all__ = [
    "CLAIMS",
    "Claim",
    "Criterion",
    "Estimate",
    "InconclusiveError",
    "Status",
    "Verdict",
    "judge",
]
