"""Claims on the test loss along a curve follow the losses of each seed, both ways."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from adamct.claims import CLAIMS, judge
from adamct.claims.generalization import CURVE, CURVE_095, FIXED_GAMMA, LEVEL_CURVE
from adamct.records import Records, join
from adamct.theory import level_curve, normal_curve, stability_coefficient

SEEDS = (10, 11, 12)
EVALUATED = (0, 4, 8, 16, 29)  # of 30 steps: the second and third are in the first third
ON = {
    CURVE: normal_curve(0.999, 0.9).sample(12, 0.952, 0.999),
    CURVE_095: normal_curve(0.95, 0.9).sample(12, 0.898, 0.999),
    LEVEL_CURVE: level_curve(float(stability_coefficient(0.999, 0.9))).sample(12, 0.3, 0.999),
    FIXED_GAMMA: (np.linspace(0.83, 0.999, 6), np.full(6, 0.9)),
}


def losses(loss, experiment=CURVE, seeds=SEEDS, only=np.isfinite, **columns):
    """Return make → records of an experiment: loss(run, n) is what was measured."""

    def build(make):
        beta, gamma = ON[experiment]
        kept = only(stability_coefficient(beta, gamma))
        beta, gamma = (np.repeat(values[kept], len(seeds)) for values in (beta, gamma))
        records = make(
            experiment, beta, gamma, lambda n, *_: np.ones(len(n)), n_steps=30,
            run_id=[f"{experiment}{i}" for i in range(len(beta))],
            **{"seed": np.tile(seeds, kept.sum()), "schedule": "warmup_cosine", **columns},
        )  # fmt: skip
        values = [
            {"run_id": run.run_id, "n": n, "test_loss": loss(run, n) if n else 4.5}
            for run in records.runs.itertuples()
            for n in EVALUATED
        ]
        scalars = records.scalars.merge(pd.DataFrame(values), on=["run_id", "n"], how="left")
        return Records(records.runs, scalars)

    return build


def both(*builders):
    return lambda make: join([build(make) for build in builders])


def noise(run):
    return 1e-3 * np.sin(1e4 * run.C + 1e3 * run.beta + run.seed)


def of_C(slope, slope_in_the_end=None):
    """A loss that falls by so much per unit of C, early and in the end."""
    late = slope if slope_in_the_end is None else slope_in_the_end
    return lambda run, n: 5 - 0.08 * n - (slope if n < 10 else late) * run.C + noise(run)


def kinked(run, n):
    """As steep in B₋ as the test loss is there, and hardly in B₊."""
    return 2.5 - (10 if run.C < 0 else 0.2) * run.C + noise(run)


def by_seed(build, *values):
    """A loss built of another number in each seed."""
    return lambda run, n: build(values[run.seed - SEEDS[0]])(run, n)


def of_beta(at_origin, between, at_default):
    def loss(run, n):
        at = at_default if run.beta == 0.999 else at_origin if run.beta < 0.45 else between
        return 2.5 + at + noise(run)

    return loss


def beside(control, loss):
    return both(losses(of_C(1.0)), losses(loss, control))


NO_ORDER = by_seed(of_C, 1.0, -1.0, 1.0)
# By claim: records that reproduce it, that refute it, that leave it open.
CASES = {
    "faster-with-C": (of_C(1.0), of_C(-1.0), NO_ORDER),
    "alike-in-the-end": (
        of_C(1.0, 0.1),
        of_C(1.0, 1.0),
        by_seed(lambda late: of_C(1.0, late), 0.2, 0.6, 0.4),
    ),
    "sharp-rise": (kinked, of_C(1.0), by_seed(lambda slope: of_C(slope), -9.0, 9.0, 0.5)),
    "order-persists": (of_C(-1.0, 1.0), of_C(1.0, -1.0), by_seed(of_C, 1.0, 1.0, -1.0)),
}
ALL = {
    f"{name}-{figure}": tuple(losses(loss, curve) for loss in cases)
    for name, cases in CASES.items()
    for figure, curve in (("fig04", CURVE), ("fig12", CURVE_095))
}
for name, control in (("speed-at-fixed-gamma", FIXED_GAMMA), ("speed-at-fixed-C", LEVEL_CURVE)):
    by_beta = by_seed(
        lambda slope: lambda run, n: 3 - slope * run.beta + noise(run), 0.05, 0.6, 0.3
    )
    ALL[name] = (
        beside(control, of_C(0.0)),
        beside(control, lambda run, n: 3 - 2 * run.beta),
        beside(control, by_beta),
    )
ALL["slower-towards-origin"] = tuple(
    losses(loss, LEVEL_CURVE)
    for loss in (
        of_beta(0.1, 0.0, 0.0),
        of_beta(0.02, 0.0, 0.1),  # a U whose other end is the higher one
        by_seed(lambda at: of_beta(at, 0.0, 0.0), -0.1, 0.1, 0.1),
    )
)
BY_NAME = {claim.name: claim for claim in CLAIMS if claim.name in ALL}


def verdict(name, make, build):
    [found] = judge([BY_NAME[name]], build(make))
    return found


@pytest.mark.parametrize("name", ALL)
def test_a_verdict_follows_the_losses(make_records, name):
    found = [verdict(name, make_records, build) for build in ALL[name]]
    assert [one.status for one in found] == ["reproduced", "not reproduced", "inconclusive"]
    assert all(one.n == len(SEEDS) and one.detail.startswith("by seed ") for one in found)


@pytest.mark.parametrize("arm", [of_beta(0.1, 0.0, 0.2), of_beta(0.1, 0.2, 0.0)])
def test_slower_towards_the_origin_takes_both_arms(make_records, arm):
    found = verdict("slower-towards-origin", make_records, losses(arm, LEVEL_CURVE))
    assert found.status == "not reproduced"


def test_the_numbers_are_those_of_the_losses_by_hand(make_records):
    rng = np.random.default_rng(0)
    table = {}
    build = losses(lambda run, n: table.setdefault((run.seed, run.C, n), 3 + rng.normal()))
    found = judge([BY_NAME[f"{name}-fig04"] for name in CASES], build(make_records))
    speed, alike, rise, persists = (verdict.statistic for verdict in found)
    per_seed = []
    for seed in SEEDS:
        C = np.array(sorted({key[1] for key in table}))
        early, late = ([[table[seed, c, n] for n in own] for c in C] for own in ((4, 8), (16, 29)))
        area, lowest = np.mean(early, axis=1), np.min(early, axis=1)
        best = np.minimum(lowest, np.min(late, axis=1))
        inside, near = C > 0, abs(C) <= -C[0]
        slopes = [stats.linregress(C[side], best[side]).slope for side in (near, ~near)]
        variations = [stats.variation(values[inside], ddof=1) for values in (best, lowest)]
        ranks = [stats.spearmanr(C[inside], values[inside])[0] for values in (area, best)]
        excess = 2 * slopes[1] - slopes[0]
        per_seed.append([ranks[0], variations[0] / variations[1], excess, ranks[1]])
    assert [speed, alike, rise, persists] == pytest.approx(np.mean(per_seed, axis=0))


def test_seeds_that_agree_entirely_give_an_interval_without_a_width(make_records):
    found = verdict("faster-with-C-fig04", make_records, losses(lambda run, n: 3 - run.C))
    assert (found.status, found.statistic) == ("reproduced", pytest.approx(-1))
    assert found.interval == pytest.approx((-1, -1))
    assert "no width" in found.criterion
    one = verdict("faster-with-C-fig04", make_records, losses(of_C(1.0), seeds=(10,)))
    assert (one.status, one.interval) == ("inconclusive", None)


def early_divergence(make):
    records = losses(of_C(1.0))(make)
    ended = np.where(records.runs.C > 0.2, 6, 30)
    return Records(records.runs.assign(n_recorded=ended), records.scalars)


def cut(records, kept):
    return records.where(records.runs.query(kept))


@pytest.mark.parametrize(
    ("name", "build", "words"),
    [
        ("faster-with-C-fig04", early_divergence, "not a number"),
        ("faster-with-C-fig04", losses(of_C(1.0), only=lambda c: c > 0.19), "where 3 are needed"),
        ("alike-in-the-end-fig04", losses(of_C(1.0), only=lambda c: c < 0), "0 points in B₊"),
        ("sharp-rise-fig04", losses(of_C(1.0), only=lambda c: c > 0), "too few points"),
        (
            "slower-towards-origin",
            lambda make: cut(losses(of_C(1.0), LEVEL_CURVE)(make), "beta < 0.99"),
            "no point near the origin",
        ),
        (
            "speed-at-fixed-gamma",
            both(losses(of_C(1.0), seeds=(10,)), losses(of_C(1.0), FIXED_GAMMA, seeds=(11,))),
            "to compare with",
        ),
    ],
)
def test_records_that_cannot_decide_say_why(make_records, name, build, words):
    found = verdict(name, make_records, build)
    assert found.status == "inconclusive"
    assert words in found.detail
