"""One step of k-Adam on one tensor.

The only place where k-Adam is computed on tensors: eager steps call it with Python floats,
``adamct.optim.compiled`` wraps the same function with 0-d tensors in their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from adamct.optim.scalars import Level, Scalar

Decay: TypeAlias = Literal["none", "coupled", "decoupled"]


def kadam_update(
    θ: Tensor,
    g: Tensor,
    m: Sequence[Tensor],
    v: Sequence[Tensor],
    levels: Sequence[Level],
    *,
    lr: Scalar,
    weight_decay: Scalar,
    eps: Scalar,
    decay: Decay = "none",
    maximize: bool = False,
    mean_dims: tuple[int, ...] | None = None,
    track: bool = False,
) -> list[Tensor]:
    """Advance one parameter by one step of Algorithm 1, in place.

    Args:
        θ: the parameter, of any shape and floating dtype; updated.
        g: its gradient, of the same shape; left as it is.
        m: first moments m_1…m_k in the dtype of the state; updated.
        v: second moments v_1…v_k in the dtype of the state; updated.
        levels: the k levels' scalars at this step.
        lr: η.
        weight_decay: λ, read unless ``decay`` is "none".
        eps: ε.
        decay: where λθ is added: to the gradient ("coupled") or to the update ("decoupled").
        maximize: ascend instead of descend.
        mean_dims: dimensions over which g² is averaged (Assumption 2); v_i has size 1 there.
        track: whether to return norms.

    Returns:
        ‖u^{(1)}‖∞…‖u^{(k)}‖∞ as 0-d tensors on the parameter's device, before decoupled decay is
        added; an empty list unless ``track``.

    >>> import torch
    >>> from adamct.optim.scalars import level_scalars
    >>> θ, m, v = torch.tensor([1.0]), [torch.zeros(1)], [torch.zeros(1)]
    >>> levels = [level_scalars(0, 0.999, 0.9, largest=None)]
    >>> kadam_update(θ, 2 * θ, m, v, levels, lr=0.1, weight_decay=0.0, eps=1e-30)
    []
    >>> θ
    tensor([0.9000])
    """
    norms = []
    u = g.to(m[0].dtype)
    if maximize:
        u = -u
    if decay == "coupled":
        u = u + weight_decay * θ.to(u.dtype)
    for m_i, v_i, level in zip(m, v, levels, strict=True):
        u_squared = u * u if mean_dims is None else (u * u).mean(mean_dims, keepdim=True)
        m_i.lerp_(u, level.one_minus_gamma)  # m_i ← γ_i m_i + (1 − γ_i) ĝ
        v_i.lerp_(u_squared, level.one_minus_beta)  # v_i ← β_i v_i + (1 − β_i) ĝ²
        u = (m_i / v_i.sqrt().add_(eps)).mul_(level.correction)  # ĝ ← C m_i / (√v_i + ε)
        if level.bound is not None:
            u.clamp_(-level.bound, level.bound)  # type: ignore[arg-type]
        if track:
            least, largest = u.aminmax()  # unlike abs().amax(), without a buffer of u's size
            norms.append(torch.maximum(-least, largest))
    if decay == "decoupled":
        u = u + weight_decay * θ.to(u.dtype)
    θ.sub_(u.mul_(lr))
    return norms
