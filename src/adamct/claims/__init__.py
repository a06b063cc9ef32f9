"""Claims of the paper and beyond it, and their verdicts.

A claim names what it reads, how its statistic is estimated, and the criterion that decides.
"""

from adamct.claims import (
    annealing,
    assumptions,
    boundedness,
    continuous_time,
    generalization,
    growth_rates,
    identities,
    learning_rates,
    levels,
    meta_adaptive,
    rankings,
    regions,
    theorem_2,
)
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError, Status
from adamct.claims.verdict import Claim, Kind, Verdict, judge

SUBJECTS = (
    *(regions, boundedness, growth_rates, generalization, annealing),
    *(rankings, learning_rates, levels),
    *(continuous_time, theorem_2, assumptions, meta_adaptive, identities),
)
CLAIMS: tuple[Claim, ...] = tuple(claim for subject in SUBJECTS for claim in subject.CLAIMS)

__all__ = [
    "CLAIMS",
    "Claim",
    "Criterion",
    "Estimate",
    "InconclusiveError",
    "Kind",
    "Status",
    "Verdict",
    "judge",
]
