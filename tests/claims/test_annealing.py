"""Claims on an annealed learning rate follow the runs of each seed, both ways."""

import numpy as np
import pandas as pd
import pytest

from adamct.claims import judge
from adamct.claims.annealing import CLAIMS, EXPERIMENT
from adamct.claims.generalization import CURVE
from adamct.records import Records, join
from adamct.theory import normal_curve

SEEDS = (10, 11, 12)
POINTS = normal_curve(0.999, 0.9).sample(2, 0.952, 0.96)
BY_NAME = {claim.name: claim for claim in CLAIMS}


def runs_of(make, schedule, test_loss, *, pairs=POINTS, experiment=EXPERIMENT, seeds=SEEDS, **of):
    """Records of one schedule: test_loss(seed) is its best."""
    beta, gamma = (np.repeat(values, len(seeds)) for values in pairs)
    records = make(
        experiment, beta, gamma, lambda n, *_: np.ones(len(n)),
        n_steps=of.get("n_steps", 1000), schedule=schedule, seed=np.tile(seeds, len(pairs[0])),
        run_id=[f"{experiment} {schedule} {i}" for i in range(len(beta))],
    )  # fmt: skip
    seed = records.scalars.run_id.map(records.runs.set_index("run_id").seed)
    falls = 1e-3 * np.exp(-records.scalars.n * seed.map(of.get("rate", dict.fromkeys(seeds, 0.02))))
    values = [
        {"run_id": run.run_id, "n": n, "test_loss": test_loss(run.seed) + (n == 10)}
        for run in records.runs.itertuples()
        for n in (10, records.scalars.n.max())
    ]
    scalars = records.scalars.assign(lr=falls if schedule == "annealed" else 1e-3)
    return Records(
        records.runs, scalars.merge(pd.DataFrame(values), on=["run_id", "n"], how="left")
    )


def figure_14(*, excess=(0.5, 0.6, 0.55), cost=(0.3, 0.2, 0.25), seeds=SEEDS, default=True, **of):
    """Records of the figure: annealed losses that exceed two others by so much in each seed."""
    best, costs = (dict(zip(SEEDS, values, strict=True)) for values in (excess, cost))

    def build(make):
        parts = [
            runs_of(make, "annealed", lambda seed: 3.0, seeds=seeds, **of),
            runs_of(make, "annealed_warmup_cosine", lambda s: 2 + best[s], seeds=seeds),
            runs_of(make, "warmup_cosine", lambda s: 2 + best[s] - costs[s], seeds=seeds),
        ]
        pairs = ([0.999], [0.9]) if default else ([0.99], [0.9])
        also = {"pairs": pairs, "experiment": CURVE, "seeds": seeds}
        return join([*parts, runs_of(make, "warmup_cosine", lambda seed: 2.0, **also)])

    return build


def slow(*rates):
    return figure_14(rate=dict(zip(SEEDS, rates, strict=True)))


def of_order(*orders):
    """The update itself, of another order in each seed."""

    def build(make):
        records, own = figure_14()(make), dict(zip(SEEDS, orders, strict=True))
        seed = records.scalars.run_id.map(records.runs.set_index("run_id").seed)
        scalars = records.scalars.assign(max_update=seed.map(own).astype(float))
        return Records(records.runs, scalars)

    return build


CASES = {
    "annealed-to-nothing": (slow(0.02, 0.01, 0.02), slow(1e-4, 2e-4, 1e-4), slow(0.02, 1e-4, 0.02)),
    "unscaled-of-order-one": (of_order(1, 1.5, 2), of_order(50, 51, 49), of_order(1, 2, 30)),
    "annealing-does-not-rescue": (
        figure_14(),
        figure_14(excess=(-0.5, -0.6, -0.55)),
        figure_14(excess=(-0.5, 0.6, 0.5)),
    ),
    "annealing-is-worse-than-none": (
        figure_14(),
        figure_14(cost=(-0.3, -0.2, -0.25)),
        figure_14(cost=(-0.3, 0.2, 0.3)),
    ),
}


def verdict(name, make, build):
    [found] = judge([BY_NAME[name]], build(make))
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_verdict_follows_the_runs(make_records, name):
    expected = ("reproduced", "not reproduced", "inconclusive")
    for status, build in zip(expected, CASES[name], strict=True):
        found = verdict(name, make_records, build)
        assert (found.status, found.n) == (status, len(SEEDS))


def test_every_claim_of_the_figure_has_its_cases():
    assert set(CASES) == set(BY_NAME)


def test_the_numbers_are_those_that_were_put_in(make_records):
    def of(name):
        return verdict(name, make_records, figure_14())

    assert of("annealed-to-nothing").statistic == pytest.approx(np.exp(-0.02 * 999))
    assert of("unscaled-of-order-one").statistic == 1
    assert of("annealing-does-not-rescue").statistic == pytest.approx(0.55)
    assert of("annealing-is-worse-than-none").statistic == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("name", "build", "words"),
    [
        ("annealed-to-nothing", figure_14(n_steps=400), "before the decay shows"),
        ("annealing-does-not-rescue", figure_14(default=False), "no run at (0.999, 0.9)"),
        ("annealing-is-worse-than-none", figure_14(seeds=(10,)), "by seed 0.3"),
    ],
)
def test_records_that_cannot_decide_say_why(make_records, name, build, words):
    found = verdict(name, make_records, build)
    assert found.status == "inconclusive"
    assert words in found.detail
