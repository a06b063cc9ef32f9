"""Evaluate observables: named functions of a state, chosen in the spec.

Each returns a number or a small tensor that stays on the device; :func:`drain` brings a whole
interval of them to the host in one synchronization.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, TypeVar

import torch
from torch import Tensor

from adamct.config.observables import OBSERVABLES
from adamct.data.rng import sampled_indices
from adamct.train.states import ModelState, StepState, Value

Function = TypeVar("Function", bound=Callable[[Any], "Value | None"])

FUNCTIONS: dict[str, Callable[[Any], Value | None]] = {}


def observable(function: Function) -> Function:
    """Enter a function under its name, which ``config.observables`` declares.

    It takes a :class:`ModelState` or a :class:`StepState`, as declared, and returns a value, or
    ``None`` for a step at which it is not taken.
    """
    FUNCTIONS[function.__name__] = function
    return function


def observe(names: Sequence[str], state: ModelState | StepState) -> dict[str, Value]:
    """Evaluate those of the named observables that look at such a state.

    Tensors are detached and stay where they are.
    """
    at = "model" if isinstance(state, ModelState) else "step"
    values = {name: FUNCTIONS[name](state) for name in names if OBSERVABLES[name].at == at}
    return {
        # Cloned: the next step may write into the same memory.
        name: value.detach().clone() if isinstance(value, Tensor) else value
        for name, value in values.items()
        if value is not None  # not taken at this step
    }


def drain(steps: Sequence[Mapping[str, Value]]) -> list[dict[str, Any]]:
    """Bring the values of several steps to the host, in one transfer.

    Returns:
        One mapping a step: floats for scalars, lists of floats for vectors.
    """
    tensors = [v for step in steps for v in step.values() if isinstance(v, Tensor)]
    if not tensors:
        return [dict(step) for step in steps]
    numbers = iter(torch.cat([t.reshape(-1).to(torch.float64) for t in tensors]).tolist())

    def on_host(value: Value) -> Any:
        if not isinstance(value, Tensor):
            return value
        return next(numbers) if value.dim() == 0 else list(islice(numbers, value.numel()))

    return [{name: on_host(value) for name, value in step.items()} for step in steps]


def sample(values: Tensor, size: int) -> Tensor:
    """Return the values at some indices of the last dimension, the same in every run."""
    return values[..., _indices(values.shape[-1], size, values.device)]


@lru_cache
def _indices(n: int, size: int, device: torch.device) -> Tensor:
    # Kept there: a copy at each step would wait for the device.
    return torch.from_numpy(sampled_indices(n, size)).to(device)
