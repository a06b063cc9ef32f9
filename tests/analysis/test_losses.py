"""What the test loss of a run comes to, on losses that are known by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from adamct.analysis.losses import annealing_cost, best_losses, relative_spread, spearman
from adamct.records import Records

LOSSES = {0: 4.5, 5: 3.0, 10: 2.0, 11: 1.9, 20: 2.5, 29: 1.0}  # of 30 steps: 10 are a third


def records_of(make, **columns):
    """Two runs with the losses above, the second one nat higher."""
    columns = {"seed": [10, 10], "schedule": ["warmup_cosine", "annealed_warmup_cosine"], **columns}
    records = make(
        "e", [0.999, 0.999], [0.9, 0.9], lambda n, *_: np.ones(len(n)), n_steps=30, **columns
    )
    more = {run_id: float(i) for i, run_id in enumerate(records.runs.run_id)}
    scalars = records.scalars.assign(
        test_loss=records.scalars.n.map(LOSSES) + records.scalars.run_id.map(more)
    )
    return Records(records.runs, scalars)


def test_what_a_run_comes_to(make_records):
    first, second = best_losses(records_of(make_records)).itertuples()
    assert (first.early, first.best, first.area) == (2.0, 1.0, 2.5)
    assert (second.early, second.best, second.area) == (3.0, 2.0, 3.5)


def test_a_run_that_ended_in_the_first_third_has_no_area(make_records):
    table = best_losses(records_of(make_records, n_recorded=[9, 30]))
    assert table.area.isna().tolist() == [True, False]
    assert table.best.notna().all()


def test_the_cost_of_annealing_is_paired(make_records):
    cost = annealing_cost(records_of(make_records))
    assert cost.tolist() == [1.0]
    assert list(cost.index.names) == ["C", "seed"]


def test_rank_correlation_is_scipys():
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, y = rng.integers(0, 6, size=(2, 9)).astype(float)  # with ties
        assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y)[0])
    assert spearman(x, -x) == pytest.approx(-1)
    assert np.isnan([spearman(x, np.ones(9)), spearman(x, np.where(x > 2, np.nan, x))]).all()


def test_relative_spread_is_the_coefficient_of_variation():
    values = np.array([1.0, 2.0, 4.0])
    assert relative_spread(values) == pytest.approx(stats.variation(values, ddof=1))
    assert relative_spread(pd.Series(values)) == relative_spread(values)
