"""What a reader can see of a sweep: the axis of its panels, and the bands on it."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from adamct.plotting.sweep_panels import best_against_k, contenders_range

SCORES = {"adam": 0.90, "scaled": 0.95, "inverse_exp": 0.86, "exp": 0.30, "root": 0.91}


def best_of(scores, metric="accuracy", spread=0.01):
    best = pd.DataFrame({"strategy": scores.keys(), "mean": scores.values()})
    if metric == "loss":
        best["mean"] -= 3.0  # scores of losses are negative: more is better
    best["k"] = np.where(best.strategy == "adam", 1, 2)
    return best.assign(low=best["mean"] - spread, high=best["mean"] + spread, edge="")


@pytest.mark.parametrize(("metric", "sign"), [("accuracy", 1.0), ("loss", -1.0)])
def test_the_axis_keeps_what_is_near_the_best_and_all_seeds_of_adam(metric, sign):
    best = best_of(SCORES, metric)
    low, high = contenders_range(best, metric)
    shown = sign * best.set_index("strategy")["mean"]
    assert all(low < shown[name] < high for name in ("adam", "scaled", "inverse_exp", "root"))
    assert not low < shown["exp"] < high
    assert high - low < 0.2
    is_adam = best.strategy == "adam"
    best.loc[is_adam, "low"] -= 0.4  # far below what the contenders need
    low, high = contenders_range(best, metric)
    assert low < sign * best.low[is_adam].item() < high
    near = best_of({"adam": 0.9, "scaled": 0.92, "naive": 0.1}, metric, spread=0.0)
    low, high = contenders_range(near, metric)  # nothing but naive is left out where all are near
    assert [low < sign * score < high for score in near["mean"]] == [True, True, False]


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_a_band_ends_where_its_line_leaves_the_axis(metric):
    near = best_of(SCORES, metric)
    far = best_of({"scaled": 0.30}, metric, spread=0.7).assign(k=3)  # its band reaches back in
    within = contenders_range(near, metric)

    def widest_band(axes):
        bands = [band for band in axes.collections if isinstance(band, PolyCollection)]
        return max(path.vertices[:, 0].max() for band in bands for path in band.get_paths())

    zoomed, whole = Figure().subplots(1, 2)
    best_against_k(zoomed, pd.concat([near, far]), metric, within=within)
    best_against_k(whole, pd.concat([near, far]), metric)
    assert zoomed.get_ylim() == within
    assert (widest_band(zoomed), widest_band(whole)) == (2, 3)
