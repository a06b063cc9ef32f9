"""One step of k-Adam on one tensor, and the scalars that it needs.

The only place where k-Adam is computed on tensors: eager steps call ``kadam_update`` with Python
floats, ``adamct.optim.compiled`` wraps the same function with 0-d tensors in their place.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from adamct.optim.strategies import level_decays
from adamct.theory import discrete_max_update_bound, log_ratio
from adamct.theory.bias_correction import bias_correction

Decay: TypeAlias = Literal["none", "coupled", "decoupled"]
Scalar: TypeAlias = float | Tensor

# Room for rounding above D_n, which exact arithmetic never exceeds.
GUARD_MARGIN = 1e-5

_TINY = sys.float_info.min  # in place of 0, which math.log refuses: 1 − tiny^t is 1, too
_BLOCK = 1024  # scalars are computed for this many steps at once: a call costs 50 µs


class Level(NamedTuple):
    """The scalars of level i at step n."""

    one_minus_beta: Scalar
    one_minus_gamma: Scalar
    correction: Scalar  # C = √(1−β^{n+1}) / (1−γ^{n+1})
    bound: Scalar | None  # D_n (1 + 1e-5); None: no clamp


def kadam_update(
    θ: Tensor | None,
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
    out: Tensor | None = None,
) -> list[Tensor]:
    """Advance one parameter by one step of Algorithm 1, in place.

    Args:
        θ: the parameter, of any shape and floating dtype; updated, unless there is ``out``. Then
            it is only read, and may be None where ``decay`` is "none".
        g: its gradient, of the same shape; left as it is, unless it is ``out``.
        m: first moments m_1…m_k in the dtype of the state; updated.
        v: second moments v_1…v_k in the dtype of the state; updated.
        levels: the k levels' scalars at this step.
        lr: η.
        weight_decay: λ, read unless ``decay`` is "none".
        eps: ε.
        decay: where λθ is added: to the gradient ("coupled") or to the update ("decoupled").
        maximize: ascend instead of descend.
        mean_dims: dimensions over which g² is averaged (Assumption 2); v_i has size 1 there.
        track: whether to return extremes.
        out: takes η (ĝ + λθ), for the caller to subtract from θ; shaped like m, in its dtype.

    Returns:
        min u^{(1)}, max u^{(1)}, …, min u^{(k)}, max u^{(k)} as 0-d tensors on the parameter's
        device, before decoupled decay is added; an empty list unless ``track``.

    >>> import torch
    >>> θ, m, v = torch.tensor([1.0]), [torch.zeros(1)], [torch.zeros(1)]
    >>> levels = [level_scalars(0, 0.999, 0.9, largest=0.0)]
    >>> kadam_update(θ, 2 * θ, m, v, levels, lr=0.1, weight_decay=0.0, eps=1e-30)
    []
    >>> θ
    tensor([0.9000])
    """
    extremes: list[Tensor] = []
    # Memory that the levels share: fresh one costs an eager step more than its arithmetic.
    update = torch.empty_like(m[0]) if out is None else out
    work = torch.empty_like(v[0])
    u = g.to(m[0].dtype)
    if maximize:
        u = -u
    if decay == "coupled":
        u = u + weight_decay * θ.to(u.dtype)  # type: ignore[union-attr]
    for m_i, v_i, level in zip(m, v, levels, strict=True):
        if mean_dims is None:
            torch.mul(u, u, out=work)
        else:
            torch.mean(u * u, mean_dims, keepdim=True, out=work)
        m_i.lerp_(u, level.one_minus_gamma)  # m_i ← γ_i m_i + (1 − γ_i) ĝ
        v_i.lerp_(work, level.one_minus_beta)  # v_i ← β_i v_i + (1 − β_i) ĝ²
        torch.sqrt(v_i, out=work).add_(eps)
        u = torch.div(m_i, work, out=update).mul_(level.correction)  # ĝ ← C m_i / (√v_i + ε)
        if level.bound is not None:
            u.clamp_(-level.bound, level.bound)  # type: ignore[arg-type]
        if track:
            extremes += u.aminmax()  # unlike abs().amax(), without a buffer of u's size
    if decay == "decoupled":
        u += weight_decay * θ.to(u.dtype)  # type: ignore[union-attr]
    u.mul_(lr)
    if out is None:
        θ.sub_(u)  # type: ignore[union-attr]
    return extremes


def level_scalars(n: int, beta: float, gamma: float, *, largest: float) -> Level:
    """The scalars of one level at step n, in float64 whatever the dtype of the state.

    Args:
        n: step index, 0 at the first step.
        beta: β_i in [0, 1).
        gamma: γ_i in [0, 1).
        largest: largest finite number of the state's dtype, beyond which a bound says nothing;
            0: no bound at all.

    Returns:
        Python floats.

    >>> level_scalars(0, 0.75, 0.5, largest=3.4e38).bound  # D_0 = 1
    1.00001
    """
    return _block_of_levels(n // _BLOCK, beta, gamma, largest)[n % _BLOCK]


@lru_cache(maxsize=64)
def _block_of_levels(block: int, beta: float, gamma: float, largest: float) -> list[Level]:
    n = np.arange(block * _BLOCK, (block + 1) * _BLOCK)
    bounds = discrete_max_update_bound(n, beta, gamma) * (1 + GUARD_MARGIN)
    levels = []
    for t, bound in zip((n + 1).tolist(), bounds.tolist(), strict=True):
        # By the C library's functions: numpy's own depend, in the last bit, on the CPU.
        correction = bias_correction(t, max(beta, _TINY), max(gamma, _TINY), math)
        levels.append(Level(1 - beta, 1 - gamma, correction, bound if bound < largest else None))
    return levels


def device_level(
    n: Tensor, beta: float, gamma: float, *, largest: float, dtype: torch.dtype
) -> Level:
    """The scalars of one level at step n, computed where n is, so that a CUDA graph can replay it.

    The host reads nothing and sends nothing. By the closed forms of ``level_scalars`` in float64,
    and so equal to its scalars up to the last places of float64.

    Args:
        n: step index, a 0-d tensor.
        beta: β_i in [0, 1).
        gamma: γ_i in [0, 1).
        largest: as for ``level_scalars``; a bound beyond it is infinite here.
        dtype: of the state.

    Returns:
        Correction and bound as 0-d tensors of that dtype; floats for what does not depend on n.

    >>> device_level(torch.tensor(0.0), 0.75, 0.5, largest=0.0, dtype=torch.float32)
    Level(one_minus_beta=0.25, one_minus_gamma=0.5, correction=tensor(1.), bound=None)
    """
    t = n.double() + 1
    correction = bias_correction(t, max(beta, _TINY), max(gamma, _TINY), _DEVICE)
    bound = None
    if largest:
        ln_r = _log_ratio(beta, gamma)
        terms = torch.expm1(t * ln_r) / math.expm1(ln_r) if ln_r else t  # Σ_{j=0}^{n} r^j
        D = correction * ((1 - gamma) / math.sqrt(1 - beta)) * terms.sqrt()
        D = torch.where(t == 1, 1.0, D) * (1 + GUARD_MARGIN)
        bound = torch.where(largest > D, D, math.inf).to(dtype)
    return Level(1 - beta, 1 - gamma, correction.to(dtype), bound)


# The logarithms are of decays, which are floats.
_DEVICE = SimpleNamespace(log=math.log, expm1=torch.expm1, sqrt=torch.sqrt)


@lru_cache(maxsize=256)
def _log_ratio(beta: float, gamma: float) -> float:
    return min(log_ratio(beta, gamma), 700.0)  # where expm1 is finite; D_n is infinite from n = 1


def _on(device: torch.device, x: Scalar, dtype: torch.dtype) -> Tensor:
    if isinstance(x, Tensor):
        return x.to(device, dtype, non_blocking=True)
    return torch.full((), x, dtype=dtype, device=device)


class StepScalars:
    """What the parameters of a group share in one step, sent once for those of equal age.

    >>> from adamct.optim import KAdam
    >>> optimizer = KAdam([torch.zeros(1)], k=1, guard=False)
    >>> scalars = StepScalars(optimizer.param_groups[0])
    >>> scalars.levels(0, torch.float32)[0].bound is None
    True
    """

    def __init__(self, group: Mapping[str, Any]) -> None:
        self._group = group
        self._pairs = list(zip(*level_decays(group), strict=True))
        self._packed: dict[tuple[int | Tensor, torch.dtype, torch.device], tuple[Tensor, Tensor]]
        self._packed = {}
        self._on_device: dict[tuple[Tensor, torch.dtype], list[Level]] = {}

    @property
    def lr(self) -> Scalar:
        """η, a float or a 0-d tensor."""
        lr = self._group["lr"]
        return lr.reshape(()) if isinstance(lr, Tensor) else lr

    def levels(self, n: int | Tensor, dtype: torch.dtype) -> list[Level]:
        """The levels' scalars at step n, for a state of this dtype; on the device if n is there."""
        largest = torch.finfo(dtype).max if is_guarded(self._group) else 0.0
        if isinstance(n, Tensor):  # counts by its identity
            if (n, dtype) not in self._on_device:
                of = {x: device_level(n, *x, largest=largest, dtype=dtype) for x in self._pairs}
                self._on_device[n, dtype] = [of[x] for x in self._pairs]
            return self._on_device[n, dtype]
        return [level_scalars(n, *pair, largest=largest) for pair in self._pairs]

    def packed(
        self, n: int | Tensor, dtype: torch.dtype, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """The same as one vector on the device, (level 1, …, level k, λ, ε), and η as a tensor.

        Sent without waiting for the device; nothing is sent if n is there.
        """
        key = (n, dtype, device)
        if key not in self._packed:
            flat: list[Any] = []
            for *scalars, bound in self.levels(n, dtype):
                flat += [*scalars, math.inf if bound is None else bound]
            flat += [self._group["weight_decay"], effective_eps(self._group, dtype)]
            if isinstance(n, Tensor):
                *flat, lr = (_on(device, x, dtype) for x in (*flat, self.lr))
                self._packed[key] = torch.stack(flat), lr
            else:
                self._packed[key] = (
                    torch.tensor(flat, dtype=dtype).to(device, non_blocking=True),
                    torch.as_tensor(self.lr, dtype=dtype).to(device, non_blocking=True),
                )
        return self._packed[key]


def effective_eps(group: Mapping[str, Any], dtype: torch.dtype) -> float:
    """ε, at least the smallest normal number: √v > 0 does not notice, and 0/0 becomes 0.

    >>> effective_eps({"eps": 0.0}, torch.float32)
    1.1754943508222875e-38
    """
    return max(group["eps"], torch.finfo(dtype).tiny)


def is_guarded(group: Mapping[str, Any]) -> bool:
    """Whether a group's updates are clamped to D_n.

    Under "tensor_mean" D_n bounds only the root mean square of u, not its components.

    >>> is_guarded({"guard": True, "second_moment": "tensor_mean"})
    False
    """
    return group["guard"] and group["second_moment"] == "elementwise"


def mean_dims(p: Tensor, group: Mapping[str, Any]) -> tuple[int, ...] | None:
    """The dimensions that "tensor_mean" averages: the last two, all of them below three.

    >>> group = {"second_moment": "tensor_mean"}
    >>> [mean_dims(torch.zeros(shape), group) for shape in ((4, 3, 2), (3, 2), 2)]
    [(1, 2), (0, 1), (0,)]
    """
    return tuple(range(p.ndim))[-2:] if group["second_moment"] == "tensor_mean" else None
