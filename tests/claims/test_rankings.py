"""k-Adam's claims change their verdicts when the sweeps are changed, both ways."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from adamct.claims import CLAIMS, judge
from adamct.records import Records

BY_NAME = {claim.name: claim for claim in CLAIMS if "kadam" in "".join(claim.reads)}
COLUMNS = ["strategy", "k", "decoupled"]
STRATEGIES = ("inverse_exp", "exp", "naive")
OPTIMIZERS = [("exp", 1, True), ("exp", 1, False)]
OPTIMIZERS += product(STRATEGIES, range(2, 6), (True, False))
OPTIMIZERS += [("normalization_layer", 2, True)]
RATES = (1e-4, 1e-3, 1e-2)


def swept(name, score, *, n_seeds=3, validation=None, spread=0.002):
    """Return a builder of a claim's sweep: score(strategy, k, decoupled, lr), higher is better.

    Noise of the seeds is added. The validation score is ``validation(…)``, by default the test's.
    """
    claim = BY_NAME[name]
    metric = claim.evaluate.keywords["metric"]

    def build(make):
        points = [(*o, lr, seed) for o in OPTIMIZERS for lr in RATES for seed in range(n_seeds)]
        table = pd.DataFrame(points, columns=[*COLUMNS, "lr", "seed"])
        ones = np.ones(len(points))
        records = make(
            claim.reads[0], 0.999 * ones, 0.9 * ones, lambda n, *_: np.full(len(n), 0.9),
            n_steps=2, weight_decay=0.01, **table,
        )  # fmt: skip
        noise = spread * np.random.default_rng(0).normal(size=len(points))
        sign = 1 if metric == "accuracy" else -1
        scalars, last = records.scalars, records.scalars.n == 1
        for split, of in (("test", score), ("validation", validation or score)):
            values = sign * (np.array([of(*point[:4]) for point in points]) + noise)
            scalars.loc[last, f"{split}_{metric}"] = values
        return Records(records.runs, scalars)

    return build


def peaked(best, *, at=1e-3, naive=-0.3):
    """Every optimizer is best at ``at``, and those that ``best`` chooses better than the others."""

    def score(strategy, k, decoupled, lr):
        value = 0.8 - 0.05 * abs(np.log10(lr / at)) + 0.1 * best(strategy, k, decoupled)
        return value + naive * (strategy == "naive" and k > 2)

    return score


def crossing(strategy, k, decoupled, lr):
    """Adam is best at the largest η, 2-Adam below; where the grid ends decides between them."""
    return dict(zip(RATES, (0.5, 0.7, 0.9) if k == 1 else (0.5, 0.8, 0.6), strict=True))[lr]


def matching(strategy=None, ks=(2, 3, 4, 5), kinds=(True, False)):
    """Whether an optimizer is of a strategy, some k and some kinds of weight decay."""
    return lambda s, k, decoupled: s in (strategy or s,) and k in ks and decoupled in kinds


is_adam, is_above_one = matching(ks=(1,)), matching()
is_2_adam = matching("inverse_exp", (2,), (True,))
is_inverse_exp, is_layer = matching("inverse_exp"), matching("normalization_layer")
ADAM, ADAM_AT_END = peaked(is_adam), peaked(is_adam, at=1e-2)
# Claim → the sweep's scores that it accepts, and those that it refuses; here on both splits alike.
SCORES = {
    "k-beats-adamw-fig06": (peaked(is_above_one), ADAM),
    "k-beats-adam-fig06": (peaked(is_above_one), ADAM),
    "2-adam-inverse-exp-best-fig06": (peaked(is_2_adam), ADAM),
    "naive-is-bad-fig15": (ADAM, peaked(is_adam, naive=0.01)),
    "k-beats-adamw-fig16": (peaked(is_above_one), ADAM),
    "inverse-exp-best-fig16": (peaked(is_inverse_exp), peaked(is_layer)),
    "2-adam-inverse-exp-best-fig16": (peaked(is_2_adam), ADAM),
    "grid-holds-the-best-figE4": (ADAM, ADAM_AT_END),
    "k-beats-adam-figE4": (peaked(is_above_one), ADAM),
    "normalization-layer-figE4": (peaked(is_layer), ADAM),
    "ranking-turns-on-the-grid-figE4": (crossing, peaked(is_2_adam)),
}
CASES = {name: tuple(swept(name, of) for of in scores) for name, scores in SCORES.items()}
CASES |= {
    name: (swept(name, ADAM), swept(name, ADAM, validation=ADAM_AT_END))
    for name in ("selection-on-test-fig06", "selection-on-test-fig16")
}


@pytest.mark.parametrize("name", BY_NAME)
def test_a_verdict_follows_the_data(name, make_records):
    good, bad = CASES[name]
    assert judge(BY_NAME[name], good(make_records)).status == "reproduced"
    assert judge(BY_NAME[name], bad(make_records)).status == "not reproduced"


@pytest.mark.parametrize("name", [n for n in SCORES if not n.startswith("grid-holds")])
def test_one_seed_decides_no_ranking(name, make_records):
    found = judge(BY_NAME[name], swept(name, peaked(is_above_one), n_seeds=1)(make_records))
    assert found.status == "inconclusive"
    assert "seed" in found.detail


@pytest.mark.parametrize(
    ("name", "score", "settings"),
    [
        # A seed overturns the order of the two sides, or the sign of a distance.
        ("k-beats-adamw-fig16", peaked(is_above_one), {"spread": 0.3}),
        ("naive-is-bad-fig15", peaked(is_adam, naive=0.0), {"spread": 0.05}),
        # A tie: where nothing has learnt, every accuracy is that of chance.
        ("k-beats-adamw-fig06", lambda *point: 0.1, {"spread": 0.0}),
        # Without cross-fitting, the best of 39 points would beat the best of 3 of equal worth.
        ("k-beats-adamw-fig06", lambda *point: 0.8, {"spread": 0.05, "n_seeds": 5}),
    ],
    ids=["overturned", "overturned distance", "tie", "equal worth"],
)
def test_what_seeds_do_not_agree_on_is_inconclusive(name, score, settings, make_records):
    found = judge(BY_NAME[name], swept(name, score, **settings)(make_records))
    assert found.status == "inconclusive"
    low, high = found.interval
    assert high < 0.05 or "naive" not in name  # though it is far from twice the noise of a seed
    assert low < 0 < high or "n_seeds" not in settings


def test_a_grid_that_one_seed_overturns_decides_no_ranking(make_records):
    name = "ranking-turns-on-the-grid-figE4"
    records = swept(name, crossing)(make_records)
    runs = records.runs
    ours = (runs.strategy == "inverse_exp") & (runs.k == 2) & runs.decoupled & (runs.lr == 1e-3)
    unlucky = records.scalars.run_id.isin(runs.run_id[ours & (runs.seed == 0)])
    loss = records.scalars.test_loss + 0.12 * unlucky  # 2-Adam leads by 0.1 where the grid is cut
    found = judge(BY_NAME[name], Records(runs, records.scalars.assign(test_loss=loss)))
    assert found.status == "inconclusive"
    assert "is +0.06" in found.detail


@pytest.mark.parametrize(
    ("at", "flag"),
    [
        (1e-2, "at the grid's edge for 14 of 14: Adam; 2-Adam (exp)"),
        (1e-3, "every best point lies inside the grid of η"),  # λ has one value, and no inside
    ],
)
def test_a_best_point_at_the_edge_of_its_grid_is_flagged(at, flag, make_records):
    name = "k-beats-adamw-fig06"
    records = swept(name, peaked(is_above_one, at=at))(make_records)
    detail = judge(BY_NAME[name], records).detail
    assert flag in detail
    assert "of η and λ" not in detail


def test_without_a_validation_split_selection_decides_nothing(make_records):
    name = "selection-on-test-fig06"
    records = CASES[name][0](make_records)
    bare = Records(records.runs, records.scalars.drop(columns="validation_accuracy"))
    found = judge(BY_NAME[name], bare)
    assert found.status == "inconclusive"
    assert "task.data.validation_fraction=0.1" in found.detail
