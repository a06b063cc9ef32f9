"""What a reader can see of k-Adam's scores: the axis, the intervals on it, and chance."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from adamct.plotting import sweep_panels
from adamct.plotting.sweep_panels import contenders_range, score_against_k
from adamct.records import Records

SCORES = {"adam": 0.90, "scaled": 0.95, "inverse_exp": 0.86, "exp": 0.30, "root": 0.91}
NAN = float("nan")


def of(scores, metric="accuracy", spread=0.01):
    table = pd.DataFrame({"strategy": scores.keys(), "mean": scores.values()})
    if metric == "loss":
        table["mean"] -= 3.0  # scores of losses are negative: more is better
    table["k"] = np.where(table.strategy == "adam", 1, 2)
    return table.assign(low=table["mean"] - spread, high=table["mean"] + spread)


@pytest.mark.parametrize(("metric", "sign"), [("accuracy", 1.0), ("loss", -1.0)])
@pytest.mark.parametrize("spread", [0.0, 0.01, NAN])  # NaN: too few seeds for an interval
def test_the_axis_keeps_what_is_near_the_best(metric, sign, spread):
    table = of(SCORES, metric, spread)
    low, high = contenders_range(table, metric)
    shown = sign * table.set_index("strategy")["mean"]
    assert all(low < shown[name] < high for name in ("adam", "scaled", "inverse_exp"))
    assert not low < shown["exp"] < high
    assert high - low < 0.25
    near = of({"adam": 0.9, "scaled": 0.92, "naive": 0.1}, metric, spread)
    low, high = contenders_range(near, metric)  # nothing but naive is left out where all are near
    assert [low < sign * score < high for score in near["mean"]] == [True, True, False]


def test_one_long_interval_does_not_squeeze_the_others_and_no_accuracy_is_above_1():
    wide = of(SCORES)
    wide.loc[wide.strategy == "scaled", ["low", "high"]] = 0.0, 1.9
    low, high = contenders_range(wide, "accuracy")
    assert high - low < 0.3
    assert high <= 1
    apart = of(SCORES, spread=0.03)
    low, high = contenders_range(apart, "accuracy")
    kept = apart[apart.strategy.isin(["adam", "scaled", "inverse_exp"])]
    assert low < kept.low.min()
    assert high > kept.high.max()


@pytest.mark.parametrize(("metric", "sign"), [("accuracy", 1.0), ("loss", -1.0)])
def test_bars_are_the_intervals_and_none_is_drawn_without(metric, sign):
    table = of({"adam": 0.90, "scaled": 0.95}, metric)
    table.loc[table.strategy == "scaled", ["low", "high"]] = NAN
    axes = Figure().subplots()
    score_against_k(axes, table, metric)
    lengths = [
        np.ptp(segment[:, 1])
        for bars in axes.collections
        if isinstance(bars, LineCollection)
        for segment in bars.get_segments()
    ]
    assert sorted(lengths) == pytest.approx([0, 0.02])
    drawn = {round(float(y), 6) for line in axes.lines for y in line.get_ydata()}
    assert drawn == {round(sign * mean, 6) for mean in table["mean"]}


def images(score=0.9, n_seeds=3):
    points = [
        (k, decoupled, seed)
        for k in (1, 2)
        for decoupled in (True, False)
        for seed in range(n_seeds)
    ]
    runs = pd.DataFrame(points, columns=["k", "decoupled", "seed"]).assign(
        run_id=[f"run{i}" for i in range(len(points))], strategy="exp", lr=1e-3, weight_decay=0.0,
        corpus="digits", experiment="e",
    )  # fmt: skip
    accuracy = score + 0.001 * runs.seed
    scalars = runs[["run_id"]].assign(n=0, test_accuracy=accuracy, validation_accuracy=accuracy)
    return Records(runs, scalars)


def test_panels_of_accuracy_say_what_the_images_are_and_where_chance_is():
    near, whole = (sweep_panels.accuracy_by_decay(images(), whole=w) for w in (False, True))
    for figure in (near, whole):
        assert figure.axes[0].get_ylabel() == "best test accuracy, 8 × 8 digits"
    assert "chance, 0.10, lies below" in near.axes[0].get_xlabel()
    assert [text.get_text() for text in whole.axes[0].texts] == ["chance, 0.10"]
    assert whole.axes[0].get_ylim() == (0, 1)


def test_the_table_has_the_interval_and_the_score_by_validation():
    table = sweep_panels.score_table(images(), "accuracy")
    assert table.n_seeds.tolist() == [3] * 4
    assert table.test_accuracy.tolist() == pytest.approx([0.901] * 4)
    assert table.test_at_validation.tolist() == pytest.approx([0.901] * 4)
    assert (table.low < table.test_accuracy).all()
    few = sweep_panels.score_table(images(n_seeds=2), "accuracy")
    assert few.low.isna().all()
