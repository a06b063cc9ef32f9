"""Eq. (5) and D_n against exact sums, against Adam itself, and against each other."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adamct.theory import (
    discrete_growth_rate,
    discrete_max_update_bound,
    discrete_max_update_limit,
    growth_rate,
    max_update_bound,
    region,
    stability_coefficient,
)

pytestmark = pytest.mark.filterwarnings("error")
deterministic = settings(derandomize=True, deadline=None)
decays = st.one_of(st.floats(0.01, 0.99), st.floats(-8, -1).map(lambda x: 1 - 10**x))


def exact_bound(n: int, beta: float, gamma: float) -> float:
    """D_n from its defining sum in rational arithmetic."""
    b, g = Fraction(beta), Fraction(gamma)
    total = sum(((g * g / b) ** j for j in range(1, n + 1)), Fraction(1))
    square = (1 - b ** (n + 1)) / (1 - g ** (n + 1)) ** 2 * (1 - g) ** 2 / (1 - b) * total
    return math.sqrt(square)


@deterministic
@given(st.integers(0, 25), decays, decays)
def test_exact_bound_against_its_sum(n, beta, gamma):
    expected = exact_bound(n, beta, gamma)
    assert discrete_max_update_bound(n, beta, gamma) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("nudge", [-1e-9, -1e-14, 0.0, 1e-14, 1e-9])
@pytest.mark.parametrize("beta", [0.25, 0.5, 0.99])
def test_exact_bound_near_its_own_boundary(beta, nudge):
    gamma = math.sqrt(beta) + nudge
    expected = exact_bound(30, beta, gamma)
    assert discrete_max_update_bound(30, beta, gamma) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("beta", "gamma"), [(0.5, 0.9), (0.9, 0.99), (0.999, 0.9), (0.5, 0.7)])
def test_logarithms_do_not_overflow_at_a_million_steps(beta, gamma):
    n = 10**6
    ln_sum = np.logaddexp.reduce(np.arange(n + 1) * (2 * math.log(gamma) - math.log(beta)))
    expected = math.log((1 - gamma) / math.sqrt(1 - beta)) + ln_sum / 2
    assert discrete_max_update_bound(n, beta, gamma, log=True) == pytest.approx(expected, rel=1e-10)
    C = stability_coefficient(beta, gamma)
    expected = math.log((1 - gamma) / gamma * math.sqrt(beta / (1 - beta) / abs(C)))
    expected += n * max(-C, 0) / 2
    assert max_update_bound(n, beta, gamma, log=True) == pytest.approx(expected, rel=1e-12)
    assert np.isinf(discrete_max_update_bound(n, beta, gamma)) == (gamma**2 > beta)


@deterministic
@given(st.integers(0, 60), st.floats(0.2, 0.999), st.floats(0.2, 0.999))
def test_extremal_sequence_attains_the_exact_bound(adam_updates, n, beta, gamma):
    gradients = (gamma / beta) ** (n - np.arange(n + 1.0))  # g_{n−j} = (γ/β)^j
    attained = adam_updates(gradients, beta, gamma)[n]
    assert attained == pytest.approx(discrete_max_update_bound(n, beta, gamma), rel=1e-10)


@pytest.mark.parametrize(
    ("beta", "gamma"),
    [(0.999, 0.9), (0.95, 0.99), (0.5, 0.7), (0.2, 0.5), (0.9, 0.0), (0.0, 0.0)],
)
def test_no_gradient_sequence_exceeds_the_exact_bound(adam_updates, beta, gamma):
    rng = np.random.default_rng(0)
    # Many orders of magnitude, with a drift of either sign, so that old gradients matter too.
    drift = np.outer(np.arange(120), rng.normal(0, 0.2, 2000))
    size = np.exp(4 * rng.standard_normal((120, 2000)) + drift)
    updates = adam_updates(size * rng.choice([-1, 1], size.shape, p=[0.2, 0.8]), beta, gamma)
    bound = discrete_max_update_bound(np.arange(120), beta, gamma)
    assert np.all(np.abs(updates).max(axis=1) <= bound * (1 + 1e-12))


@deterministic
@given(st.integers(0, 10**5), decays, decays)
def test_paper_bound_is_rigorous_in_b_plus(n, beta, gamma):
    if region(beta, gamma) == "B+":
        paper = max_update_bound(n, beta, gamma, log=True)
        assert paper >= discrete_max_update_bound(n, beta, gamma, log=True) - 1e-12


def log_tight_bound(n, beta, gamma):
    """ln of the proof's form before its last step, with B_n = √((1 − e^{−Cn})/C) in all cases."""
    C = stability_coefficient(beta, gamma)
    with np.errstate(divide="ignore", invalid="ignore"):
        integral = np.where(C == 0, n, -np.expm1(-np.abs(C) * n) / np.abs(C))
        ln_B = 0.5 * (n * np.maximum(-C, 0.0) + np.log(integral))
    factor = (1 - gamma) / gamma * np.sqrt(beta / (1 - beta))
    one_minus = [-np.expm1((n + 1) * np.log(x)) for x in (beta, gamma)]
    correction = np.sqrt(one_minus[0]) / one_minus[1]
    return np.log(correction * factor) + ln_B


@deterministic
@given(st.integers(0, 10**4), decays, decays)
def test_tight_form_is_below_eq_5_and_tends_to_it(n, beta, gamma):
    tight = log_tight_bound(n, beta, gamma)
    loose = max_update_bound(n, beta, gamma, log=True)
    assert tight <= loose + 1e-12
    if n * abs(stability_coefficient(beta, gamma)) > 40:
        assert tight == pytest.approx(loose, abs=1e-12)


def test_paper_bound_is_broken_early(adam_updates):
    for beta, last_broken in [(0.7, 6), (0.999, 2825)]:
        gamma = 2 * beta / (1 + beta)
        n = np.arange(5000)
        paper = max_update_bound(n, beta, gamma)
        assert paper[0] == 0
        assert max_update_bound(0, beta, gamma, log=True) == -np.inf
        broken = np.flatnonzero(paper < discrete_max_update_bound(n, beta, gamma))
        assert broken.tolist() == list(range(last_broken + 1))
    beta, gamma = np.random.default_rng(0).uniform(size=(2, 200_000))
    assert np.mean(max_update_bound(0, beta, gamma) < 1) == pytest.approx(0.27, abs=0.005)
    # A constant gradient moves every parameter by exactly η, which is more than Eq. (5) allows.
    assert adam_updates(np.ones(22), 0.999, 0.9995) == pytest.approx(np.ones(22), abs=1e-12)
    assert max_update_bound(np.arange(22), 0.999, 2 * 0.999 / 1.999).max() < 0.98


@pytest.mark.parametrize("beta", [0.1, 0.5, 0.9, 0.999])
def test_exact_bound_on_the_paper_boundary_tends_to_a_constant(beta):
    gamma = 2 * beta / (1 + beta)
    limit = pytest.approx((1 - beta) ** -0.5, rel=1e-15 / (1 - beta) ** 2)  # γ's own rounding
    late = discrete_max_update_bound(10**9, beta, gamma)
    assert discrete_max_update_limit(beta, gamma) == limit
    assert late == limit
    assert max_update_bound(10**9, beta, gamma) > 10 * late


@deterministic
@given(decays, decays)
def test_limit_is_reached_where_stable_and_infinite_elsewhere(beta, gamma):
    limit = discrete_max_update_limit(beta, gamma)
    assert np.isinf(limit) == (region(beta, gamma) == "B-" or gamma**2 >= beta)
    if np.isfinite(limit):
        slowest = max(gamma**2 / beta, beta, gamma)
        n = math.ceil(40 / -math.log(slowest))
        assert discrete_max_update_bound(n, beta, gamma) == pytest.approx(limit, rel=1e-9)


def test_growth_of_the_logarithms_tends_to_the_rates():
    beta, gamma, n = 0.9525, 0.99822, np.array([20_000, 20_001])
    paper, exact = max_update_bound, discrete_max_update_bound
    assert np.diff(paper(n, beta, gamma, log=True)) == pytest.approx(growth_rate(beta, gamma))
    assert np.diff(exact(n, beta, gamma, log=True)) == pytest.approx(
        discrete_growth_rate(beta, gamma)
    )


def test_edges():
    n = np.array([0, 1, 2, 50])
    beta = 0.9
    rmsprop = np.sqrt((1 - beta ** (n + 1)) / (1 - beta))
    assert discrete_max_update_bound(n, beta, 0.0) == pytest.approx(rmsprop, rel=1e-14)
    assert discrete_max_update_bound(n, 0.0, 0.0).tolist() == [1, 1, 1, 1]
    assert discrete_max_update_bound(n, 0.0, 0.3).tolist() == [1, np.inf, np.inf, np.inf]
    limit = discrete_max_update_limit([0.9, 0.0, 0.0], [0.0, 0.0, 0.3])
    assert limit == pytest.approx([10**0.5, 1, np.inf])
    grid = np.random.default_rng(0).uniform(size=(2, 1000))
    assert set(discrete_max_update_bound(0, *grid)) == {1.0}


@pytest.mark.parametrize(
    "function",
    [
        max_update_bound,
        discrete_max_update_bound,
        lambda n, beta, gamma: n + stability_coefficient(beta, gamma),
        lambda n, beta, gamma: n * discrete_growth_rate(beta, gamma),
    ],
)
def test_arguments_broadcast_and_scalars_stay_scalars(function):
    n, beta, gamma = np.arange(3)[:, None, None], np.array([[0.9], [0.5]]), np.array([0.1, 0.4])
    assert function(n, beta, gamma).shape == (3, 2, 2)
    assert function(n, beta, gamma)[2, 0, 1] == function(2, 0.9, 0.4)
    assert type(function(2, np.float64(0.9), 0.4)) is float
    assert type(region(0.9, 0.5)) is str
