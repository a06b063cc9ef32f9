"""Which point an optimizer takes, on which split, and what seeds make of a comparison."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from adamct.analysis.grids import (
    best_points,
    by_point,
    held_out_advantage,
    run_scores,
    seed_noise,
    varied_axes,
)
from adamct.records import Records


def records(rows, evaluations):
    """Build records of runs (strategy, k, lr, seed), each with its (test, validation) losses."""
    runs = pd.DataFrame(rows, columns=["strategy", "k", "lr", "seed"])
    runs = runs.assign(
        run_id=[f"run{i}" for i in range(len(rows))], decoupled=True, weight_decay=0.01,
        experiment="e",
    )  # fmt: skip
    lines = [
        {"run_id": f"run{i}", "n": 2 * n + m, "train_loss": 1.0}
        | ({"test_loss": test, "validation_loss": held} if m == 0 else {})
        for i, values in enumerate(evaluations)
        for n, (test, held) in enumerate(values)
        for m in (0, 1)
    ]
    return Records(runs, pd.DataFrame(lines))


@pytest.mark.parametrize(
    ("evaluations", "scores"),
    [
        # On test the paper's rule; by validation not -1.0, at which validation was worse.
        ([(3.0, 3.0), (1.0, 2.5), (1.5, 2.0), (9.0, np.inf)], (-1.0, -2.0, -1.5)),
        # A diverged run counts with what it reached.
        ([(3.0, 3.0), (2.0, 2.0), (np.nan, np.nan)], (-2.0, -2.0, -2.0)),
    ],
)
def test_the_scores_of_a_run_are_those_of_its_best_evaluation(evaluations, scores):
    (row,) = run_scores(records([("exp", 2, 1e-3, 0)], [evaluations]), "loss").itertuples()
    assert (row.test, row.validation, row.test_at_validation) == scores


def test_at_k_1_every_strategy_is_one_adam():
    rows = [("exp", 1, 1e-3, 0), ("naive", 1, 1e-3, 0), ("naive", 2, 1e-3, 0)]
    both = records(rows, [[(1.0, 1.0)], [(1.0, 1.0)], [(2.0, 2.0)]])
    both.runs.loc[1, "run_id"] = "run0"
    table = run_scores(both, "loss")
    assert table[["strategy", "k"]].to_numpy().tolist() == [["adam", 1], ["naive", 2]]


def test_the_best_point_follows_the_split_it_is_selected_on_and_is_flagged_at_an_edge():
    rows = [("exp", 2, lr, seed) for lr in (1e-4, 1e-3, 1e-2) for seed in (0, 1)]
    losses = [(1.0, 2.0), (1.2, 2.0), (1.5, 1.0), (1.7, 1.0), (3.0, 3.0), (3.0, 3.0)]
    scores = run_scores(records(rows, [[pair] for pair in losses]), "loss")
    (on_test,) = best_points(scores).itertuples()
    assert (on_test.lr, on_test.edge) == (1e-4, "lr")
    assert (on_test.mean, on_test.low, on_test.high) == pytest.approx((-1.1, -1.2, -1.0))
    (held,) = best_points(scores, select_on="validation").itertuples()
    assert (held.lr, held.edge, held.mean) == (1e-3, "", pytest.approx(-1.6))
    assert best_points(scores[scores.lr == 1e-4]).edge.tolist() == [""]  # one value has no end
    assert varied_axes(scores) == ["lr"]
    assert varied_axes(scores.assign(weight_decay=scores.lr)) == ["lr", "weight_decay"]


def drawn(rng, spread, *, rates, n_seeds):
    """Scores of two optimizers of equal worth at each of some rates."""
    points = list(product(("exp", "scaled"), rates, range(n_seeds)))
    scores = pd.DataFrame(points, columns=["strategy", "lr", "seed"])
    test = spread * rng.normal(size=len(points)) - 1
    return scores.assign(k=2, decoupled=True, weight_decay=0.01, test=test)


def test_the_interval_of_an_advantage_covers_the_truth_as_often_as_it_says():
    """Two optimizers of equal worth, three rates each; intervals of other widths would not."""
    rng, sides = np.random.default_rng(1), ("strategy == 'exp'", "strategy == 'scaled'")
    drawings = [drawn(rng, 0.1, rates=(1, 2, 3), n_seeds=4) for _ in range(100)]
    found = [held_out_advantage(scores, *sides) for scores in drawings]
    means = np.array([by_seed.mean() for by_seed, _ in found])
    halves = np.array([(high - low) / 2 for _, (low, high) in found])
    half_as_wide, as_wide, twice_as_wide = (
        np.mean(np.abs(means) <= factor * halves) for factor in (0.5, 1, 2)
    )
    assert half_as_wide < 0.85 <= as_wide < 0.96 < twice_as_wide


def test_seed_noise_is_the_spread_within_the_best_points():
    scores = drawn(np.random.default_rng(0), 0.3, rates=(1e-3,), n_seeds=200)
    noise, freedom = seed_noise(by_point(scores))
    assert noise == pytest.approx(0.3, rel=0.15)
    assert freedom == 199  # of the better half, here one of two
    one = by_point(run_scores(records([("exp", 2, 1e-3, 0)], [[(1.0, 1.0)]]), "loss"))
    assert one.shape == (1, 1)
    assert seed_noise(one)[1] == 0
