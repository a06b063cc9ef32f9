"""Names under which a run appears in W&B: what the mirror writes and the workspaces read.

Scalars keep the names that they have in the record. Groups are set off by a slash, which W&B shows
as a section of its own.
"""

from __future__ import annotations

# History: one row a step of the record, on the axis STEP.
STEP = "n"
TRAIN_LOSS = "train_loss"
TEST_LOSS = "test_loss"
TEST_ACCURACY = "test_accuracy"
VALIDATION_LOSS = "validation_loss"
VALIDATION_ACCURACY = "validation_accuracy"
LR = "lr"
MAX_UPDATE = "max_update"  # of the last level, whose update is applied; of each: component()
PAPER_BOUND = "bound/paper"  # Eq. (5) of the last level's pair; absent at β = 0 or γ = 0
EXACT_BOUND = "bound/exact"  # D_n of the last level's pair
SLOPE = "slope"  # (ln ‖u_{n+5}‖∞ − ln ‖u_{n−5}‖∞) / 10, where both steps are on record

# Vectors of the record that are left out: thousands of components, which no workspace draws.
NOT_MIRRORED = ("head_samples",)

# Summary: one value a run, for tables and scatter plots.
STABILITY = "C"  # of the strategy's pair, as are the two rates and the region
PAPER_RATE = "rate/paper"  # max(0, −C/2)
EXACT_RATE = "rate/exact"  # max(0, ln γ − ½ ln β)
REGION = "region"  # "B+", "B0", "strip", "B-"
SLOPE_STEP = "at_step/n"  # the step N at which figures take the slope: 1000, or the last possible
SLOPE_AT = "at_step/slope"  # the measured slope there
PAPER_SLOPE = "at_step/slope_paper"  # the same difference of ln Eq. (5)
EXACT_SLOPE = "at_step/slope_exact"  # the same difference of ln D_n
BEST_TEST_LOSS = "best/test_loss"
BEST_TEST_ACCURACY = "best/test_accuracy"
FINAL_TRAIN_LOSS = "final/train_loss"
STATUS = "status"  # "finished", "diverged"
DIVERGED_AT = "diverged_at"  # the first step with a value that is not finite
N_RECORDED = "n_recorded"  # number of steps on record
WALL_S = "wall_s"  # seconds of training

# Config: the labels of the point (beta, gamma, k, strategy, point, seed), the columns of the tidy
# table of runs (beta_1 … gamma_k, lr, weight_decay, …, data_sha256), these, and the whole spec.
EXPERIMENT = "experiment"
SCALE = "scale"
RUN_ID = "run_id"
SPEC = "spec"

# Job types: of a point of an experiment, and of a figure with its claims.
POINT_JOB = "point"
FIGURE_JOB = "figure"

# In the run of a figure.
FIGURE_IMAGE = "figure"
CLAIMS_TABLE = "claims"
NUMBERS_TABLE = "numbers"
CLAIM_STATUSES = ("reproduced", "not reproduced", "inconclusive")


def component(name: str, i: int) -> str:
    """Name the i-th component of a vector, from 1 on: of ``max_update``, level i.

    >>> component(MAX_UPDATE, 2)
    'max_update/2'
    """
    return f"{name}/{i}"


def claims_count(status: str) -> str:
    """Name, in the summary of a figure's run, the number of its claims of a status.

    >>> claims_count("not reproduced")
    'claims/not reproduced'
    """
    return f"claims/{status}"


def run_group(experiment: str, scale: str) -> str:
    """Name the group of all points of an experiment at one scale.

    >>> run_group("kadam_cifar10", "laptop")
    'kadam_cifar10-laptop'
    """
    return f"{experiment}-{scale}"


def figure_group(scale: str) -> str:
    """Name the group of all figures at one scale.

    >>> figure_group("laptop")
    'figures-laptop'
    """
    return f"figures-{scale}"
