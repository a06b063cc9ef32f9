"""What is recorded at a step: named functions of the step's state, chosen in the spec.

An observable returns a number or a small tensor that stays on the device; :func:`drain` brings a
whole interval of them to the host in one synchronization.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from adamct.optim import KAdam

Value = float | Tensor


@dataclass(frozen=True)
class StepState:
    """State of step n, after its update: the loss and gradients are those at θ_n."""

    n: int
    lr: float
    loss: Tensor
    model: nn.Module
    optimizer: KAdam


def train_loss(state: StepState) -> Value:
    """Loss of the step's batch at θ_n; units: nats."""
    return state.loss


def max_update(state: StepState) -> Value:
    """‖u_n^{(i)}‖∞ for each level i = 1…k, shape (k,); u_n as in Definitions 1 and 3."""
    assert state.optimizer.max_update is not None  # the step has been taken
    return state.optimizer.max_update


def lr(state: StepState) -> Value:
    """η_n, the learning rate of the step."""
    return state.lr


OBSERVABLES: Mapping[str, Callable[[StepState], Value]] = {
    "train_loss": train_loss,
    "max_update": max_update,
    "lr": lr,
}


def observe(names: Sequence[str], state: StepState) -> dict[str, Value]:
    """Evaluate the named observables; tensors are detached and stay where they are."""
    values = {name: OBSERVABLES[name](state) for name in names}
    return {
        # Cloned: the optimizer may write its next max-update into the same memory.
        name: value.detach().clone() if isinstance(value, Tensor) else value
        for name, value in values.items()
    }


def drain(steps: Sequence[Mapping[str, Value]]) -> list[dict[str, Any]]:
    """Bring the values of several steps to the host, in one transfer.

    Returns:
        One mapping a step: floats for scalars, lists of floats for vectors.
    """
    tensors = [v for step in steps for v in step.values() if isinstance(v, Tensor)]
    if not tensors:
        return [dict(step) for step in steps]
    flat = torch.cat([t.reshape(-1).to(torch.float64) for t in tensors]).tolist()
    lines, at = [], 0
    for step in steps:
        line: dict[str, Any] = {}
        for name, value in step.items():
            if isinstance(value, Tensor):
                part = flat[at : at + value.numel()]
                at += value.numel()
                line[name] = part[0] if value.dim() == 0 else part
            else:
                line[name] = value
        lines.append(line)
    return lines
