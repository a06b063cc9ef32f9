"""The panels of the test loss show every run, and what its seeds say."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from scipy import stats

from adamct.analysis.statistics import mean_and_ends
from adamct.plotting.loss_panels import generalization, loss_curves
from adamct.plotting.seed_bands import over_seeds
from adamct.records import Records
from adamct.theory import level_curve, stability_coefficient


def records_of(make, beta, gamma, loss, seeds=(10, 11, 12)):
    beta, gamma = (np.repeat(np.asarray(values, float), len(seeds)) for values in (beta, gamma))
    records = make(
        "e", beta, gamma, lambda n, *_: np.ones(len(n)), n_steps=30,
        seed=np.tile(seeds, len(beta) // len(seeds)), schedule="warmup_cosine",
    )  # fmt: skip
    values = [
        {"run_id": run.run_id, "n": n, "test_loss": loss(run, n) if n else 4.5}
        for run in records.runs.itertuples()
        for n in (0, 5, 10, 20, 29)
    ]
    scalars = records.scalars.merge(pd.DataFrame(values), on=["run_id", "n"], how="left")
    return Records(records.runs, scalars)


@pytest.mark.parametrize(("seeds", "drawn"), [((10, 11, 12), (1, 1)), ((10, 11), (2, 0))])
def test_seeds_are_a_band_from_three_on_and_lines_below(seeds, drawn):
    values = np.random.default_rng(0).normal(2.0, 0.1, size=(4, len(seeds)))
    axes = Figure().subplots()
    over_seeds(axes, np.arange(4), values, color="k")
    bands = [band for band in axes.collections if isinstance(band, PolyCollection)]
    assert (len(axes.lines), len(bands)) == drawn
    if bands:
        low, high = stats.t.interval(0.95, 2, values.mean(axis=1), stats.sem(values, axis=1))
        corners = {tuple(corner) for corner in np.round(bands[0].get_paths()[0].vertices, 9)}
        assert {(n, y) for ends in (low, high) for n, y in enumerate(np.round(ends, 9))} <= corners


def test_the_mean_of_a_logarithm_is_a_geometric_mean():
    values = np.array([[1e-9, 1e-8, 1e-7], [1.0, 1.0, 1.0]])
    axes = Figure().subplots()
    over_seeds(axes, np.arange(2), values, log=True, color="k")
    assert axes.lines[0].get_ydata() == pytest.approx([1e-8, 1.0])


def test_two_seeds_have_a_mean_and_no_interval():
    mean, low, high = mean_and_ends(np.array([[1.0, 3.0]]))
    assert mean == [2.0]
    assert np.isnan([low, high]).all()


@pytest.mark.parametrize(("of_unstable", "n_beyond"), [(3.3, 0), (900.0, 6)])
def test_the_axis_shows_the_unstable_runs_up_to_their_initial_loss(
    make_records, of_unstable, n_beyond
):
    def loss(run, n):
        return 2.2 if run.C > 0 else of_unstable if n >= 20 else 3.0

    records = records_of(make_records, [0.952, 0.999], [0.999, 0.9], loss)
    axes = Figure().subplots()
    loss_curves(axes, records, by="C")
    low, high = axes.get_ylim()
    assert low < 2.2 < 3.3 < high < 4.7
    beyond = [line for line in axes.lines if line.get_marker() == "^" and len(line.get_xdata())]
    assert len(beyond) == n_beyond


def test_the_lone_point_of_a_level_curve_has_its_name(make_records):
    pairs = level_curve(float(stability_coefficient(0.999, 0.9))).sample(4, 0.3, 0.999)
    records = records_of(make_records, *pairs, lambda run, n: 3 - 0.01 * n - 0.01 * run.beta)
    figure = generalization(records, by="beta", controls={"beside": records})
    assert [text.get_text() for text in figure.axes[1].texts] == ["(0.999, 0.9)"]
    labels = [text.get_text() for text in figure.axes[2].get_legend().get_texts()]
    assert labels == ["on the curve", "beside"]
