"""The scalars of one step: decays, bias corrections and bounds, in float64 on the host."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from adamct.optim.groups import level_decays
from adamct.theory import discrete_max_update_bound

Scalar: TypeAlias = float | Tensor

# Room for rounding above D_n, which exact arithmetic never exceeds.
GUARD_MARGIN = 1e-5

_BLOCK = 1024  # D_n is computed for this many steps at once: a scalar call costs 50 µs


class Level(NamedTuple):
    """The scalars of level i at step n."""

    one_minus_beta: Scalar
    one_minus_gamma: Scalar
    correction: Scalar  # C = √(1−β^{n+1}) / (1−γ^{n+1})
    bound: Scalar | None  # D_n (1 + 1e-5); None: no clamp


def level_scalars(n: int, beta: float, gamma: float, *, largest: float | None) -> Level:
    """The scalars of one level at step n, in float64 whatever the dtype of the state.

    Args:
        n: step index, 0 at the first step.
        beta: β_i in [0, 1).
        gamma: γ_i in [0, 1).
        largest: largest finite number of the state's dtype, beyond which a bound says nothing;
            None: no bound at all.

    Returns:
        Python floats.

    >>> level_scalars(0, 0.75, 0.5, largest=3.4e38).bound  # D_0 = 1
    1.00001
    """
    correction = math.sqrt(_one_minus_power(beta, n + 1)) / _one_minus_power(gamma, n + 1)
    bound = None
    if largest is not None:
        block, offset = divmod(n, _BLOCK)
        bound = _bounds(block, beta, gamma)[offset] * (1 + GUARD_MARGIN)
        bound = bound if bound < largest else None
    return Level(1 - beta, 1 - gamma, correction, bound)


class StepScalars:
    """What the parameters of a group share in one step, computed once for those of equal age.

    >>> from adamct.optim import KAdam
    >>> optimizer = KAdam([torch.zeros(1)], k=1, guard=False)
    >>> scalars = StepScalars(optimizer.param_groups[0])
    >>> scalars.levels(0, torch.float32)[0].bound is None
    True
    """

    def __init__(self, group: Mapping[str, Any]) -> None:
        self._group = group
        self._pairs = list(zip(*level_decays(group), strict=True))
        # Under tensor_mean D_n bounds only the root mean square of u, not its components.
        self._guarded = group["guard"] and group["second_moment"] == "elementwise"
        self._levels: dict[tuple[int, torch.dtype], list[Level]] = {}
        self._packed: dict[tuple[int, torch.dtype, torch.device], tuple[Tensor, Tensor]] = {}

    @property
    def k(self) -> int:
        """The number of levels."""
        return len(self._pairs)

    @property
    def lr(self) -> Scalar:
        """η, a float or a 0-d tensor."""
        lr = self._group["lr"]
        return lr.reshape(()) if isinstance(lr, Tensor) else lr

    def eps(self, dtype: torch.dtype) -> float:
        """ε, at least the smallest normal number: √v > 0 does not notice, and 0/0 becomes 0."""
        return max(self._group["eps"], torch.finfo(dtype).tiny)

    def levels(self, n: int, dtype: torch.dtype) -> list[Level]:
        """The levels' scalars at step n, for a state of this dtype."""
        key = (n, dtype)
        if key not in self._levels:
            largest = torch.finfo(dtype).max if self._guarded else None
            self._levels[key] = [
                level_scalars(n, beta, gamma, largest=largest) for beta, gamma in self._pairs
            ]
        return self._levels[key]

    def packed(self, n: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
        """The same as one vector on the device, (level 1, …, level k, λ, ε), and η as a tensor.

        Sent without waiting for the device.
        """
        key = (n, dtype, device)
        if key not in self._packed:
            flat: list[Any] = []
            for level in self.levels(n, dtype):
                flat += [*level[:3], math.inf if level.bound is None else level.bound]
            flat += [self._group["weight_decay"], self.eps(dtype)]
            self._packed[key] = (
                torch.tensor(flat, dtype=dtype).to(device, non_blocking=True),
                torch.as_tensor(self.lr, dtype=dtype).to(device, non_blocking=True),
            )
        return self._packed[key]


@lru_cache(maxsize=64)
def _bounds(block: int, beta: float, gamma: float) -> list[float]:
    n = np.arange(block * _BLOCK, (block + 1) * _BLOCK)
    return discrete_max_update_bound(n, beta, gamma).tolist()


def _one_minus_power(x: float, n: int) -> float:
    # 1 − xⁿ, without the cancellation near x = 1 (log(0) alone is not defined)
    return -math.expm1(n * math.log(x)) if x > 0 else 1.0
