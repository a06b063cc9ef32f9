"""What a reader can see of a sweep: the axis of its panels."""

import pandas as pd
import pytest
from matplotlib.figure import Figure

from adamct.plotting.kadam import zoom_to_contenders


@pytest.mark.parametrize(("metric", "sign"), [("accuracy", 1.0), ("loss", -1.0)])
def test_the_zoom_keeps_what_is_near_the_best_and_leaves_out_what_is_far(metric, sign):
    scores = {"adam": 0.90, "scaled": 0.95, "inverse_exp": 0.86, "exp": 0.30, "root": 0.91}
    best = pd.DataFrame({"strategy": scores.keys(), "mean": scores.values()})
    if metric == "loss":
        best["mean"] -= 3.0  # scores of losses are negative: more is better
    best = best.assign(low=best["mean"] - 0.01, high=best["mean"] + 0.01)
    axes = Figure().add_subplot()
    zoom_to_contenders(axes, best, metric)
    low, high = axes.get_ylim()
    assert low < high
    shown = sign * best.set_index("strategy")["mean"]
    assert all(low < shown[name] < high for name in ("adam", "scaled", "inverse_exp", "root"))
    assert not low < shown["exp"] < high
    assert high - low < 0.2


def test_the_zoom_leaves_nothing_out_where_all_are_near():
    best = pd.DataFrame({"strategy": ["adam", "scaled", "naive"], "mean": [0.9, 0.92, 0.1]})
    axes = Figure().add_subplot()
    zoom_to_contenders(axes, best.assign(low=best["mean"], high=best["mean"]), "accuracy")
    low, high = axes.get_ylim()
    assert 0.1 < low < 0.9 < 0.92 < high
