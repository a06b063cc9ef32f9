"""C, ln r, regions and rates: reference values, exact rational arithmetic, inclusions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adamct.theory import (
    discrete_growth_rate,
    exactly_stable,
    growth_rate,
    level_curve,
    log_ratio,
    region,
    stability_coefficient,
)

pytestmark = pytest.mark.filterwarnings("error")
deterministic = settings(derandomize=True, deadline=None)
decays = st.one_of(
    st.floats(0.01, 0.99),
    st.floats(-9, -1).map(lambda x: 1 - 10**x),
    st.floats(-9, -1).map(lambda x: 10**x),
)


@deterministic
@given(decays, decays)
def test_coefficient_against_rational_arithmetic(beta, gamma):
    b, g = Fraction(beta), Fraction(gamma)
    exact = 2 / g - 1 / b - 1
    got = stability_coefficient(beta, gamma)
    if got == 0:  # only where 12 decimals cannot tell, and never far from 0 beside its terms
        assert abs(exact * b * g) <= 2.1e-12
        assert abs(exact * b * g) <= 2e-6 * (2 * b * (1 - g) + g * (1 - b))
    else:
        noise = 1e-15 * float((2 * b * (1 - g) + g * (1 - b)) / (b * g))
        assert got == pytest.approx(float(exact), rel=1e-14, abs=noise)


@pytest.mark.parametrize("beta", [0.01, 0.1, 0.5, 0.7, 0.9, 0.99, 0.999, 0.9999])
def test_boundary_is_exactly_zero_also_after_rounding(beta):
    gamma = 2 * beta / (1 + beta)
    assert stability_coefficient(beta, gamma) == 0
    assert stability_coefficient(beta, round(gamma, 12)) == 0
    assert region(beta, round(gamma, 12)) == "B0"
    below, above = stability_coefficient(beta, [gamma - 1e-10, gamma + 1e-10])
    assert below > 0 > above
    assert set(region(*level_curve(0.0).sample(50, beta, 0.9999))) == {"B0"}


@pytest.mark.parametrize("scale", [1e-12, 1e-8])
def test_corners_of_the_square_keep_their_sign(scale):
    # Both terms of the numerator are tiny there, yet C is nowhere near 0.
    assert stability_coefficient(scale, scale) > 0 > stability_coefficient(scale / 10, scale)
    assert stability_coefficient(1 - scale, 1 - scale) > 0
    assert stability_coefficient(1 - scale, 1 - scale / 10) < 0


@deterministic
@given(decays, decays)
def test_regions_are_harmonic_and_geometric_means_and_lie_one_in_the_other(beta, gamma):
    b, g = Fraction(beta), Fraction(gamma)
    expected = "B+" if g * (1 + b) < 2 * b else "strip" if g**2 < b else "B-"
    got = region(beta, gamma)
    if got == "B0":
        assert abs(2 * b - g * (1 + b)) <= 2.1e-12
    elif abs(float(g**2 / b) - 1) > 4e-15:
        assert got == expected
    assert got == "B+" or beta <= gamma
    assert got != "B+" or exactly_stable(beta, gamma)
    rounding = 2e-12 / (beta * gamma)  # a C that counts as 0
    assert growth_rate(beta, gamma) >= discrete_growth_rate(beta, gamma) - rounding


def test_rates_agree_to_first_order_at_one_and_part_at_small_beta():
    def excess(scale):
        beta, gamma = 1 - scale, 1 - scale / 4
        return growth_rate(beta, gamma) / discrete_growth_rate(beta, gamma) - 1

    assert excess(1e-4) == pytest.approx(10 * excess(1e-5), rel=0.01)
    assert growth_rate(0.2, 0.5) == pytest.approx(1.0, abs=1e-12)
    assert discrete_growth_rate(0.2, 0.5) == pytest.approx(0.1116, abs=5e-5)


def test_edges_are_limits():
    assert stability_coefficient(0.5, 0.0) == np.inf
    assert stability_coefficient(0.0, 0.5) == -np.inf
    assert stability_coefficient(0.0, 0.0) == np.inf
    assert (growth_rate(0.0, 0.5), discrete_growth_rate(0.0, 0.5)) == (np.inf, np.inf)
    assert growth_rate([0.5, 0.0], 0.0).tolist() == [0, 0]
    assert discrete_growth_rate([0.5, 0.0], 0.0).tolist() == [0, 0]
    assert exactly_stable([0.5, 0.0, 0.0], [0.0, 0.0, 0.5]).tolist() == [True, True, False]
    assert region([0.5, 0.0, 0.0], [0.0, 0.0, 0.5]).tolist() == ["B+", "B+", "B-"]


@pytest.mark.parametrize("beta", [0.01, 0.3, 0.5, 0.9, 0.999])
def test_exact_boundary_counts_as_unstable(beta):
    assert log_ratio(beta, beta**0.5) == 0
    assert not exactly_stable(beta, beta**0.5)
    assert discrete_growth_rate(beta, beta**0.5) == 0
