"""How runs are scored, on which split, and how optimizers are compared within a seed."""

import numpy as np
import pandas as pd
import pytest

from adamct.analysis import grids
from adamct.analysis.grids import advantages, distance_behind, over_seeds, run_scores
from adamct.records import Records

NAN = float("nan")


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


def scored(*rows):
    """Scores of optimizers at one point each: strategy, k, seed, test."""
    table = pd.DataFrame(rows, columns=["strategy", "k", "seed", "test"])
    return table.assign(decoupled=True, lr=1e-3, weight_decay=0.0)


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
    table = run_scores(records([("exp", 2, 1e-3, 0)], [evaluations]), "loss")
    (row,) = table.itertuples()
    assert (row.test, row.validation, row.test_at_validation) == scores
    assert grids.selection_gain(table) == scores[0] - scores[2]


def test_at_k_1_every_strategy_is_one_adam():
    rows = [("exp", 1, 1e-3, 0), ("naive", 1, 1e-3, 0), ("naive", 2, 1e-3, 0)]
    both = records(rows, [[(1.0, 1.0)], [(1.0, 1.0)], [(2.0, 2.0)]])
    both.runs.loc[1, "run_id"] = "run0"
    table = run_scores(both, "loss")
    assert table[["strategy", "k"]].to_numpy().tolist() == [["adam", 1], ["naive", 2]]


def test_an_interval_needs_three_seeds_and_takes_those_that_an_optimizer_has():
    values = {"adam": [0.1, 0.2, 0.3, 0.6], "exp": [0.5, 0.7], "scaled": [0.4, 0.5, 0.9]}
    rows = [(s, 2, seed, x) for s, own in values.items() for seed, x in enumerate(own)]
    table = over_seeds(scored(*rows)).set_index("strategy")
    assert table["mean"].to_dict() == pytest.approx({s: np.mean(own) for s, own in values.items()})
    assert table.n_seeds.to_dict() == {"adam": 4, "exp": 2, "scaled": 3}
    assert np.isnan(table.loc["exp", ["low", "high"]].astype(float)).all()
    # t(0.975, 2) = 4.3027, t(0.975, 3) = 3.1824
    for strategy, t in (("adam", 3.1824), ("scaled", 4.3027)):
        own = np.array(values[strategy])
        half = t * own.std(ddof=1) / np.sqrt(len(own))
        ends = own.mean() - half, own.mean() + half
        assert tuple(table.loc[strategy, ["low", "high"]]) == pytest.approx(ends, abs=1e-4)


def test_optimizers_are_compared_within_the_seeds_that_all_have():
    rows = [("exp", 2, 0, 1.0), ("exp", 2, 1, 2.0), ("exp", 2, 2, 9.0)]
    rows += [("adam", 1, 0, 0.5), ("adam", 1, 1, 1.0), ("scaled", 2, 0, 2.0), ("scaled", 2, 1, 0.0)]
    found = advantages(scored(*rows), "strategy == 'exp'", "strategy != 'exp'")
    assert found.columns.tolist() == [0, 1]
    assert found.droplevel(["k", "decoupled", "lr", "weight_decay"]).T.to_dict("list") == {
        "adam": [0.5, 1.0],
        "scaled": [-1.0, 2.0],
    }
    assert advantages(scored(*rows), "strategy == 'naive'", "k > 0").empty
    with pytest.raises(ValueError, match="2 optimizers meet 'k == 2'; expected one"):
        advantages(scored(*rows), "k == 2", "k == 1")


def test_a_strategy_is_compared_with_the_best_other_at_the_same_k():
    others = [("exp", 3, 0, 0.5), ("exp", 3, 1, 0.7), ("scaled", 3, 0, 0.9), ("scaled", 3, 1, 0.4)]
    others += [("exp", 4, 0, 0.3), ("exp", 4, 1, 0.3), ("exp", 2, 0, 1.0), ("exp", 2, 1, 1.0)]
    own = [("naive", k, seed, 0.1) for k in (2, 3, 4) for seed in (0, 1)]
    found = distance_behind(scored(*others, *own), "naive", above=2)
    # The best other at k = 3 is scaled, with the mean 0.65, in both seeds.
    assert found.to_numpy() == pytest.approx(np.array([[0.8, 0.3], [0.2, 0.2]]))


def test_what_has_learned_lies_above_chance_by_the_margin():
    table = scored(
        ("exp", 2, 0, 0.1), ("exp", 2, 1, 0.4), ("naive", 2, 0, 0.1), ("naive", 2, 1, 0.2)
    )
    assert set(grids.learned(table, 0.1, 0.1).strategy) == {"exp"}
    digits = pd.DataFrame({"corpus": ["digits"]})
    assert grids.chance(Records(digits, digits)) == 0.1
