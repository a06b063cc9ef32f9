"""The two bounds of Adam's max-update: the paper's Eq. (5) and the exact D_n.

Both are computed as natural logarithms first, so ``log=True`` never overflows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from adamct.theory.bias_correction import one_minus_power
from adamct.theory.domain import FloatArray, Values, decay, plain, whole_steps
from adamct.theory.stability import log_ratio, stability_coefficient


def max_update_bound(
    n: ArrayLike, beta: ArrayLike, gamma: ArrayLike, *, log: bool = False, tight: bool = False
) -> Values:
    """The paper's bound of ‖u_n‖∞, Eq. (5).

    √(1−β^{n+1}) / (1−γ^{n+1}) · (1−γ)/γ · √(β/(1−β)) · B_n, where B_n = 1/√C if C > 0, √n if
    C = 0, exp(n|C|/2)/√|C| if C < 0 (Theorem 1). It is a bound in continuous time: at least D_n
    everywhere in B+, but for C ≤ 0 it can lie below the true max-update at small n (0 at n = 0).

    Args:
        n: step index, whole numbers ≥ 0; the three arguments broadcast.
        beta: second-moment decay (torch's ``betas[1]``) in (0, 1).
        gamma: first-moment decay (torch's ``betas[0]``) in (0, 1).
        log: return the natural logarithm, which does not overflow.
        tight: the form before the proof's last step, B_n = √((1 − e^{−Cn})/C). It serves all
            three cases, and is 0 at n = 0 in each.

    Returns:
        The bound, in units of η per step; inf where it exceeds float64 (``log`` never does).

    Raises:
        ValueError: a decay lies outside the open (0, 1), where Theorem 1 says nothing.

    >>> round(max_update_bound(1000, 0.999, 0.9), 3)
    5.939
    >>> round(max_update_bound(10**6, 0.5, 0.9, log=True))
    388887
    """
    n_ = whole_steps(n)
    open_ = {"needed_by": "Eq. (5)", "remedy": "discrete_max_update_bound covers 0"}
    β, γ = decay("beta", beta, **open_), decay("gamma", gamma, **open_)
    C = np.asarray(stability_coefficient(β, γ))
    ln_bound = (
        _log_bias_correction(n_, β, γ)
        + (np.log1p(-γ) - np.log(γ))
        + 0.5 * (np.log(β) - np.log1p(-β))
        + _log_B(n_, C, tight)
    )
    return plain(ln_bound) if log else _exp(ln_bound)


def discrete_max_update_bound(
    n: ArrayLike, beta: ArrayLike, gamma: ArrayLike, *, log: bool = False
) -> Values:
    """D_n, the exact bound of ‖u_n‖∞: no gradient sequence exceeds it, and one attains it.

    D_n = √(1−β^{n+1}) / (1−γ^{n+1}) · (1−γ)/√(1−β) · √(Σ_{j=0}^{n} r^j), r = γ²/β, from
    Cauchy–Schwarz on Adam's sums, attained by g_{n−j} ∝ (γ/β)^j. It holds for every ε ≥ 0.

    Args:
        n: step index, whole numbers ≥ 0; the three arguments broadcast.
        beta: second-moment decay (torch's ``betas[1]``) in [0, 1).
        gamma: first-moment decay (torch's ``betas[0]``) in [0, 1); 0 is RMSprop.
        log: return the natural logarithm, which does not overflow.

    Returns:
        D_n, in units of η per step: D_0 = 1; inf for β = 0 < γ at n ≥ 1, and where it exceeds
        float64 (``log`` never does).

    Raises:
        ValueError: a decay lies outside [0, 1), or n is not a whole number ≥ 0.

    >>> discrete_max_update_bound(0, 0.999, 0.9)
    1.0
    >>> discrete_max_update_bound([10, 1000], 0.999, 0.9).round(3)
    array([1.052, 5.783])
    """
    n_, β, γ = whole_steps(n), decay("beta", beta), decay("gamma", gamma)
    ln_D = (
        _log_bias_correction(n_, β, γ)
        + (np.log1p(-γ) - 0.5 * np.log1p(-β))
        + 0.5 * _log_geometric_sum(n_, np.asarray(log_ratio(β, γ)))
    )
    ln_D = np.where(n_ == 0, 0.0, ln_D)  # exactly: u_0 = ±1 must not exceed D_0 by a rounding
    return plain(ln_D) if log else _exp(ln_D)


def discrete_max_update_limit(beta: ArrayLike, gamma: ArrayLike) -> Values:
    """D_∞, the limit of D_n: (1−γ) / √((1−β)(1−γ²/β)) where γ² < β, else infinite.

    On the paper's boundary C = 0 this is 1/√(1−β): bounded, with no √n.

    Args:
        beta: second-moment decay in [0, 1); broadcasts with ``gamma``.
        gamma: first-moment decay in [0, 1).

    Returns:
        D_∞, in units of η per step.

    Raises:
        ValueError: a decay lies outside [0, 1).

    >>> round(discrete_max_update_limit(0.999, 0.9), 2)
    7.27
    >>> discrete_max_update_limit(0.5, 0.75)
    inf
    """
    β, γ = decay("beta", beta), decay("gamma", gamma)
    one_minus_r = np.abs(np.expm1(np.minimum(log_ratio(β, γ), 0.0)))
    with np.errstate(divide="ignore"):
        return plain((1 - γ) / np.sqrt((1 - β) * one_minus_r))


def _log_bias_correction(n: FloatArray, β: FloatArray, γ: FloatArray) -> FloatArray:
    # ln [√(1−β^{n+1}) / (1−γ^{n+1})]
    with np.errstate(divide="ignore"):  # log 0 = −∞, as it should be
        return np.asarray(
            0.5 * np.log(one_minus_power(β, n + 1)) - np.log(one_minus_power(γ, n + 1))
        )


def _log_geometric_sum(n: FloatArray, ln_r: FloatArray) -> FloatArray:
    # ln Σ_{j=0}^{n} r^j = ln [(1 − q^{n+1})/(1 − q)], q = min(r, 1/r), plus n ln r where r > 1.
    a = np.abs(ln_r)
    with np.errstate(invalid="ignore"):
        ratio = np.where(a == 0, n + 1, np.expm1(-(n + 1) * a) / np.expm1(-a))
        growth = np.where(ln_r > 0, n * ln_r, 0.0)
    return growth + np.log(ratio)


def _log_B(n: FloatArray, C: FloatArray, tight: bool) -> FloatArray:
    # (1 − e^{−Cn})/C = e^{n·max(−C, 0)} · (1 − e^{−|C|n}) / |C|, of which Eq. (5) drops e^{−|C|n}.
    a = np.abs(C)
    kept = -np.expm1(-a * n) if tight else 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        ln_B = np.where(C == 0, 0.5 * np.log(n), 0.5 * np.log(kept) - 0.5 * np.log(a))
    return 0.5 * n * np.maximum(-C, 0.0) + ln_B


def _exp(logarithm: FloatArray) -> Values:
    with np.errstate(over="ignore"):
        return plain(np.exp(logarithm))
