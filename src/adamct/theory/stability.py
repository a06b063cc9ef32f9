"""Where Adam's max-update is bounded, and how fast it grows elsewhere.

Two theories stand side by side. The paper's (Theorem 1, Eq. (5)) comes from continuous time and
turns on C(β, γ) = 2/γ − 1/β − 1. The exact one applies Cauchy–Schwarz to Adam's sums themselves
and turns on r = γ²/β. C > 0 means that γ is below the harmonic mean of 1 and β, r < 1 that it is
below the geometric mean, so the paper's region lies inside the exact one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from adamct.theory.domain import Values, decay, plain

# Pairs sampled on a curve are rounded to 12 decimals, which moves C's numerator by up to
# 5e-13 · (3 + β − γ): below this a numerator says nothing. Without it Eq. (5) on the boundary
# would return 1/√1e-16 instead of √n.
_NUMERATOR_ROUNDING = 2e-12
# In the corners (0, 0) and (1, 1) both terms of the numerator are themselves that small. There
# only a numerator small beside its terms is taken for zero.
_NUMERATOR_CANCELLATION = 1e-6


def stability_coefficient(beta: ArrayLike, gamma: ArrayLike) -> Values:
    """C(β, γ), whose sign decides stability in the paper.

    C = (2β(1−γ) − γ(1−β)) / (βγ) = 2/γ − 1/β − 1 (Theorem 1). A C that rounding β and γ to 12
    decimals could have made counts as 0. The edges are the limits: +∞ at γ = 0, −∞ at β = 0 < γ.

    Args:
        beta: second-moment decay (torch's ``betas[1]``) in [0, 1); broadcasts with ``gamma``.
        gamma: first-moment decay (torch's ``betas[0]``) in [0, 1).

    Returns:
        C, dimensionless: a float for scalars, else an array of the broadcast shape.

    Raises:
        ValueError: a decay lies outside [0, 1).

    >>> round(stability_coefficient(0.999, 0.9), 6)
    0.221221
    """
    β, γ = decay("beta", beta), decay("gamma", gamma)
    # The product form, since 1 − β and 1 − γ are exact near 1 where 2/γ − 1/β − 1 cancels.
    plus, minus = 2 * β * (1 - γ), γ * (1 - β)
    numerator = plus - minus
    noise = np.minimum(_NUMERATOR_ROUNDING, _NUMERATOR_CANCELLATION * (plus + minus))
    numerator = np.where(np.abs(numerator) <= noise, 0.0, numerator)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        C = numerator / β / γ  # one by one, since β · γ could underflow
    return plain(np.where(γ == 0, np.inf, np.where(β == 0, -np.inf, C)))


def log_ratio(beta: ArrayLike, gamma: ArrayLike) -> Values:
    """Ln r = 2 ln γ − ln β, whose sign decides stability exactly; 0 where it is only rounding.

    Args:
        beta: second-moment decay in [0, 1); broadcasts with ``gamma``.
        gamma: first-moment decay in [0, 1).

    Returns:
        ln r: a float for scalars, else an array. −inf at γ = 0 whatever β, since every sum over
        r^j then has the one term 1; +inf at β = 0 < γ.

    Raises:
        ValueError: a decay lies outside [0, 1).

    >>> round(log_ratio(0.999, 0.9), 4), log_ratio(0.81, 0.9)
    (-0.2097, 0.0)
    """
    β, γ = decay("beta", beta), decay("gamma", gamma)
    # Two logarithms, not ln(γ²/β): near (1, 1) they keep every digit of r − 1.
    with np.errstate(divide="ignore", invalid="ignore"):
        ln_β = np.log(β)
        ln_r = 2 * np.log(γ) - ln_β
        ln_r = np.where(np.abs(ln_r) <= 4 * np.finfo(np.float64).eps * (1 - ln_β), 0.0, ln_r)
    return plain(np.where(γ == 0, -np.inf, np.where(β == 0, np.inf, ln_r)))


def exactly_stable(beta: ArrayLike, gamma: ArrayLike) -> Values:
    """Whether γ² < β, that is whether D_n stays bounded (γ = 0 always does).

    Args:
        beta: second-moment decay in [0, 1); broadcasts with ``gamma``.
        gamma: first-moment decay in [0, 1).

    Returns:
        A bool for scalars, else an array. On γ² = β, to rounding, False: D_n grows like √(n+1).

    Raises:
        ValueError: a decay lies outside [0, 1).

    >>> exactly_stable(0.5, 0.705), exactly_stable(0.5, 0.5**0.5)
    (True, False)
    """
    return log_ratio(beta, gamma) < 0


def region(beta: ArrayLike, gamma: ArrayLike) -> Values:
    """Name the region: "B+", "B0", "B-", or "strip" between the two theories' boundaries.

    "B+" is C > 0 and "B0" is C = 0. C < 0 is the paper's unstable side: "strip" where γ² < β, so
    that the max-update is bounded all the same, and "B-" where it is not.

    Args:
        beta: second-moment decay in [0, 1); broadcasts with ``gamma``.
        gamma: first-moment decay in [0, 1).

    Returns:
        A string for scalars, else an array of strings.

    Raises:
        ValueError: a decay lies outside [0, 1).

    >>> region([0.999, 0.5, 0.5, 0.5], [0.9, 2 / 3, 0.69, 0.75]).tolist()
    ['B+', 'B0', 'strip', 'B-']
    """
    C = np.asarray(stability_coefficient(beta, gamma))
    stable = np.asarray(exactly_stable(beta, gamma))
    return plain(np.select([C > 0, C == 0, stable], ["B+", "B0", "strip"], "B-"))


def growth_rate(beta: ArrayLike, gamma: ArrayLike) -> Values:
    """The paper's growth rate of ‖u_n‖∞, max(0, −C/2) (Eq. (5)).

    Args:
        beta: second-moment decay in [0, 1); broadcasts with ``gamma``.
        gamma: first-moment decay in [0, 1).

    Returns:
        The rate of ln ‖u_n‖∞ per step: 0 where C ≥ 0, inf at β = 0 < γ.

    Raises:
        ValueError: a decay lies outside [0, 1).

    >>> growth_rate([0.999, 0.5], [0.9, 0.75]).round(3)
    array([0.   , 0.167])
    """
    return plain(np.maximum(0.0, -0.5 * np.asarray(stability_coefficient(beta, gamma))))


def discrete_growth_rate(beta: ArrayLike, gamma: ArrayLike) -> Values:
    """The growth rate of D_n, max(0, ln γ − ½ ln β), which |C|/2 overestimates wherever C < 0.

    Args:
        beta: second-moment decay in [0, 1); broadcasts with ``gamma``.
        gamma: first-moment decay in [0, 1).

    Returns:
        The rate of ln D_n per step: 0 where γ² ≤ β, inf at β = 0 < γ.

    Raises:
        ValueError: a decay lies outside [0, 1).

    >>> discrete_growth_rate([0.999, 0.5], [0.9, 0.75]).round(3)
    array([0.   , 0.059])
    """
    return plain(np.maximum(0.0, 0.5 * np.asarray(log_ratio(beta, gamma))))
