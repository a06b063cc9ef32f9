"""Slopes, and the share of them at the predicted rate, on exponentials and on free decay."""

import numpy as np
import pytest

from adamct.optim import reference_state, reference_step
from adamct.theory import (
    discrete_growth_rate,
    discrete_max_update_bound,
    local_slopes,
    log_slope,
    max_update_bound,
    normal_curve,
    predicted_slope,
    share_at_predicted_rate,
)

pytestmark = pytest.mark.filterwarnings("error")


def test_slope_of_exponentials_uses_the_two_ends_alone():
    n = np.arange(100, 200)
    rates = np.array([0.02, -0.3, 0.0])
    values = np.exp(np.outer(n, rates))
    assert log_slope(n, values[:, 0], 150) == pytest.approx(0.02, rel=1e-12)
    assert type(log_slope(n, values[:, 0], 150)) is float
    assert log_slope(n, values, 150) == pytest.approx(rates, rel=1e-12)
    assert log_slope(n, values, [120, 150], half_width=20) == pytest.approx(np.tile(rates, (2, 1)))
    n = np.array([0, 7, 995, 1000, 1005])  # a sparse record will do
    values = np.array([1.0, 1.0, 2.0, np.nan, 8.0])
    assert log_slope(n, values, 1000) == pytest.approx(np.log(4) / 10, rel=1e-15)


@pytest.mark.parametrize("broken", [0.0, -1.0, np.inf, np.nan])
def test_slope_of_a_diverged_run_is_nan(broken):
    values = np.ones(20)
    values[15] = broken
    assert np.isnan(log_slope(np.arange(20), values, 10))
    assert log_slope(np.arange(20), values, 9) == 0


def test_prediction_is_the_slope_of_the_bound():
    n, beta, gamma = np.arange(2000), 0.9525, 0.998
    for bound in (discrete_max_update_bound, max_update_bound):
        expected = log_slope(n, bound(n, beta, gamma), at=[500, 1500], half_width=8)
        got = predicted_slope([500, 1500], beta, gamma, bound=bound, half_width=8)
        assert got == pytest.approx(expected, rel=1e-9)


def test_free_decay_grows_at_the_exact_rate_and_not_at_the_papers():
    # ln u_n of a parameter whose gradient vanishes after 50 steps, at a point in B−
    beta, gamma = 0.9525, normal_curve(0.999, 0.9).gamma(0.9525)
    gradients = np.random.default_rng(0).standard_normal(1200)
    gradients[50:] = 0
    ln_u, state = [], reference_state(np.array(0.0), k=1)
    for g in gradients:
        _, state, (u,) = reference_step(g, g, state, lr=0, betas=[beta], gammas=[gamma])
        ln_u.append(np.log(abs(u)))
    n, ln_u = np.arange(500, 1200), np.array(ln_u)[500:]
    prefactor = 0.5 * np.log1p(-(beta ** (n + 1))) - np.log1p(-(gamma ** (n + 1)))
    rate = discrete_growth_rate(beta, gamma)
    assert np.diff(ln_u) == pytest.approx(rate + np.diff(prefactor), abs=1e-10)
    u = np.exp(ln_u)
    assert log_slope(n, u, 1000) == pytest.approx(predicted_slope(1000, beta, gamma), rel=1e-4)
    assert share_at_predicted_rate(n, u, beta, gamma) == 1
    assert share_at_predicted_rate(n, u, beta, gamma, bound=max_update_bound) == 0


def test_share_at_predicted_rate_counts_steps_run_by_run():
    n = np.arange(1010)
    beta, gamma = np.array([0.9, 0.95, 0.9]), np.array([0.99, 0.999, 0.99])
    values = discrete_max_update_bound(n[:, None], beta, gamma)
    values[505:, 2] = values[505, 2]  # the third run stops growing half way
    share = share_at_predicted_rate(n, values, beta, gamma)
    assert share[:2].tolist() == [1, 1]
    assert share[2] == pytest.approx(0.5, abs=0.01)
    values[300:, 0] = np.inf  # diverged: none of its steps grows at the rate any more
    share = share_at_predicted_rate(n, values, beta, gamma)
    assert share[0] == pytest.approx(0.29, abs=0.01)


def test_local_slopes_skip_gaps():
    n = np.concatenate([np.arange(20), np.arange(40, 60)])
    centres, slopes = local_slopes(n, np.exp(0.1 * n))
    assert centres.tolist() == [*range(5, 15), *range(45, 55)]
    assert slopes == pytest.approx(np.full(20, 0.1), rel=1e-9)
