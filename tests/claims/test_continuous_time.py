"""Claims on Equation (4) follow the records, seed by seed."""

import itertools

import numpy as np
import pytest

from adamct.claims import continuous_time, judge
from adamct.claims.continuous_time import CLAIMS
from adamct.records import join

BY_NAME = {claim.name: claim for claim in CLAIMS}
MEASURED = [name for name, claim in BY_NAME.items() if claim.reads]
SEEDS = (10, 11, 12)
STEPS = 30
SPREAD = (0.2, 1.0, 1.8)  # of what is measured, over the seeds
ALIKE = (1.0, 1.02, 0.98)
N = np.arange(STEPS + 1.0)


def verdict(name, records):
    [found] = judge([BY_NAME[name]], records)
    return found


def case(build):
    """Turn build(make, …) → records into a function of … that returns make → records."""
    return lambda *args, **settings: lambda make: build(make, *args, **settings)


@case
def trajectories(make, *, gap=0.1, forced=0.01, correlation=0.99, solvers=0.01, factors=ALIKE):
    """Discrete and continuous runs, solved by both schemes, in each seed."""
    end = np.linspace(1.0, 2.0, 16)
    columns = {"displacement": [], "continuous_gap": [], "driven_gap": []}
    columns |= {"continuous_correlation": [], "continuous_sampled_parameters": []}
    seeds, schemes = [], []
    for (seed, factor), scheme in itertools.product(
        zip(SEEDS, factors, strict=True), ("exponential", "euler")
    ):
        euler = scheme == "euler"
        seeds.append(seed)
        schemes.append(scheme)
        columns["displacement"].append(N)
        # By the other scheme nothing is judged but the difference of the two.
        columns["continuous_gap"].append((gap * factor if euler else 9.0) * N)
        columns["driven_gap"].append((forced * factor if euler else 9.0) * N)
        away = (1 - correlation) * factor if euler else 1.0
        columns["continuous_correlation"].append(np.where(N, 1 - away, 1.0))
        apart = solvers * factor if euler else 0.0
        columns["continuous_sampled_parameters"].append(np.outer(N, end * (1 + apart)))
    substeps = [100 if scheme == "euler" else 2 for scheme in schemes]
    return make("trajectory", STEPS, columns, scheme=schemes, seed=seeds, n_substeps=substeps)


@case
def approaching(make, power, *, forced=0.0, factors=ALIKE, steps=STEPS):
    """Runs whose relative errors go like powers of η, with a factor for each seed."""
    pairs = list(itertools.product(zip(SEEDS, factors, strict=True), (1e-3, 3e-4, 1e-4)))
    n = np.arange(steps + 1.0)
    η = np.array([lr for _, lr in pairs])
    factor = np.array([factor for (_, factor), _ in pairs])
    vectors = {
        "displacement": [n] * len(pairs),
        "continuous_gap": 0.3 * np.outer(factor * (η / 1e-3) ** power, n),
        # A factor at the smallest η alone: what is judged is a ratio.
        "driven_gap": 0.1 * np.outer(np.where(η == 1e-4, factor, 1) * (η / 1e-3) ** forced, n),
    }
    seeds = [seed for (seed, _), _ in pairs]
    return make("trajectory_learning_rate", steps, vectors, lr=η, seed=seeds)


ACCEPTED = {
    "continuous-follows-discrete": trajectories(),
    "continuous-follows-given-gradients": trajectories(),
    "continuous-correlates-with-discrete": trajectories(),
    "euler-is-resolved": trajectories(),
    "continuous-is-the-limit": approaching(1),
    "small-parameter-is-not-lr": approaching(1),
}
REFUSED = {
    "continuous-follows-discrete": trajectories(gap=0.5),
    "continuous-follows-given-gradients": trajectories(forced=0.1),
    "continuous-correlates-with-discrete": trajectories(correlation=0.8),
    "euler-is-resolved": trajectories(solvers=0.1),
    "continuous-is-the-limit": approaching(0.1),
    "small-parameter-is-not-lr": approaching(1, forced=1.0),
}
UNDECIDED = {
    "continuous-follows-discrete": trajectories(gap=0.2, factors=SPREAD),
    "continuous-follows-given-gradients": trajectories(forced=0.04, factors=SPREAD),
    "continuous-correlates-with-discrete": trajectories(correlation=0.96, factors=SPREAD),
    "euler-is-resolved": trajectories(solvers=0.04, factors=SPREAD),
    "continuous-is-the-limit": approaching(1, factors=SPREAD),
    "small-parameter-is-not-lr": approaching(1, factors=SPREAD),
}
STATUSES = [
    (name, builds[name], status)
    for builds, status in (
        (ACCEPTED, "reproduced"),
        (REFUSED, "not reproduced"),
        (UNDECIDED, "inconclusive"),
    )
    for name in MEASURED
]


@pytest.mark.parametrize(
    ("name", "build", "status"),
    [
        *STATUSES,
        # An error that is small at every η, and does not fall with it, is no approach.
        ("continuous-is-the-limit", approaching(-0.1, factors=(0.1, 0.1, 0.1)), "not reproduced"),
        # Nor does an error of the order of the root of η stay.
        ("small-parameter-is-not-lr", approaching(1, forced=0.5), "not reproduced"),
    ],
)
def test_a_verdict_follows_the_records(name, build, status, make_runs):
    found = verdict(name, build(make_runs))
    assert found.status == status
    assert (found.seeds, found.n) == (SEEDS, len(SEEDS))


@pytest.mark.parametrize("name", MEASURED)
def test_a_diverged_run_decides_nothing(name, make_runs, with_a_diverged_run):
    found = verdict(name, with_a_diverged_run(ACCEPTED[name](make_runs)))
    assert (found.status, found.statistic) == ("inconclusive", None)
    assert "diverged" in found.detail


def test_a_short_record_does_not_say_what_is_small(make_runs):
    found = verdict("small-parameter-is-not-lr", approaching(1, steps=5)(make_runs))
    assert found.status == "inconclusive"
    assert "the record ends before n = 10" in found.detail


def test_the_other_solver_stands_beside_as_a_control(make_runs):
    found = verdict("continuous-follows-discrete", trajectories(solvers=0.3)(make_runs))
    assert found.statistic == pytest.approx(0.1)
    assert "part by 30 %" in found.detail


def test_the_kernel_and_the_paper_rate_are_one(monkeypatch):
    found = verdict("lemma-1-kernel", join([]))
    assert (found.kind, found.status, found.scale) == ("theorem", "reproduced", "theory")
    assert found.statistic < 1e-12
    assert "decays by 0.8948 a step" in found.detail
    exact = continuous_time.discrete_growth_rate
    monkeypatch.setattr(continuous_time, "growth_rate", exact)
    assert verdict("lemma-1-kernel", join([])).status == "not reproduced"


def test_every_measured_claim_is_tested_both_ways_and_undecided():
    assert set(ACCEPTED) == set(REFUSED) == set(UNDECIDED) == set(MEASURED)
