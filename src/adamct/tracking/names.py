"""Names under which a run appears in W&B: what is sent there and what the workspaces show.

Scalars keep the names that they have in the record. Groups are set off by a slash, which W&B shows
as a section of its own.
"""

from __future__ import annotations

from adamct.config.observables import OBSERVABLES

# History: one row a step of the record, on the axis STEP.
STEP = "n"
LR = "lr"
TRAIN_LOSS = "train_loss"
TEST_LOSS = "test_loss"
TEST_ACCURACY = "test_accuracy"
MAX_UPDATE = "max_update"  # of the last level, whose update is applied; "max_update/i" of each
PAPER_BOUND = "bound/paper"  # Eq. (5) of the last level's pair; absent at β = 0 or γ = 0
EXACT_BOUND = "bound/exact"  # D_n of the last level's pair
SLOPE = "slope"  # (ln ‖u_{n+5}‖∞ − ln ‖u_{n−5}‖∞) / 10, where both steps are on record

# Observables of the record that are left out.
NOT_MIRRORED = tuple(name for name, own in OBSERVABLES.items() if not own.mirrored)

# Config and summary, beside what only W&B's tables show: one value a run.
STABILITY = "C"  # of the strategy's pair
SLOPE_AT = "at_step/slope"  # at the step at which figures take it
PAPER_SLOPE = "at_step/slope_paper"  # the same difference of ln Eq. (5)
EXACT_SLOPE = "at_step/slope_exact"  # the same difference of ln D_n
BEST_TEST_LOSS = "best/test_loss"
BEST_TEST_ACCURACY = "best/test_accuracy"

# The group of all figures, and what the run of one shows.
FIGURES = "figures"
FIGURE_IMAGE = "figure"
CLAIMS_TABLE = "claims"
NUMBERS_TABLE = "numbers"


def at_scale(name: str, scale: str) -> str:
    """Name the group of an experiment's points, or of all figures, or a figure's run, at a scale.

    >>> at_scale("kadam_cifar10", "laptop"), at_scale(FIGURES, "laptop")
    ('kadam_cifar10-laptop', 'figures-laptop')
    """
    return f"{name}-{scale}"
