"""What pilots choose: the rule, and that the committed choice is theirs."""

import pandas as pd
import pytest

from adamct.analysis import choice
from adamct.analysis.grids import run_scores
from adamct.config.compose import compose_sweep
from adamct.plotting.source import reference_source


def swept(*rows):
    """Scores on a grid: strategy, k, lr, seed, test, validation."""
    columns = ["strategy", "k", "lr", "seed", "test", "validation"]
    return pd.DataFrame(rows, columns=columns).assign(decoupled=True, weight_decay=0.01)


GRID = swept(
    *(("adam", 1, lr, seed, 0.5, lr) for lr in (1e-3, 2e-3, 3e-3) for seed in (0, 1)),
    *(("exp", 2, lr, seed, -lr, -abs(lr - 2e-3)) for lr in (1e-3, 2e-3, 3e-3) for seed in (0, 1)),
)


def test_the_best_point_is_chosen_on_validation_and_flagged_at_an_end():
    best = choice.best_points(GRID).set_index("strategy")
    assert best.lr.to_dict() == {"adam": 3e-3, "exp": 2e-3}
    assert best.edge.to_dict() == {"adam": "lr", "exp": ""}  # one weight decay has no ends
    assert choice.edges(best.reset_index()).startswith("1 of 2 best points lie at an end")
    on_test = choice.best_points(GRID.drop(columns="validation")).set_index("strategy")
    assert on_test.lr["exp"] == 1e-3


def test_a_pilots_choice_is_scored_on_fresh_seeds_at_that_rate():
    fresh = swept(
        ("exp", 2, 2e-3, 10, 7.0, 0), ("exp", 2, 1e-3, 10, 9.0, 0), ("exp", 2, 2e-3, 11, 8.0, 0)
    )
    found = choice.tuned(GRID, fresh, "strategy == 'exp'")
    assert (found.name, found.lr, found.scores.to_dict()) == (
        "2-Adam (exp)",
        2e-3,
        {10: 7.0, 11: 8.0},
    )
    cut = choice.tuned(GRID, fresh, "strategy == 'exp'", end=1e-3)
    assert (cut.lr, cut.scores.dropna().to_dict()) == (1e-3, {10: 9.0})
    assert choice.tuned(GRID, fresh, "strategy == 'adam'").scores.empty
    with pytest.raises(LookupError, match="lacks the optimizer with strategy == 'naive'"):
        choice.tuned(GRID, fresh, "strategy == 'naive'")


def test_contenders_are_the_best_of_each_strategy_and_the_papers():
    rows = [("adam", 1, 0.1), ("naive", 2, 0.9), ("root", 2, 0.9), ("exp", 2, 0.2), ("exp", 3, 0.1)]
    rows += [("inverse_exp", k, 0.1 * k) for k in (2, 3, 4)]
    best = pd.DataFrame(rows, columns=["strategy", "k", "score"]).assign(decoupled=True)
    found = choice.contenders(best)
    assert set(zip(found.strategy, found.k, strict=True)) == {
        *(("adam", 1), ("exp", 2)),
        *(("inverse_exp", 2), ("inverse_exp", 4)),  # the paper's best, and the best other
    }


@pytest.fixture(scope="module")
def reference():
    return reference_source("laptop")


def chosen(reference, screen, *, end=None):
    records = reference.read(screen)
    scores = run_scores(records, "accuracy" if "test_accuracy" in records.scalars else "loss")
    return choice.best_points(scores if end is None else scores[scores.lr <= end])


def settings(experiment):
    """The optimizers of an experiment's points, as ``choice.settings`` writes them."""
    optimizers = [
        {
            "strategy": "adam" if point.labels["k"] == 1 else point.labels["strategy"],
            "k": point.labels["k"],
        }
        | {
            name: getattr(point.spec.optimizer, name)
            for name in ("decoupled", "lr", "weight_decay")
        }
        for point in compose_sweep([f"experiment={experiment}"], with_data=False)
    ]
    return set(choice.settings(pd.DataFrame(optimizers)))


@pytest.mark.parametrize("name", ["kadam_c4", "kadam_cifar10"])
def test_the_committed_choice_is_that_of_the_reference_screen(name, reference):
    best = chosen(reference, f"{name}_screen")
    if reference.holds(["kadam_root_screen"]) and name == "kadam_cifar10":
        best = pd.concat([best, chosen(reference, "kadam_root_screen")])
        assert settings(name) == set(choice.settings(best))
    else:
        assert {s for s in settings(name) if "root" not in s} == set(choice.settings(best))
    assert settings(f"{name}_contenders") == set(
        choice.settings(choice.contenders(best.reset_index()))
    )


def test_the_committed_rates_are_those_of_the_reference_screen(reference):
    best, cut = (chosen(reference, "kadam_lr_grid_screen", end=e) for e in (None, choice.PAPER_END))
    assert settings("kadam_lr_grid") == {*choice.settings(best), *choice.settings(cut)}
    assert not best.edge.any()


@pytest.mark.parametrize("name", ["kadam_c4", "kadam_cifar10", "kadam_lr_grid"])
def test_tuning_and_scoring_share_no_seed_and_their_runs_have_one_name(name):
    scoring, screen = (
        compose_sweep([f"experiment={experiment}"], with_data=False)
        for experiment in (name, f"{name}_screen")
    )
    seeds = [{point.spec.seed for point in sweep} for sweep in (scoring, screen)]
    assert not seeds[0] & seeds[1]
    tried, scored = (
        {point.spec.model_copy(update={"seed": 0}).canonical_json() for point in sweep}
        for sweep in (screen, [p for p in scoring if p.labels["strategy"] != "root"])
    )
    assert scored < tried
