"""What is recorded: named functions of a state, chosen in the spec.

Line n of a record holds what is known at θ_n. Some observables look at the model before the step
(and once more after the last, at θ_N), the others at the step. Each returns a number or a small
tensor that stays on the device; :func:`drain` brings a whole interval of them to the host in one
synchronization.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from adamct.train import heads, twin
from adamct.train.states import ModelState, StepState, Value


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


OF_MODEL: Mapping[str, Callable[[ModelState], Value | None]] = {
    observable.__name__: observable
    for observable in (
        heads.head_squared_norms,
        heads.query_key_sample,
        heads.head_samples,
        twin.sampled_parameters,
        twin.continuous_sampled_parameters,
        twin.displacement,
        twin.continuous_displacement,
        twin.continuous_gap,
        twin.driven_gap,
        twin.continuous_correlation,
    )
}
OF_STEP: Mapping[str, Callable[[StepState], Value]] = {
    observable.__name__: observable
    for observable in (
        train_loss,
        max_update,
        lr,
        heads.head_squared_updates,
        heads.head_mean_second_moments,
        heads.head_squared_gradients,
        heads.head_squared_turns,
        heads.final_inner_products,
    )
}
OBSERVABLES = (*OF_STEP, *OF_MODEL)
# The step n of these looks at what the run has come to at its end, step N.
LOOK_AHEAD = ("final_inner_products",)


def observe(names: Sequence[str], state: ModelState | StepState) -> dict[str, Value]:
    """Evaluate those of the named observables that look at such a state.

    Tensors are detached and stay where they are.
    """
    if isinstance(state, ModelState):
        values = {name: OF_MODEL[name](state) for name in names if name in OF_MODEL}
    else:
        values = {name: OF_STEP[name](state) for name in names if name in OF_STEP}
    return {
        # Cloned: the next step may write into the same memory.
        name: value.detach().clone() if isinstance(value, Tensor) else value
        for name, value in values.items()
        if value is not None  # not looked at in this step
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
