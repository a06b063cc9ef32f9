"""Looks at growing data: what each may spend, and what the verdicts say of the next."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from adamct.claims import judge, learning_rates
from adamct.claims.criterion import Estimate
from adamct.claims.learning_rates import BEATS
from adamct.records import Records

BY_NAME = {claim.name: claim for claim in learning_rates.CLAIMS}
ADVANTAGES = {
    "2-adam-beats-adam-figE4": "inverse_exp",
    "normalization-layer-figE4": "normalization_layer",
}
RATES = (3e-4, 1e-3, 2e-3, 4e-3)


def table(experiment, points):
    """Records of one evaluation a run: points of strategy, k, lr, seed, loss."""
    runs = pd.DataFrame(points, columns=["strategy", "k", "lr", "seed", "loss"]).assign(
        experiment=experiment, scale="laptop", corpus="c", device="cpu", status="finished",
        decoupled=True, weight_decay=0.0,
    )  # fmt: skip
    runs = runs.assign(run_id=[f"{experiment}{i}" for i in range(len(runs))])
    losses = runs[["run_id"]].assign(n=0, test_loss=runs.loss, validation_loss=runs.loss)
    return Records(runs.drop(columns="loss"), losses)


def joined(*parts):
    return Records(*(pd.concat([getattr(p, of) for p in parts]) for of in ("runs", "scalars")))


def e4(gain, *, seeds=8, spread=0.03, best=None, scored=None, end=0.05):
    """Pilots with the best η of each, and fresh seeds: 2-Adam and the layer gain over Adam.

    ``end`` is what Adam loses at 1e-3 against its best, 2e-3.
    """
    best = {(None, 1): 2e-3, ("inverse_exp", 2): 1e-3, ("normalization_layer", 2): 1e-3} | (
        best or {}
    )
    screen = [
        (*optimizer, lr, seed, 3 + abs(np.log10(lr / at)))
        for (optimizer, at), lr, seed in product(best.items(), RATES, (0, 1))
    ]
    rng, fresh = np.random.default_rng(1), []
    for seed in range(10, 10 + seeds):
        batches = rng.normal(0, 0.3)
        fresh.append((None, 1, 1e-3, seed, 3 + batches + end + rng.normal(0, spread / 10)))
        for optimizer, at in (scored or best).items():
            loss = 3 + batches - gain * (optimizer[1] > 1) + rng.normal(0, spread)
            fresh.append((*optimizer, at, seed, loss))
    return joined(table("kadam_lr_grid_screen", screen), table("kadam_lr_grid", fresh))


def verdict(name, records):
    [found] = judge([BY_NAME[name]], records)
    return found


def test_every_claim_is_tested():
    others = {"grid-holds-the-best-figE4", "cut-grid-flatters-2-adam-figE4"}
    assert BY_NAME.keys() == {*ADVANTAGES, *others}


@pytest.mark.parametrize("name", ADVANTAGES)
def test_the_first_look_decides_what_is_clear(name):
    statuses = [verdict(name, e4(gain)).status for gain in (0.5, 0.0, -0.5)]
    assert statuses == ["reproduced", "inconclusive", "not reproduced"]
    found = verdict(name, e4(0.0))
    assert "look 1 of 3" in found.detail
    assert "experiment=kadam_lr_grid scale=laptop 'seed=range(10,26)'" in found.detail
    assert found.detail.count("by seed") == 1


@pytest.mark.parametrize("name", ADVANTAGES)
def test_at_the_last_look_a_small_difference_is_a_tie(name):
    found = verdict(name, e4(0.004, seeds=32, spread=0.01))
    assert (found.status, found.n) == ("not reproduced", 32)
    assert found.detail.endswith("a tie")
    open_still = verdict(name, e4(0.0, seeds=32, spread=0.3))
    assert open_still.status == "inconclusive"
    assert open_still.detail.endswith("no tie")


def test_seeds_between_two_looks_wait_for_the_next():
    few, more = (verdict("2-adam-beats-adam-figE4", e4(0.1, seeds=n)) for n in (8, 13))
    assert (few.statistic, few.n) == (more.statistic, more.n)
    below = verdict("2-adam-beats-adam-figE4", e4(0.1, seeds=5))
    assert (below.status, below.n) == ("inconclusive", 5)
    assert "'seed=range(10,18)'" in below.detail


def test_an_early_look_spends_little():
    """What 95 % would decide at 8 seeds, the first look leaves open; the last nearly keeps it."""
    values = np.arange(8.0) / 10
    estimates = [Estimate.of_seeds(np.tile(values, n)[: 8 * n]) for n in (1, 2, 4)]
    levels = [1 - BEATS.confidence_for(estimate) for estimate in estimates]
    assert levels[0] < 1e-3 < levels[1] < 0.01 < levels[2] < 0.05
    assert estimates[0].interval().low > 0
    assert BEATS.decide(estimates[0]) == "inconclusive"


@pytest.mark.parametrize("name", ADVANTAGES)
def test_the_rule_names_the_level_of_the_look(name):
    found = verdict(name, e4(0.5))
    assert found.rule.startswith("t over 8 seeds, 99.99")
    assert found.decided_by[0] < found.interval[0]


def test_a_choice_that_was_not_scored_is_refused_with_the_remedy():
    moved = e4(
        0.5, best={("inverse_exp", 2): 2e-3}, scored={(None, 1): 2e-3, ("inverse_exp", 2): 1e-3}
    )
    found = verdict("2-adam-beats-adam-figE4", moved)
    assert found.status == "inconclusive"
    assert "not scored at η = 0.002" in found.detail
    assert "scripts/choose.py kadam_lr_grid_screen" in found.detail
    lacking = verdict("normalization-layer-figE4", e4(0.5, best={}, scored={(None, 1): 2e-3}))
    assert lacking.status == "inconclusive"


def test_a_best_rate_at_an_end_of_the_grid_is_counted():
    name = "grid-holds-the-best-figE4"
    inside, at_end = (verdict(name, e4(0.1, best={(None, 1): lr})) for lr in (2e-3, 4e-3))
    assert (inside.status, inside.statistic) == ("reproduced", 0)
    assert (at_end.status, at_end.statistic) == ("not reproduced", 1)
    assert "Adam at η = 0.004" in at_end.detail


def test_what_the_end_of_the_grid_adds():
    name = "cut-grid-flatters-2-adam-figE4"
    statuses = [verdict(name, e4(0.1, end=end)).status for end in (0.1, 0.0, -0.1)]
    assert statuses == ["reproduced", "inconclusive", "not reproduced"]
    found = verdict(name, e4(0.1, end=0.1))
    assert found.statistic == pytest.approx(0.1, abs=0.03)
    assert "0.001 and 0.002" in found.detail
