"""k-Adam in float64, the lines of Algorithm 1 in their order: to read, and to test against.

Nothing here is fast, guarded or in place. Works on numpy arrays and torch tensors alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

Array: TypeAlias = Any  # a float64 numpy array or torch tensor


class ReferenceState(NamedTuple):
    """What Algorithm 1 carries from step to step.

    Attributes:
        n: step index, 0 before the first step.
        m: first moments m_1…m_k, each shaped like the parameter.
        v: second moments v_1…v_k, each shaped like the parameter.
    """

    n: int
    m: tuple[Array, ...]
    v: tuple[Array, ...]


def reference_state(theta: Array, k: int) -> ReferenceState:
    """The state before the first step: n = 0 and (m_i, v_i) = (0, 0) for i = 1…k.

    Args:
        theta: the parameter θ_0, float64, of any shape.
        k: number of levels.

    Returns:
        A state of zeros.

    >>> import numpy as np
    >>> reference_state(np.array([1.0, 2.0]), k=1).m
    (array([0., 0.]),)
    """
    return ReferenceState(0, tuple(0 * theta for _ in range(k)), tuple(0 * theta for _ in range(k)))


def reference_step(
    theta: Array,
    gradient: Array,
    state: ReferenceState,
    *,
    lr: float,
    betas: Sequence[float],
    gammas: Sequence[float],
    weight_decay: float = 0.0,
    coupled: bool = False,
    eps: float = 1e-30,
) -> tuple[Array, ReferenceState, tuple[Array, ...]]:
    """One pass through the loop of Algorithm 1 (k-Adam update rule).

    Args:
        theta: θ_n, float64, of any shape.
        gradient: ∇L(θ_n), float64, shaped like ``theta``.
        state: the state at step n.
        lr: learning rate η.
        betas: (β_1…β_k), second-moment decays in [0, 1).
        gammas: (γ_1…γ_k), first-moment decays in [0, 1).
        weight_decay: λ.
        coupled: whether λθ joins the gradient (Adam) or the update (AdamW).
        eps: ε, added to √v_i before bias correction.

    Returns:
        θ_{n+1}, the state at step n + 1, and the update of every level, u^{(1)}…u^{(k)}, before
        decoupled decay is added. The arguments are left as they are.

    Raises:
        TypeError: ``theta`` or ``gradient`` is not float64.

    >>> import numpy as np
    >>> θ = np.array([1.0])
    >>> θ, state, u = reference_step(
    ...     θ, 2 * θ, reference_state(θ, k=1), lr=0.1, betas=[0.999], gammas=[0.9])
    >>> θ.round(12), state.n, u[0].round(12)
    (array([0.9]), 1, array([1.]))
    """
    for name, array in (("theta", theta), ("gradient", gradient)):
        if not str(array.dtype).endswith("float64"):
            raise TypeError(f"{name} is {array.dtype}; the reference runs in float64: convert it")
    η, λ, ε = lr, weight_decay, eps
    θ, n = theta, state.n
    m, v, u_levels = [], [], []

    g = gradient
    if coupled:
        g = g + λ * θ
    ĝ = g
    for β, γ, m_i, v_i in zip(betas, gammas, state.m, state.v, strict=True):
        m_i = γ * m_i + (1 - γ) * ĝ
        v_i = β * v_i + (1 - β) * ĝ**2
        C = (1 - β ** (n + 1)) ** 0.5 / (1 - γ ** (n + 1))
        ĝ = C * m_i / (v_i**0.5 + ε)
        m.append(m_i)
        v.append(v_i)
        u_levels.append(ĝ)
    u = ĝ
    if not coupled:
        u = u + λ * θ
    θ = θ - η * u
    return θ, ReferenceState(n + 1, tuple(m), tuple(v)), tuple(u_levels)
