"""Claims on the 2-Adam reading of a scale-invariant weight follow the records, seed by seed."""

import itertools

import numpy as np
import pytest

from adamct.claims import judge
from adamct.claims.meta_adaptive import CLAIMS
from adamct.theory import norm_laws

BY_NAME = {claim.name: claim for claim in CLAIMS}
SEEDS = (10, 11, 12)
SPREAD = (0.5, 1.0, 1.5)  # of what is measured, over the seeds
ALIKE = (1.0, 1.02, 0.98)
# Under Adam, then 2-Adam at the printed and the corrected rate, and Adam at a fixed norm.
KINDS = {
    "query_key_k": [1, 2, 2, 1],
    "query_key_lr": [1e-3, 3e-3, 7e-4, 1e-3],
    "query_key_weight_decay": [10.0, 0.0, 0.0, 0.0],
    "query_key_fixed_norm": [False, True, True, True],
}


def verdict(name, records):
    [found] = judge([BY_NAME[name]], records)
    return found


def case(build):
    """Turn build(make, …) → records into a function of … that returns make → records."""
    return lambda *args, **settings: lambda make: build(make, *args, **settings)


@case
def equilibrium(make, factor=lambda g: (1 + g) / (1 - g), *, follows=(True,) * 3, factors=ALIKE):
    """‖W‖² that is a factor times the moving average of ‖u‖², or, in a seed, moves by itself."""
    steps, settings = 800, {"lr": 1e-3, "weight_decay": 2.0}
    u2 = np.outer(100 + 50 * np.sin(np.arange(steps) / 90), np.arange(1, 4))
    average = norm_laws(
        np.zeros((steps + 1, 3)), u2, u2, beta=0.999, gamma=0.0, **settings
    ).printed  # fmt: skip
    alone = np.outer(1 + 0.5 * np.sin(np.arange(steps + 1) / 17), average[-1])
    runs = list(itertools.product(range(3), (0.0, 0.9), ("tensor_mean", "elementwise")))
    norms = [
        factors[i] * factor(gamma) * (average if follows[i] else alone) for i, gamma, _ in runs
    ]
    seeds, gammas, kinds = (
        [SEEDS[i] for i, *_ in runs],
        *zip(*(run[1:] for run in runs), strict=True),
    )
    vectors = {"head_squared_norms": norms, "head_squared_updates": [u2] * len(runs)}
    return make(
        "norm_equilibrium", steps, vectors, gamma=list(gammas), seed=seeds,
        query_key_second_moment=list(kinds), **settings,
    )  # fmt: skip


@case
def turning(make, *, corrected=1.0, printed=1.0, alone=2.0, steady="alone", start=1.0,
            factors=ALIKE):  # fmt: skip
    """Heads that turn in a plane, at a speed that goes up and down, but for the steady kind.

    The numbers are the speeds under the others, over that under Adam, times a factor for each
    seed; ``steady`` names the kind of each seed that does not follow. ``start`` multiplies Adam's
    speed before decay has erased the start.
    """
    steps, heads = 300, 2
    n = np.arange(steps)
    steady = (steady,) * 3 if isinstance(steady, str) else steady
    vectors = {"head_squared_turns": [], "head_samples": [], "head_squared_norms": []}
    for factor, own in zip(factors, steady, strict=True):
        for name, ratio in (
            ("adam", 1.0), ("printed", printed * factor), ("corrected", corrected * factor),
            ("alone", alone),
        ):  # fmt: skip
            up_and_down = np.ones(steps) if name == own else 1 + 0.4 * np.sin(n / 16)
            speed = 0.01 * ratio * up_and_down[:, None] * np.ones(heads)
            if name == "adam":
                speed[:200] *= start
            angle = np.concatenate([np.zeros((1, heads)), np.cumsum(speed, axis=0)])
            plane = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
            vectors["head_squared_turns"].append(speed**2)
            vectors["head_samples"].append(plane.reshape(steps + 1, -1))
            vectors["head_squared_norms"].append(np.ones((steps + 1, heads)))
    columns = {name: values * 3 for name, values in KINDS.items()}
    return make("direction", steps, vectors, seed=np.repeat(SEEDS, 4), **columns)


both_kinds = ("norm-is-a-moving-average", "norm-is-a-moving-average-elementwise")
ACCEPTED = {
    **dict.fromkeys(both_kinds, equilibrium()),
    "equilibrium-factor": equilibrium(),
    "direction-turns-as-printed": turning(),
    "direction-turns-as-corrected": turning(),
    "normalization-decides-speed": turning(),
}
REFUSED = {
    **dict.fromkeys(both_kinds, equilibrium(follows=(False,) * 3)),
    "equilibrium-factor": equilibrium(lambda gamma: 1.0),
    "direction-turns-as-printed": turning(printed=3.0),
    "direction-turns-as-corrected": turning(corrected=0.5),
    "normalization-decides-speed": turning(alone=1.0, steady="corrected"),
}
UNDECIDED = {
    **dict.fromkeys(both_kinds, equilibrium(follows=(True, True, False))),
    "equilibrium-factor": equilibrium(factors=SPREAD),
    "direction-turns-as-printed": turning(factors=SPREAD),
    "direction-turns-as-corrected": turning(factors=SPREAD),
    "normalization-decides-speed": turning(steady=("alone", "corrected", "alone")),
}


@pytest.mark.parametrize(
    ("name", "build", "status"),
    [
        *((name, build, "reproduced") for name, build in ACCEPTED.items()),
        *((name, build, "not reproduced") for name, build in REFUSED.items()),
        *((name, build, "inconclusive") for name, build in UNDECIDED.items()),
        # Speeds are compared once decay has erased the start.
        ("direction-turns-as-printed", turning(start=3.0), "reproduced"),
        ("normalization-decides-speed", turning(start=3.0), "reproduced"),
    ],
)
def test_a_verdict_follows_the_records(name, build, status, make_runs):
    found = verdict(name, build(make_runs))
    assert found.status == status
    assert (found.seeds, found.n, found.kind) == (SEEDS, len(SEEDS), "extension")


@pytest.mark.parametrize("name", BY_NAME)
def test_a_diverged_run_decides_nothing(name, make_runs, with_a_diverged_run):
    found = verdict(name, with_a_diverged_run(ACCEPTED[name](make_runs)))
    assert (found.status, found.statistic) == ("inconclusive", None)
    assert "diverged" in found.detail


def test_a_constant_rate_is_no_adaptation(make_runs):
    """Speeds that differ by a constant alone gain nothing by the second normalization."""
    found = verdict("normalization-decides-speed", turning(steady="none")(make_runs))
    assert found.statistic == pytest.approx(0, abs=1e-12)


def test_an_undecided_gain_says_how_many_seeds_would_decide(make_runs):
    build = UNDECIDED["normalization-decides-speed"]
    found = verdict("normalization-decides-speed", build(make_runs))
    assert "seeds would show a rise of 0.01" in found.detail


def test_every_claim_is_tested_both_ways_and_undecided():
    assert set(ACCEPTED) == set(REFUSED) == set(UNDECIDED) == set(BY_NAME)
