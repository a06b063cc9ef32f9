"""Level and normal curves: orthogonality, reference crossings, arc length against quadrature."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import brentq

from adamct.theory import level_curve, normal_curve, stability_coefficient
from adamct.theory.arc_length import ArcLength

pytestmark = pytest.mark.filterwarnings("error")
deterministic = settings(max_examples=50, derandomize=True, deadline=None)
inner = st.floats(0.05, 0.95)


def gradient_of_C(beta: float, gamma: float, h: float = 1e-6) -> np.ndarray:
    after = stability_coefficient([beta + h, beta], [gamma, gamma + h])
    return (after - stability_coefficient([beta - h, beta], [gamma, gamma - h])) / (2 * h)


def length(curve, start: float, stop: float) -> float:
    speed = lambda beta: np.hypot(1, curve.slope(beta))  # noqa: E731
    return abs(quad(speed, start, stop, epsabs=0, epsrel=1e-13, limit=500)[0])


def crossing(curve, difference) -> tuple[float, float]:
    """The point (β, γ) of a curve where a function of β and γ changes its sign."""
    low, high = curve.beta_interval
    margin = 1e-9 * (high - low)  # ends such as (1, 1) may lie on a boundary without crossing it
    beta = brentq(lambda b: difference(b, curve.gamma(b)), low + margin, high - margin, xtol=1e-16)
    return beta, curve.gamma(beta)


def paper(beta: float, gamma: float) -> float:
    """βγ C, which has no poles."""
    return 2 * beta * (1 - gamma) - gamma * (1 - beta)


def exact(beta: float, gamma: float) -> float:
    return beta - gamma**2


def test_reference_values():
    curve = normal_curve(0.999, 0.9)
    assert curve.gamma(0.999) == pytest.approx(0.9, abs=1e-15)
    assert curve.beta(1.0) == pytest.approx(0.95152, abs=5e-6)
    assert crossing(curve, paper) == pytest.approx((0.961920, 0.980591), abs=5e-7)
    assert crossing(curve, exact) == pytest.approx((0.961844, 0.980737), abs=5e-7)
    assert normal_curve(0.95, 0.9).beta(1.0) == pytest.approx(0.89706, abs=5e-6)


@deterministic
@given(inner, inner)
def test_curves_pass_through_their_point_and_cross_at_right_angles(beta, gamma):
    normal, level = normal_curve(beta, gamma), level_curve(stability_coefficient(beta, gamma))
    assert (normal.gamma(beta), level.gamma(beta)) == pytest.approx((gamma, gamma), abs=1e-10)
    gradient = gradient_of_C(beta, gamma)
    gradient /= np.linalg.norm(gradient)
    across, along = np.array([1, normal.slope(beta)]), np.array([1, level.slope(beta)])
    assert abs(gradient @ along) <= 1e-6 * np.linalg.norm(along)
    assert gradient @ across > 0 > normal.slope(beta)  # C grows with β along it
    parallel = across[0] * gradient[1] - across[1] * gradient[0]  # the cross product vanishes
    assert abs(parallel) <= 1e-6 * np.linalg.norm(across)
    h = 1e-7
    for curve in (normal, level):
        difference = (curve.gamma(beta + h) - curve.gamma(beta - h)) / (2 * h)
        assert curve.slope(beta) == pytest.approx(difference, rel=1e-5)
        assert curve.beta(curve.gamma(beta)) == pytest.approx(beta, abs=1e-10)


@pytest.mark.parametrize("c", [-2.5, -1.0, -0.1, 0.0, 0.221221, 1.0, 5.0])
def test_level_curves_hold_c_and_cross_only_the_exact_boundary_and_only_below_zero(c):
    curve = level_curve(c)
    low, high = curve.beta_interval
    beta, gamma = curve.sample(50, max(0.1 * high, 0.05), 0.99 * high)
    assert stability_coefficient(beta, gamma) == pytest.approx(np.full(50, c), abs=1e-8)
    assert low == 0
    if c < 0:
        assert curve.gamma(high) == pytest.approx(1, abs=1e-12)
        crossed, gamma = crossing(curve, exact)
        assert gamma**2 == pytest.approx(crossed, abs=1e-14)
    else:
        assert (exact(beta, gamma) > 0).all()


SECTIONS = [
    (normal_curve(0.999, 0.9), 0.952, 0.999),
    (normal_curve(0.95, 0.9), 0.8971, 0.999),
    (level_curve(0.0), 0.5, 0.9999),
    (level_curve(0.221221), 0.05, 0.999),
    (level_curve(-3.0), 0.2499, 0.0001),
]


@pytest.mark.parametrize(("curve", "start", "stop"), SECTIONS)
def test_arc_length_and_its_inverse_against_quadrature(curve, start, stop):
    arc = ArcLength(curve.slope, start, stop)
    assert arc.total == pytest.approx(length(curve, start, stop), rel=1e-13)
    wanted = np.linspace(0, arc.total, 9)
    reached = [length(curve, start, beta) for beta in arc.invert(wanted)]
    assert reached == pytest.approx(wanted, abs=1e-13)


@pytest.mark.parametrize(("curve", "start", "stop"), SECTIONS)
def test_samples_are_uniform_rounded_and_keep_their_ends(curve, start, stop):
    beta, gamma = curve.sample(33, start, stop)
    assert (beta[0], beta[-1]) == (start, stop)
    assert beta.tolist() == [round(x, 12) for x in beta.tolist()]
    assert gamma.tolist() == [round(x, 12) for x in gamma.tolist()]
    assert gamma == pytest.approx(curve.gamma(beta), abs=6e-13)
    pieces = [length(curve, a, b) for a, b in pairwise(beta)]
    steepest = np.hypot(1, curve.slope(beta)).max()
    assert pieces == pytest.approx(np.full(32, np.mean(pieces)), abs=2e-12 * steepest)
    backwards, _ = curve.sample(33, stop, start)
    assert backwards[::-1] == pytest.approx(beta, abs=2e-12)
    assert curve.sample(1, start, stop)[0].tolist() == [start]


def test_arc_length_where_the_curve_turns_vertical():
    # At γ → 0 a normal curve is vertical in β, so the reference integrates over γ instead.
    curve = normal_curve(0.3, 0.3)
    stop = round(curve.beta_interval[1] - 1e-10, 12)
    sideways = lambda g: np.hypot(1, g**2 / (2 * curve.beta(g) ** 2))  # noqa: E731
    expected = quad(sideways, curve.gamma(stop), 0.3, epsabs=0, epsrel=1e-13)[0]
    assert ArcLength(curve.slope, 0.3, stop).total == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("point", [(0.999, 0.9), (0.5, 0.3), (0.3, 0.9), (0.05, 0.05)])
def test_every_normal_curve_crosses_both_boundaries(point):
    curve = normal_curve(*point)
    beta, gamma = crossing(curve, paper)
    assert gamma == pytest.approx(level_curve(0.0).gamma(beta), abs=1e-14)
    beta_exact, gamma_exact = crossing(curve, exact)
    assert gamma_exact**2 == pytest.approx(beta_exact, abs=1e-14)
    assert beta_exact < beta  # the strip lies between
