import numpy as np
import pytest

from adamct.analysis.statistics import with_interval


def test_the_interval_covers_the_median_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = [
        low <= 0 <= high
        for _, (low, high) in (with_interval(rng.standard_normal(30)) for _ in range(150))
    ]
    assert 0.88 <= np.mean(covered) <= 0.99


def test_the_interval_repeats_and_shrinks_and_one_value_has_none():
    rng = np.random.default_rng(1)
    few, many = rng.standard_normal(20), rng.standard_normal(500)
    assert with_interval(few) == with_interval(few)
    width = [high - low for _, (low, high) in map(with_interval, (few, many))]
    assert width[1] < width[0] / 3
    assert np.isnan(with_interval(np.array([1.0]))[1]).all()


def test_the_mean_agrees_with_the_normal_interval():
    values = np.random.default_rng(2).standard_normal(400)
    mean, (low, high) = with_interval(values, statistic=np.mean)
    half = 1.96 * values.std(ddof=1) / 20
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.02)
