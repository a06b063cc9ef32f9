"""Observables of any step: its loss, its learning rate, its max-update."""

from __future__ import annotations

from adamct.train.observables.measure import observable
from adamct.train.states import StepState, Value


@observable
def train_loss(state: StepState) -> Value:
    """Loss of the step's batch at θ_n; units: nats."""
    return state.loss


@observable
def max_update(state: StepState) -> Value:
    """‖u_n^{(i)}‖∞ for each level i = 1…k, shape (k,); u_n as in Definitions 1 and 3."""
    assert state.optimizer.max_update is not None  # the step has been taken
    return state.optimizer.max_update


@observable
def lr(state: StepState) -> Value:
    """η_n, the learning rate of the step."""
    return state.lr
