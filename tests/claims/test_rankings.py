"""k-Adam's claims change their verdicts when the scores are changed, both ways."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from adamct.claims import judge, rankings
from adamct.records import Records

BY_NAME = {claim.name: claim for claim in rankings.CLAIMS}
EIGHT, THREE = range(10, 18), range(10, 13)
KINDS = (True, False)
# Optimizers: strategy, k, decoupled.
ADAMS = [(None, 1, decoupled) for decoupled in KINDS]
CONTENDERS = [
    *ADAMS,
    *product(("inverse_exp", "exp", "scaled"), (2,), KINDS),
    ("inverse_exp", 3, True),
]
SWEPT = [*ADAMS, *product(("scaled", "naive", "root"), range(2, 6), KINDS)]
OPTIMIZERS = {
    "kadam_cifar10": SWEPT,
    "kadam_cifar10_contenders": CONTENDERS,
    "kadam_c4": [optimizer for optimizer in SWEPT if optimizer[2]],
    "kadam_c4_contenders": [optimizer for optimizer in CONTENDERS if optimizer[2]],
}


def swept(name, score, *, seeds=EIGHT, spread=0.002, flattery=0.0, optimizers=None):
    """Build a claim's records from score(strategy, k, decoupled): higher is better.

    Noise of runs and of seeds is added; that of seeds all optimizers share. Each run has two
    evaluations; by validation the second is best, and test is better by ``flattery`` at the first.
    """
    [experiment] = BY_NAME[name].reads
    metric = "accuracy" if "cifar10" in experiment else "loss"
    sign, rng = (1, -1)[metric == "loss"], np.random.default_rng(4)
    points = list(product(optimizers or OPTIMIZERS[experiment], seeds))
    runs = pd.DataFrame(
        [(*optimizer, seed) for optimizer, seed in points],
        columns=["strategy", "k", "decoupled", "seed"],
    ).assign(
        run_id=[f"run{i}" for i in range(len(points))], experiment=experiment, lr=1e-3,
        weight_decay=1e-2, scale="laptop", corpus="digits", device="a CPU", status="finished",
        n_steps=170, wall_s=2.0,
    )  # fmt: skip
    of_seed = dict(zip(seeds, rng.normal(0, 0.1, len(seeds)), strict=True))
    test = [score(*optimizer) + of_seed[seed] * (metric == "loss") for optimizer, seed in points]
    test += rng.normal(0, spread, len(points))
    rows = [
        {
            "run_id": run_id,
            "n": n,
            f"test_{metric}": sign * (value + more),
            f"validation_{metric}": held,
        }
        for run_id, value in zip(runs.run_id, test, strict=True)
        for n, more, held in ((0, flattery, sign * 0.1), (100, 0.0, sign * 0.2))
    ]
    return Records(runs, pd.DataFrame(rows))


def verdict(name, *score, **settings):
    [found] = judge([BY_NAME[name]], swept(name, *score, **settings))
    return found


def ranked(*best):
    """Score by place: the earlier an optimizer is named, the better; then all others alike."""

    def score(strategy, k, decoupled):
        keys = [(strategy or "adam", k), (strategy or "adam", k, decoupled), (strategy or "adam",)]
        return 0.9 - 0.05 * min((place for place, b in enumerate(best) if b in keys), default=9)

    return score


def flat(*optimizer):
    return 0.9


def not_learning(strategy, k, decoupled):
    return 0.12 if strategy in ("naive", "root") else 0.9


PAPERS = ranked(("inverse_exp", 2, True), ("scaled",), ("exp",), ("inverse_exp",), ("adam",))
ADAM_FIRST = ranked(("adam",), ("scaled",))
NAIVE_FIRST = ranked(("naive",), ("root",), ("scaled",))
# Claim → scores that it accepts, and those that it refuses.
SCORES = {
    "inverse-exp-beats-adam-fig06": (PAPERS, ADAM_FIRST),
    "exp-beats-adam-fig06": (PAPERS, ADAM_FIRST),
    "scaled-beats-adam-fig06": (PAPERS, ADAM_FIRST),
    "2-adam-inverse-exp-best-fig06": (PAPERS, ranked(("scaled", 2, False))),
    "naive-is-bad-fig15": (ranked(("scaled",), ("adam",)), NAIVE_FIRST),
    "root-is-bad-fig15": (ranked(("scaled",), ("adam",)), NAIVE_FIRST),
    "2-adam-beats-adamw-fig16": (PAPERS, ADAM_FIRST),
    "2-adam-inverse-exp-best-fig16": (PAPERS, ranked(("inverse_exp", 3))),
}
SELECTIONS = ("selection-on-test-fig06", "selection-on-test-fig16")


def test_every_claim_is_tested():
    assert BY_NAME.keys() == {*SCORES, *SELECTIONS}


@pytest.mark.parametrize("name", SCORES)
def test_a_verdict_follows_the_data(name):
    assert [verdict(name, score).status for score in SCORES[name]] == [
        "reproduced",
        "not reproduced",
    ]


@pytest.mark.parametrize("name", SELECTIONS)
def test_selection_on_test_is_measured_seed_by_seed(name):
    statuses = [verdict(name, flat, seeds=THREE, flattery=gain).status for gain in (0.0, 0.05)]
    assert statuses == ["reproduced", "not reproduced"]
    found = verdict(name, flat, seeds=THREE, flattery=0.05)
    assert (found.statistic, found.n) == (pytest.approx(0.05), 3)


@pytest.mark.parametrize("name", [name for name in SCORES if "bad" not in name])
def test_what_seeds_do_not_agree_on_is_inconclusive(name):
    assert verdict(name, flat, spread=0.1).status == "inconclusive"


@pytest.mark.parametrize("figure", ["fig06", "fig16"])
def test_fewer_than_eight_seeds_tell_no_best_of_all_and_the_verdict_says_what_would(figure):
    found = verdict(f"2-adam-inverse-exp-best-{figure}", PAPERS, seeds=THREE)
    assert (found.status, found.n) == ("inconclusive", 3)
    n_optimizers = len(OPTIMIZERS[found.reads[0]])
    assert f"{5 * n_optimizers} more runs of 2 s" in found.detail
    assert f"experiment={found.reads[0]} scale=laptop 'seed=range(10,18)'" in found.detail


def test_the_best_of_all_needs_every_rival_beaten():
    """Its interval is wider the more rivals there are: each takes its part of the level."""
    name = "2-adam-inverse-exp-best-fig06"
    near = ranked(("inverse_exp", 2, True), ("scaled", 2, True))
    pair = [("inverse_exp", 2, True), ("scaled", 2, True)]
    alone, crowd = (verdict(name, near, spread=0.03, optimizers=o) for o in (pair, CONTENDERS))
    (low, high), (low_of_all, high_of_all) = alone.interval, crowd.interval
    assert high_of_all - low_of_all > high - low
    assert "strongest rival of 8 is 2-Adam (scaled) at η = 0.001" in crowd.detail


@pytest.mark.parametrize("name", ["naive-is-bad-fig15", "root-is-bad-fig15"])
def test_what_has_not_learned_is_not_ranked(name):
    found = verdict(name, not_learning, seeds=THREE)
    assert found.status == "inconclusive"
    assert "0 of its" in found.detail
    assert "chance is 0.100" in found.detail
    assert "n_steps=680" in found.detail


@pytest.mark.parametrize(
    ("name", "optimizers", "words"),
    [
        ("exp-beats-adam-fig06", [*ADAMS, ("scaled", 2, True)], "lack the strategy exp"),
        ("2-adam-inverse-exp-best-fig16", ADAMS[:1], "lack 2-Adam with inverse exp"),
        ("naive-is-bad-fig15", ADAMS, "no k > 2 with the strategy naive"),
        ("2-adam-beats-adamw-fig16", ADAMS[:1], "lack one of the two sides"),
    ],
)
def test_a_sweep_that_lacks_a_side_decides_nothing(name, optimizers, words):
    found = verdict(name, flat, optimizers=optimizers)
    assert found.status == "inconclusive"
    assert words in found.detail


def test_without_a_validation_split_selection_decides_nothing():
    [name, _] = SELECTIONS
    records = swept(name, flat)
    bare = Records(records.runs, records.scalars.drop(columns="validation_accuracy"))
    [found] = judge([BY_NAME[name]], bare)
    assert found.status == "inconclusive"
    assert "task.data.validation_fraction=0.1" in found.detail
