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


def test_reference_value():
    assert stability_coefficient(0.999, 0.9) == pytest.approx(0.221221221221, abs=1e-12)


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
def test_boundary_is_exactly_zero_also_after_rounding_to_12_decimals(beta):
    gamma = 2 * beta / (1 + beta)
    assert stability_coefficient(beta, gamma) == 0
    assert stability_coefficient(beta, round(gamma, 12)) == 0
    assert region(beta, round(gamma, 12)) == "B0"
    below, above = stability_coefficient(beta, [gamma - 1e-10, gamma + 1e-10])
    assert below > 0 > above


def test_sampled_boundary_is_all_b0():
    beta, gamma = level_curve(0.0).sample(200, 0.01, 0.9999)
    assert set(region(beta, gamma)) == {"B0"}


@pytest.mark.parametrize("scale", [1e-12, 1e-8])
def test_corners_of_the_square_keep_their_sign(scale):
    # Both terms of the numerator are tiny there, yet C is nowhere near 0.
    assert stability_coefficient(scale, scale) > 0 > stability_coefficient(scale / 10, scale)
    assert stability_coefficient(1 - scale, 1 - scale) > 0
    assert stability_coefficient(1 - scale, 1 - scale / 10) < 0


@deterministic
@given(decays, decays)
def test_beta_above_gamma_implies_b_plus_implies_exactly_stable(beta, gamma):
    if beta > gamma:
        assert region(beta, gamma) == "B+"
    if region(beta, gamma) == "B+":
        assert exactly_stable(beta, gamma)


@given(decays, decays)
@deterministic
def test_regions_are_harmonic_and_geometric_means(beta, gamma):
    b, g = Fraction(beta), Fraction(gamma)
    expected = "B+" if g * (1 + b) < 2 * b else "strip" if g**2 < b else "B-"
    got = region(beta, gamma)
    if got == "B0":
        assert abs(2 * b - g * (1 + b)) <= 2.1e-12
    elif abs(float(g**2 / b) - 1) > 4e-15:
        assert got == expected


@deterministic
@given(decays, decays)
def test_paper_overestimates_the_exact_rate(beta, gamma):
    rounding = 2e-12 / (beta * gamma)  # a C that counts as 0
    assert growth_rate(beta, gamma) >= discrete_growth_rate(beta, gamma) - rounding


def test_rates_agree_to_first_order_at_one_and_part_at_small_beta():
    def excess(scale):
        beta, gamma = 1 - scale, 1 - scale / 4
        return growth_rate(beta, gamma) / discrete_growth_rate(beta, gamma) - 1

    assert excess(1e-4) == pytest.approx(10 * excess(1e-5), rel=0.01)
    assert growth_rate(0.2, 0.5) == pytest.approx(1.0, abs=1e-12)
    assert discrete_growth_rate(0.2, 0.5) == pytest.approx(0.1116, abs=5e-5)


# THEORY table: the strip, where the paper sees growth and D_n stays bounded, and beyond it.
@pytest.mark.parametrize(
    ("beta", "gamma", "name", "paper", "exact"),
    [
        (0.5, 0.69, "strip", 0.051, 0.0),
        (0.5, 0.705, "strip", 0.082, 0.0),
        (0.2, 0.44, "strip", 0.73, 0.0),
        (0.5, 0.75, "B-", 0.17, 0.059),
        (0.2, 0.50, "B-", 1.0, 0.11),
    ],
)
def test_table_of_the_strip(beta, gamma, name, paper, exact):
    assert region(beta, gamma) == name
    assert growth_rate(beta, gamma) == pytest.approx(paper, rel=0.03)
    assert discrete_growth_rate(beta, gamma) == pytest.approx(exact, rel=0.02)


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


def test_scalars_give_python_scalars_and_arrays_broadcast():
    assert type(stability_coefficient(0.9, 0.5)) is float
    assert type(discrete_growth_rate(np.float64(0.9), 0.5)) is float
    assert type(exactly_stable(0.9, 0.5)) is bool
    assert type(region(0.9, 0.5)) is str
    grid = stability_coefficient(np.array([[0.5], [0.9]]), [0.1, 0.2, 0.3])
    assert grid.shape == (2, 3)
    assert grid[1, 2] == stability_coefficient(0.9, 0.3)


@pytest.mark.parametrize("function", [stability_coefficient, growth_rate, discrete_growth_rate])
@pytest.mark.parametrize("bad", [-0.1, 1.0, 1.5, float("nan")])
def test_decays_outside_are_refused_by_name(function, bad):
    with pytest.raises(ValueError, match=rf"beta = {bad} is outside \[0, 1\).*betas\[1\]"):
        function([0.9, bad], 0.5)
    with pytest.raises(ValueError, match=rf"gamma = {bad} is outside \[0, 1\).*betas\[0\]"):
        function(0.9, bad)
