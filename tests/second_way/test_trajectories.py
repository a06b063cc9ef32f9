"""The claims on whole trajectories, by norms written out (Figs. 1, 8 and 9)."""

import math
from itertools import pairwise

import numpy as np
import pytest

EARLY = 20
MEMORY = 10
TAIL = 20


def distance(x, y):
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(x, y, strict=True)))


def by_scheme(runs, scheme):
    (found,) = (run for run in runs if run.spec["continuous"]["scheme"] == scheme)
    return found


def by_lr(runs):
    return sorted(runs, key=lambda run: run.option("lr"))


# ------------------------------------------------------------- Equation (4) beside the steps


def error(run, gap, n):
    """‖θ(t_n) − θ_n‖ / ‖θ_n − θ_0‖."""
    return run.scalar(gap)[n] / run.scalar("displacement")[n]


def error_at_the_end(runs, *, gap):
    return error(by_scheme(runs, "euler"), gap, -1)


def correlation_at_the_end(runs):
    return by_scheme(runs, "euler").scalar("continuous_correlation")[-1]


def difference_of_schemes(runs):
    euler, exponential = (
        by_scheme(runs, scheme).vector("continuous_sampled_parameters")
        for scheme in ("euler", "exponential")
    )
    moves = [values[EARLY] - values[0] for values in (euler, exponential)]
    return distance(*moves) / distance(exponential[EARLY], exponential[0])


def error_at_smallest_lr(runs):
    return error(by_lr(runs)[0], "continuous_gap", -1)


def largest_ratio(runs):
    """The largest ratio of the error at a learning rate to that at the next larger one."""
    errors = [error(run, "continuous_gap", -1) for run in by_lr(runs)]
    return max(smaller / larger for smaller, larger in pairwise(errors))


def error_that_stays(runs):
    smallest, *_, largest = by_lr(runs)
    return error(smallest, "driven_gap", MEMORY) / error(largest, "driven_gap", MEMORY)


# -------------------------------------------------------------- Assumptions 1 and 2


def decades_between_cosines(runs):
    """log10 of the median |cos(W_N, g_{N−1})| over heads: without qk-norm over with it."""
    cosines = {}
    for run in runs:
        inner = run.vector("final_inner_products")[-1]
        gradient = run.vector("head_squared_gradients")[-1]
        cosine = np.abs(inner) / (np.sqrt(run.vector("head_squared_norms")[-1]) * np.sqrt(gradient))
        cosines[run.spec["task"]["model"].get("qk_norm", False)] = np.median(cosine)
    return math.log10(cosines[False]) - math.log10(cosines[True])


def kinds_of_v(runs):
    """(v, whether η is the larger one) → the run."""
    larger = max(run.option("lr") for run in runs)
    return {
        (run.option("query_key_second_moment", "elementwise"), run.option("lr") == larger): run
        for run in runs
    }


def difference_beyond_control(runs):
    """Coarse-grained beside elementwise v, less the mean of what 1 % of η does to either."""
    moves = {
        kind: run.vector("query_key_sample")[EARLY] - run.vector("query_key_sample")[0]
        for kind, run in kinds_of_v(runs).items()
    }

    def relative(one, other):
        return distance(moves[one], moves[other]) / distance(moves[one], 0 * moves[one])

    plain, coarse = ("elementwise", False), ("tensor_mean", False)
    controls = [relative(kind, (kind[0], True)) for kind in (plain, coarse)]
    return relative(plain, coarse) - sum(controls) / 2


def rise_of_loss(runs):
    found = kinds_of_v(runs)
    plain, coarse = (
        sum(found[kind, False].scalar("train_loss")[-TAIL:])
        for kind in ("elementwise", "tensor_mean")
    )
    return coarse / plain - 1


# Name → what it reads, and the statistic of one seed. All compare whole runs.
COVERED = {
    "continuous-follows-discrete": (
        "trajectory",
        lambda runs: error_at_the_end(runs, gap="continuous_gap"),
    ),
    "continuous-follows-given-gradients": (
        "trajectory",
        lambda runs: error_at_the_end(runs, gap="driven_gap"),
    ),
    "continuous-correlates-with-discrete": ("trajectory", correlation_at_the_end),
    "euler-is-resolved": ("trajectory", difference_of_schemes),
    "continuous-is-the-limit": ("trajectory_learning_rate", error_at_smallest_lr),
    "small-parameter-is-not-lr": ("trajectory_learning_rate", error_that_stays),
    "orthogonal-at-the-end": ("gradient_orthogonality", decades_between_cosines),
    "coarse-graining-keeps-trajectory": ("coarse_graining", difference_beyond_control),
    "coarse-graining-keeps-loss": ("coarse_graining", rise_of_loss),
}


@pytest.mark.parametrize("name", COVERED)
def test_the_verdict_holds(name, read, agrees):
    experiment, statistic = COVERED[name]
    by_seed = read(experiment)
    whole = all(run.status != "diverged" for runs in by_seed.values() for run in runs)
    agrees(name, [statistic(runs) for runs in by_seed.values()] if whole else None, by_seed)


def test_the_second_part_of_the_limit_holds(read, verdicts, student):
    """The error must fall with η, too: the worse of the two parts is the status."""
    by_seed = read("trajectory_learning_rate")
    parts = [
        (student([statistic(runs) for runs in by_seed.values()]), limit)
        for statistic, limit in ((error_at_smallest_lr, 0.05), (largest_ratio, 1.0))
    ]
    if any(low > limit for (_, low, _), limit in parts):
        expected = "not reproduced"
    else:
        inside = all(high <= limit for (*_, high), limit in parts)
        expected = "reproduced" if inside else "inconclusive"
    assert verdicts["continuous-is-the-limit"]["status"] == expected
