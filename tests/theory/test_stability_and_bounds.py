"""C, regions and rates, Eq. (5) and D_n: against exact arithmetic, and against each other."""

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
    exactly_stable,
    growth_rate,
    level_curve,
    log_ratio,
    max_update_bound,
    region,
    stability_coefficient,
)

pytestmark = pytest.mark.filterwarnings("error")
deterministic = settings(derandomize=True, deadline=None)
decays = st.one_of(st.floats(0.01, 0.99), st.floats(-8, -1).map(lambda x: 1 - 10**x))
all_decays = st.one_of(decays, st.floats(-9, -1).map(lambda x: 10**x))


def exact_bound(n: int, beta: float, gamma: float) -> float:
    """D_n from its defining sum in rational arithmetic."""
    b, g = Fraction(beta), Fraction(gamma)
    total = sum(((g * g / b) ** j for j in range(1, n + 1)), Fraction(1))
    square = (1 - b ** (n + 1)) / (1 - g ** (n + 1)) ** 2 * (1 - g) ** 2 / (1 - b) * total
    return math.sqrt(square)


@deterministic
@given(st.integers(0, 25), decays, decays, st.sampled_from([-1e-9, -1e-14, 0.0, 1e-14, 1e-9]))
def test_exact_bound_against_its_sum_also_near_its_own_boundary(n, beta, gamma, nudge):
    for γ in (gamma, min(beta, 0.99) ** 0.5 + nudge):
        expected = exact_bound(n, beta, γ)
        assert discrete_max_update_bound(n, beta, γ) == pytest.approx(expected, rel=1e-12)


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
@given(st.integers(0, 10**5), decays, decays)
def test_paper_bound_is_rigorous_in_b_plus(n, beta, gamma):
    if region(beta, gamma) == "B+":
        paper = max_update_bound(n, beta, gamma, log=True)
        assert paper >= discrete_max_update_bound(n, beta, gamma, log=True) - 1e-12


@deterministic
@given(st.integers(0, 10**4), decays, decays)
def test_tight_form_of_the_paper_bound_is_below_it_and_tends_to_it(n, beta, gamma):
    tight, loose = (max_update_bound(n, beta, gamma, log=True, tight=x) for x in (True, False))
    assert tight <= loose + 1e-12
    if n * abs(stability_coefficient(beta, gamma)) > 40:
        assert tight == pytest.approx(loose, abs=1e-12)


def test_tight_form_joins_the_three_cases():
    gammas = 2 / 3 + np.array([-1e-8, 0.0, 1e-8])
    assert region(0.5, gammas).tolist() == ["B+", "B0", "strip"]
    tight = max_update_bound(50, 0.5, gammas, tight=True)
    assert tight == pytest.approx(max_update_bound(50, 0.5, 2 / 3), rel=1e-5)
    assert max_update_bound(50, 0.5, gammas)[[0, 2]].min() > 100 * tight.max()
    assert max_update_bound(0, 0.5, gammas, tight=True).tolist() == [0, 0, 0]


def test_paper_bound_is_broken_early():
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


@deterministic
@given(all_decays, all_decays)
def test_coefficient_and_region_against_rational_arithmetic(beta, gamma):
    b, g = Fraction(beta), Fraction(gamma)
    numerator, terms = 2 * b - g * (1 + b), 2 * b * (1 - g) + g * (1 - b)
    found, got = stability_coefficient(beta, gamma), region(beta, gamma)
    assert (found == 0) == (got == "B0")
    if found == 0:  # only where 12 decimals cannot tell, and never far from 0 beside its terms
        assert abs(numerator) <= min(2.1e-12, 2e-6 * terms)
    else:
        exact, noise = float(numerator / (b * g)), 1e-15 * float(terms / (b * g))
        assert found == pytest.approx(exact, rel=1e-14, abs=noise)
        if abs(float(g**2 / b) - 1) > 4e-15:  # C > 0: below the harmonic mean of 1 and β
            assert got == ("B+" if numerator > 0 else "strip" if g**2 < b else "B-")
    assert got == "B+" or beta <= gamma
    assert got != "B+" or exactly_stable(beta, gamma)
    rounding = 2e-12 / (beta * gamma)  # a C that counts as 0
    assert growth_rate(beta, gamma) >= discrete_growth_rate(beta, gamma) - rounding


@pytest.mark.parametrize("beta", [0.01, 0.1, 0.5, 0.7, 0.9, 0.99, 0.999, 0.9999])
def test_both_boundaries_are_exactly_zero(beta):
    gamma = 2 * beta / (1 + beta)
    assert stability_coefficient(beta, gamma) == 0
    assert stability_coefficient(beta, round(gamma, 12)) == 0
    assert region(beta, round(gamma, 12)) == "B0"
    below, above = stability_coefficient(beta, [gamma - 1e-10, gamma + 1e-10])
    assert below > 0 > above
    assert set(region(*level_curve(0.0).sample(50, beta, 0.9999))) == {"B0"}
    assert log_ratio(beta, beta**0.5) == discrete_growth_rate(beta, beta**0.5) == 0
    assert not exactly_stable(beta, beta**0.5)


@pytest.mark.parametrize("scale", [1e-12, 1e-8])
def test_corners_of_the_square_keep_their_sign(scale):
    # Both terms of the numerator are tiny there, yet C is nowhere near 0.
    assert stability_coefficient(scale, scale) > 0 > stability_coefficient(scale / 10, scale)
    assert stability_coefficient(1 - scale, 1 - scale) > 0
    assert stability_coefficient(1 - scale, 1 - scale / 10) < 0


def test_rates_agree_to_first_order_at_one_and_part_at_small_beta():
    def excess(scale):
        beta, gamma = 1 - scale, 1 - scale / 4
        return growth_rate(beta, gamma) / discrete_growth_rate(beta, gamma) - 1

    assert excess(1e-4) == pytest.approx(10 * excess(1e-5), rel=0.01)
    assert growth_rate(0.2, 0.5) == pytest.approx(1.0, abs=1e-12)
    assert discrete_growth_rate(0.2, 0.5) == pytest.approx(0.1116, abs=5e-5)


def test_edges_are_limits():
    beta, gamma = np.array([0.9, 0.0, 0.0]), np.array([0.0, 0.0, 0.5])
    for function, expected in (
        (stability_coefficient, [np.inf, np.inf, -np.inf]),
        (growth_rate, [0, 0, np.inf]),
        (discrete_growth_rate, [0, 0, np.inf]),
        (exactly_stable, [True, True, False]),
        (region, ["B+", "B+", "B-"]),
        (discrete_max_update_limit, [pytest.approx(10**0.5), 1, np.inf]),
    ):
        assert function(beta, gamma).tolist() == expected
    n = np.array([0, 1, 2, 50])[:, None]
    rmsprop = np.sqrt((1 - 0.9 ** (n + 1)) / (1 - 0.9))
    assert discrete_max_update_bound(n, 0.9, 0.0) == pytest.approx(rmsprop, rel=1e-14)
    bounds = discrete_max_update_bound(n, beta[1:], gamma[1:])
    assert bounds.T.tolist() == [[1, 1, 1, 1], [1, np.inf, np.inf, np.inf]]
    grid = np.random.default_rng(0).uniform(size=(2, 1000))
    assert set(discrete_max_update_bound(0, *grid)) == {1.0}
