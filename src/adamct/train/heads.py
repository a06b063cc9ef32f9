"""Observables of the query and key matrices, one head's matrix W at a time (Section 4.2).

The heads are in the order of ``GPT.head_matrices()``; sums are taken in float64, since ‖W‖² grows
by little a step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from adamct.models import GPT
from adamct.train.states import ModelState, StepState, Value

N_SAMPLED = 256  # query and key parameters; Figure 9 draws the first 16
N_OF_HEAD = 32  # parameters of each head: enough for its angles, within some 15 %
SAMPLED_EVERY = 20  # steps: all of them would be most of a record


def head_squared_norms(state: ModelState) -> Value:
    """‖W_n‖², (heads,)."""
    return squares(heads(state.model))


def head_squared_updates(state: StepState) -> Value:
    """‖u_W‖² of step n, without weight decay, (heads,)."""
    return squares(heads(state.model, state.optimizer.update_of))


def head_mean_second_moments(state: StepState) -> Value:
    """v̄_n, the mean of v_n over W, (heads,)."""
    v = [state.optimizer.state[W]["v"][-1] for W in query_key(state.model)]
    return torch.cat([v_W.double().mean((1, 2)) for v_W in v])


def head_squared_gradients(state: StepState) -> Value:
    """‖g_W‖² of step n, (heads,)."""
    return squares(heads(state.model, gradient))


def final_inner_products(state: StepState) -> Value:
    """⟨W_N, g_n⟩: the gradient of step n against the weight at the run's end, (heads,)."""
    assert state.final is not None  # Training.look_ahead
    return (state.final.double() * heads(state.model, gradient).double()).sum((1, 2))


def query_key_sample(state: ModelState) -> Value:
    """256 parameters at θ_n, drawn at random from all query and key matrices, (256,)."""
    flat = torch.cat([W.detach().reshape(-1) for W in query_key(state.model)])
    return flat[sample_indices(len(flat), N_SAMPLED).to(flat.device)]


def head_squared_turns(state: StepState) -> Value:
    """‖Ŵ_{n+1} − Ŵ_n‖² with Ŵ = W/‖W‖, weight decay included, (heads,)."""
    assert state.before is not None  # Training.step
    old, new = state.before.double(), heads(state.model).double()
    return squares(new / norms(new) - old / norms(old))


def head_samples(state: ModelState) -> Value | None:
    """32 parameters of each head's matrix, the same of each, (heads · 32,), every 20 steps."""
    if state.n % SAMPLED_EVERY:
        return None
    W = heads(state.model).flatten(1)
    return W[:, sample_indices(W.shape[1], N_OF_HEAD).to(W.device)].flatten()


def query_key(model: nn.Module) -> list[nn.Parameter]:
    """W_Q and W_K of every layer, each (n_head, d_head, d_model)."""
    if not isinstance(model, GPT):
        raise ValueError(
            f"received a {type(model).__name__}, expected a GPT: only its query and key matrices "
            "are told apart; leave the head_… observables and query_key_… options out"
        )
    return [W for _, W in model.query_key_parameters()]


def heads(model: nn.Module, of: Callable[[nn.Parameter], Tensor] = lambda W: W.detach()) -> Tensor:
    """Stack what ``of`` gives for W_Q and W_K of every layer: (heads, d_head, d_model)."""
    return torch.cat([of(W) for W in query_key(model)])


def squares(W: Tensor) -> Tensor:
    """‖W‖² of each head, (heads,), in float64."""
    return W.double().square().sum((1, 2))


def norms(W: Tensor) -> Tensor:
    """‖W‖ of each head, (heads, 1, 1)."""
    return W.norm(dim=(1, 2), keepdim=True)


@torch.no_grad()
def hold_norms(model: nn.Module, held: Tensor) -> None:
    """Bring each head's matrix back to the norm that :func:`norms` gave of it, in place."""
    for W, of_W in zip(query_key(model), held.chunk(len(query_key(model))), strict=True):
        W.mul_(of_W / norms(W))


def gradient(W: nn.Parameter) -> Tensor:
    """g_n, as the step has left it."""
    assert W.grad is not None
    return W.grad


@lru_cache
def sample_indices(n: int, size: int) -> Tensor:
    """Distinct indices below n, drawn at random, the same in every run.

    >>> sample_indices(10**6, 3).equal(sample_indices(10**6, 3))
    True
    """
    drawn = np.random.default_rng(0).choice(n, size=min(n, size), replace=False)
    return torch.from_numpy(drawn)
