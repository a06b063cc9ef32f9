"""What is measured of the max-update's growth, computed a second way, value by value."""

import math
import statistics

import numpy as np
import pytest
from scipy import stats

from adamct.analysis import growth
from adamct.analysis.statistics import with_bands
from adamct.records import Records
from adamct.theory import (
    discrete_growth_rate,
    discrete_max_update_bound,
    max_update_bound,
    stability_coefficient,
)

PAIRS = ([0.952, 0.957, 0.97], [0.9991, 0.99, 0.9])


def noisy(n, beta, gamma):
    rng = np.random.default_rng(int(1e6 * beta))
    return np.exp(0.01 * n + rng.normal(0, 0.3, len(n)).cumsum() * 0.1)


@pytest.fixture
def records(make_records):
    return make_records("max_update_normal_curve", *PAIRS, noisy, seed=10)


def logs(records, position):
    """ln u of one run, by step."""
    run_id = records.runs.run_id[position]
    own = records.scalars[records.scalars.run_id == run_id]
    return {int(n): math.log(u) for n, u in zip(own.n, own.max_update, strict=True)}


def test_a_robust_slope_is_the_median_of_the_slopes_from_500_to_1000(records):
    table = growth.slope_table(records, growth.late_steps(1010))
    for position, (beta, gamma) in enumerate(zip(*PAIRS, strict=True)):
        u = logs(records, position)
        slopes = [(u[N + 5] - u[N - 5]) / 10 for N in range(500, 1001)]
        assert table.slope[position] == pytest.approx(statistics.median(slopes), rel=1e-12)
        for theory, bound in (("exact", discrete_max_update_bound), ("paper", max_update_bound)):
            ln = [float(bound(n, beta, gamma, log=True)) for n in range(1010)]
            predicted = [(ln[N + 5] - ln[N - 5]) / 10 for N in range(500, 1001)]
            assert table[theory][position] == pytest.approx(statistics.median(predicted), abs=1e-14)
        assert table.half_C[position] == -stability_coefficient(beta, gamma) / 2


def test_at_one_step_it_is_the_papers_slope(records):
    u = logs(records, 1)
    table = growth.slope_table(records, 1000)
    assert table.slope[1] == pytest.approx((u[1005] - u[995]) / 10, rel=1e-12)
    ratio = growth.slope_ratio(table, "half_C")
    assert ratio[1] == pytest.approx(table.slope[1] / -(stability_coefficient(0.957, 0.99) / 2))


def test_how_often_a_single_slope_misses_is_counted(records):
    missed = []
    for position, (beta, gamma) in enumerate(zip(*PAIRS, strict=True)):
        u, rate = logs(records, position), -stability_coefficient(beta, gamma) / 2
        slopes = [(u[N + 5] - u[N - 5]) / 10 for N in range(100, 1001, 10)]
        missed += [abs(slope / rate - 1) > 0.1 for slope in slopes]
    assert growth.share_of_steps_off(records, "half_C") == pytest.approx(np.mean(missed))


def test_the_net_growth_is_a_difference_of_two_means(records):
    table = growth.net_growth(records)
    for position, (beta, gamma) in enumerate(zip(*PAIRS, strict=True)):
        u = logs(records, position)
        early, late = (statistics.mean(u[n] for n in range(*w)) for w in ((450, 510), (950, 1010)))
        assert table.measured[position] == pytest.approx((late - early) / 500, rel=1e-10)
        ln = [float(max_update_bound(n, beta, gamma, log=True)) for n in range(950, 1010)]
        assert table.below_paper[position] == pytest.approx(statistics.mean(ln) - late, rel=1e-10)
    # The change of ln D_n over 500 steps is that of its rate, once n is large.
    assert table.exact[0] == pytest.approx(discrete_growth_rate(0.952, 0.9991), rel=0.05)


def test_a_run_that_ended_has_no_slope_and_the_others_keep_theirs(records):
    whole = growth.slope_table(records, growth.late_steps(1010))
    first = records.scalars.run_id == records.runs.run_id[0]
    kept = records.scalars[~first | (records.scalars.n < 300)]
    table = growth.slope_table(Records(records.runs, kept), growth.late_steps(1010))
    assert np.isnan(table.slope[0])
    assert table.slope[1:].equals(whole.slope[1:])


def test_what_a_run_reaches_is_taken_up_to_where_it_diverged(records):
    first = records.scalars.run_id == records.runs.run_id[0]
    cut = records.scalars[~first | (records.scalars.n <= 300)].copy()
    cut.loc[(cut.run_id == records.runs.run_id[0]) & (cut.n == 300), "max_update"] = np.inf
    table = growth.reach(Records(records.runs, cut))
    u = [logs(records, position) for position in range(2)]
    assert np.log(table.largest[0]) == pytest.approx(max(u[0][n] for n in range(300)))
    assert table.over_stable[0] == pytest.approx(np.log(table.largest[0] * math.sqrt(1 - 0.952)))
    bound = discrete_max_update_bound(299, 0.952, 0.9991, log=True)
    assert table.log_bound[0] == pytest.approx(bound)
    assert np.isnan(table.later_rise[0])
    halves = [max(u[1][n] for n in span) for span in (range(505), range(505, 1010))]
    assert table.later_rise[1] == pytest.approx(halves[1] - halves[0])


def test_a_band_is_students_interval_over_seeds(records):
    values = [0.5, 1.5, 1.0, 2.0]
    table = records.runs.loc[[0] * 4].assign(x=values)
    [row] = with_bands(table, "x", ["C"]).to_dict("records")
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((1.25, *expected))
    [two] = with_bands(table[:2], "x", ["C"]).to_dict("records")
    assert two["mean"] == 1.0
    assert np.isnan([two["low"], two["high"]]).all()


def test_a_power_is_fitted_over_the_second_half(make_records):
    def kinked(n, beta, gamma):
        return np.where(n < 504, 1.0 + n, 505.0 * ((n + 1e-9) / 505) ** 0.3)

    late, powers = growth.growth_powers(make_records("max_update_boundary", *PAIRS, kinked))
    assert late.min() >= 504
    assert powers == pytest.approx(0.3)
