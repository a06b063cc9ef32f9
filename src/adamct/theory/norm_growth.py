"""‖W‖² of a scale-invariant weight under Adam: Eq. (8), its correction, and an exact recursion.

The loss does not change with ‖W‖, so ⟨W_n, g_n⟩ = 0. Eq. (8) follows if ⟨W_n, g_j⟩ = 0 for
j < n too (Assumption 1). But the average m_n remembers gradients of age γ/(1−γ) steps, and W has
moved against them since: with a scalar second moment ⟨W_n, u_n⟩ = −η · γ/(1−γ) · ‖u_n‖² for
stationary gradients, and the norm grows faster by the factor (1+γ)/(1−γ), 19 at γ = 0.9.

Arrays carry the steps on their first axis; weight decay is decoupled.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from adamct.theory.bias_correction import bias_correction
from adamct.theory.domain import FloatArray, Values, decay, plain, whole_steps


def squared_norm_growth(
    squared_norm: ArrayLike,
    squared_updates: ArrayLike,
    *,
    lr: ArrayLike,
    weight_decay: float = 0.0,
    factor: ArrayLike = 1.0,
) -> FloatArray:
    """‖W_n‖² by Eq. (8), or by its correction with ``factor=memory_factor(…)``.

    ‖W(t)‖² = ‖W(0)‖² e^{−2λt} + F·η ∫_0^t e^{−2λ(t−τ)} ‖u_W(τ)‖² dτ with F = 1 (Theorem 2). On
    the grid t_n = nη the integral is η Σ_{j<n} e^{−2λη(n−j)} ‖u_j‖².

    Args:
        squared_norm: ‖W_0‖², a scalar or shape (weights, …).
        squared_updates: ‖u_0‖², …, ‖u_{N−1}‖², shape (N,) or (N, weights, …), without decay.
        lr: η, a scalar or shape (N,) for a schedule.
        weight_decay: λ, multiplied by η as in AdamW.
        factor: F, a scalar or shape (N,) where it varies with the step.

    Returns:
        ‖W_0‖², …, ‖W_N‖², shape (N + 1,) or (N + 1, weights, …).

    Raises:
        ValueError: shapes that do not fit.

    >>> squared_norm_growth(1.0, [4.0, 4.0], lr=0.5)
    array([1., 2., 3.])
    >>> squared_norm_growth(1.0, [4.0, 4.0], lr=0.5, factor=memory_factor(0.5)).round(6)
    array([1., 4., 7.])
    """
    φ, u2 = _trajectory(squared_norm, squared_updates)
    η, F = _fitted("lr", lr, u2.shape[:1]), _fitted("factor", factor, u2.shape[:1])
    for n in range(len(u2)):
        φ[n + 1] = np.exp(-2 * weight_decay * η[n]) * (φ[n] + F[n] * η[n] ** 2 * u2[n])
    return φ


def exact_squared_norm(
    squared_norm: ArrayLike,
    squared_updates: ArrayLike,
    scales: ArrayLike,
    *,
    lr: ArrayLike,
    gamma: float,
    weight_decay: float = 0.0,
) -> FloatArray:
    """‖W_n‖² by the exact recursion for a scalar second moment, u_n = c_n m_n.

    With Q_n = ⟨W_n, m_n⟩ and ⟨W_n, g_n⟩ = 0: Q_0 = 0,
    Q_n = γ[(1−ηλ) Q_{n−1} − η ‖u_{n−1}‖² / c_{n−1}],
    ‖W_{n+1}‖² = (1−ηλ)² ‖W_n‖² − 2η(1−ηλ) c_n Q_n + η² ‖u_n‖².
    An identity, true to rounding at every n; an approximation where v is elementwise.

    Args:
        squared_norm: ‖W_0‖², a scalar or shape (weights, …).
        squared_updates: ‖u_n‖², shape (N,) or (N, weights, …), without decay.
        scales: c_n from ``update_scale``, of the shape of ``squared_updates``.
        lr: η, a scalar or shape (N,) for a schedule.
        gamma: first-moment decay (torch's ``betas[0]``) in [0, 1).
        weight_decay: λ, multiplied by η as in AdamW.

    Returns:
        ‖W_0‖², …, ‖W_N‖², shape (N + 1,) or (N + 1, weights, …).

    Raises:
        ValueError: shapes that do not fit, or gamma outside [0, 1).

    >>> exact_squared_norm(1.0, [4.0, 4.0], [2.0, 2.0], lr=0.5, gamma=0.5)
    array([1., 2., 4.])
    """
    φ, u2 = _trajectory(squared_norm, squared_updates)
    c, γ = _fitted("scales", scales, u2.shape), decay("gamma", gamma)
    η = _fitted("lr", lr, u2.shape[:1])
    Q = np.zeros_like(φ[0])
    for n in range(len(u2)):
        keep = 1 - η[n] * weight_decay
        φ[n + 1] = keep**2 * φ[n] - 2 * η[n] * keep * c[n] * Q + η[n] ** 2 * u2[n]
        Q = γ * (keep * Q - η[n] * u2[n] / c[n])
    return φ


def update_scale(
    n: ArrayLike, beta: ArrayLike, gamma: ArrayLike, mean_second_moment: ArrayLike
) -> Values:
    """c_n = √(1−β^{n+1}) / (1−γ^{n+1}) / √v̄_n, so that u_n = c_n m_n for a scalar v̄_n.

    Args:
        n: step index, whole numbers ≥ 0; everything broadcasts.
        beta: second-moment decay (torch's ``betas[1]``) in [0, 1).
        gamma: first-moment decay (torch's ``betas[0]``) in [0, 1).
        mean_second_moment: v̄_n > 0, the mean of v_n over the weight, before bias correction.

    Returns:
        c_n, per unit of gradient.

    Raises:
        ValueError: a decay lies outside [0, 1), or n is not a whole number ≥ 0.

    >>> round(update_scale(0, 0.999, 0.9, 0.001), 6)
    10.0
    """
    n_, β, γ = whole_steps(n), decay("beta", beta), decay("gamma", gamma)
    with np.errstate(divide="ignore"):  # log 0 = −∞, as it should be
        correction = bias_correction(n_ + 1, β, γ)
    return plain(correction / np.sqrt(np.asarray(mean_second_moment, dtype=np.float64)))


def memory_factor(gamma: ArrayLike, n: ArrayLike | None = None) -> Values:
    """F in the corrected Eq. (8): (1+γ)/(1−γ) for stationary gradients, else 1 + 2ℓ_n at step n.

    1 + 2ℓ_n, with ℓ_n = ``mean_age(n, gamma)``, is exact for constant gradients and tends to
    (1+γ)/(1−γ); for uncorrelated gradients the early factor is larger.

    Args:
        gamma: first-moment decay (torch's ``betas[0]``) in [0, 1).
        n: step index, or None for the stationary limit; broadcasts with ``gamma``.

    Returns:
        F ≥ 1, dimensionless.

    Raises:
        ValueError: gamma outside [0, 1), or n not a whole number ≥ 0.

    >>> round(memory_factor(0.9), 6), round(memory_factor(0.9, n=10), 1)
    (19.0, 8.9)
    """
    if n is None:
        γ = decay("gamma", gamma)
        return plain((1 + γ) / (1 - γ))
    return 1 + 2 * mean_age(n, gamma)


def mean_age(n: ArrayLike, gamma: ArrayLike) -> Values:
    """ℓ_n, the mean age of a gradient in the bias-corrected average m_n / (1−γ^{n+1}).

    ℓ_n = (1−γ)/(1−γ^{n+1}) Σ_{j=0}^{n} j γ^j = γ/(1−γ) − (n+1) γ^{n+1}/(1−γ^{n+1}).

    Args:
        n: step index, whole numbers ≥ 0; broadcasts with ``gamma``.
        gamma: first-moment decay (torch's ``betas[0]``) in [0, 1).

    Returns:
        The mean age in steps.

    Raises:
        ValueError: gamma outside [0, 1), or n not a whole number ≥ 0.

    >>> round(mean_age(10, 0.9), 3), round(mean_age(10**6, 0.9), 3)
    (3.969, 9.0)
    """
    n_, γ = whole_steps(n), decay("gamma", gamma)
    with np.errstate(divide="ignore", over="ignore"):
        age = γ / (1 - γ) - (n_ + 1) / np.expm1(-(n_ + 1) * np.log(γ))
    return plain(np.where(n_ == 0, 0.0, age))


def _trajectory(
    squared_norm: ArrayLike, squared_updates: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    u2 = np.atleast_1d(np.asarray(squared_updates, dtype=np.float64))
    φ = np.empty((len(u2) + 1, *u2.shape[1:]))
    φ[0] = _fitted("squared_norm", squared_norm, u2.shape[1:])
    return φ, u2


def _fitted(name: str, value: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    array = np.asarray(value, dtype=np.float64)
    if array.shape not in {(), shape}:
        raise ValueError(
            f"{name} of shape {array.shape} must be a scalar or have shape {shape}, to fit "
            "squared_updates, which has the steps on its first axis"
        )
    return np.broadcast_to(array, shape)
