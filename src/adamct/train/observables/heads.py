"""Observables of the query and key matrices, one head's matrix W at a time (Section 4.2).

The heads are in the order of ``GPT.query_key_parameters()``; sums are taken in float64, since ‖W‖²
grows by little a step.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from adamct.models.network import Network
from adamct.optim.state import n_levels
from adamct.train.observables.measure import observable, sample
from adamct.train.states import ModelState, StepState, Value

N_QUERY_KEY = 256  # parameters drawn from all of them; Figure 9 shows the first 16
N_OF_HEAD = 32  # parameters of each head: enough for its angles, within some 15 %
SAMPLED_EVERY = 20  # steps: all of them would be most of a record


@observable
def head_squared_norms(state: ModelState) -> Value:
    """‖W_n‖², (heads,)."""
    return squares(heads(state.model))


@observable
def head_squared_updates(state: StepState) -> Value:
    """‖u_W‖² of step n, without weight decay, (heads,)."""
    return squares(heads(state.model, state.optimizer.update_of))


@observable
def head_mean_second_moments(state: StepState) -> Value:
    """v̄_n, the mean of v_n over W, (heads,)."""
    states = state.optimizer.state
    v = heads(state.model, lambda W: states[W][f"v_{n_levels(states[W])}"])
    return v.double().mean((1, 2))


@observable
def head_squared_gradients(state: StepState) -> Value:
    """‖g_W‖² of step n, (heads,)."""
    return squares(heads(state.model, gradient))


@observable
def final_inner_products(state: StepState) -> Value:
    """⟨W_N, g_n⟩: the gradient of step n against the weight at the run's end, (heads,)."""
    assert state.heads_at_end is not None  # Training.look_ahead
    return (state.heads_at_end.double() * heads(state.model, gradient).double()).sum((1, 2))


@observable
def query_key_sample(state: ModelState) -> Value:
    """256 parameters at θ_n, drawn at random from all query and key matrices, (256,)."""
    return sample(heads(state.model).flatten(), N_QUERY_KEY)


@observable
def head_squared_turns(state: StepState) -> Value:
    """‖Ŵ_{n+1} − Ŵ_n‖² with Ŵ = W/‖W‖, weight decay included, (heads,)."""
    assert state.heads_before is not None  # Training.step
    old, new = state.heads_before.double(), heads(state.model).double()
    return squares(new / norms(new) - old / norms(old))


@observable
def head_samples(state: ModelState) -> Value | None:
    """32 parameters of each head's matrix, the same of each, (heads · 32,), every 20 steps."""
    if state.n % SAMPLED_EVERY:
        return None
    return sample(heads(state.model).flatten(1), N_OF_HEAD).flatten()


def heads(model: Network, of: Callable[[nn.Parameter], Tensor] = lambda W: W.detach()) -> Tensor:
    """Stack what ``of`` gives for W_Q and W_K of every layer: (heads, d_head, d_model)."""
    return torch.cat([of(W) for _, W in model.query_key_parameters()])


def squares(W: Tensor) -> Tensor:
    """‖W‖² of each head, (heads,), in float64."""
    return W.double().square().sum((1, 2))


def norms(W: Tensor) -> Tensor:
    """‖W‖ of each head, (heads, 1, 1)."""
    return W.norm(dim=(1, 2), keepdim=True)


@torch.no_grad()
def fix_norms(model: Network, initial: Tensor) -> None:
    """Bring each head's matrix back to the norm that :func:`norms` gave of it, in place."""
    at = 0
    for _, W in model.query_key_parameters():
        W.mul_(initial[at : at + len(W)] / norms(W))
        at += len(W)


def gradient(W: nn.Parameter) -> Tensor:
    """g_n, as the step has left it."""
    assert W.grad is not None
    return W.grad
