"""How far the steps and the solution of Equation (4) come, and how far they part."""

from __future__ import annotations

import torch
from torch import Tensor

from adamct.train.observables.measure import observable, sample
from adamct.train.ode import ODETrajectories, flat_parameters
from adamct.train.states import ModelState, Value

N_SAMPLED = 16  # parameters drawn in Figure 1


@observable
def sampled_parameters(state: ModelState) -> Value:
    """16 parameters at θ_n, drawn at random from all, (16,)."""
    return sample(flat_parameters(state.model), N_SAMPLED)


@observable
def continuous_sampled_parameters(state: ModelState) -> Value:
    """The same 16 parameters in the solution of Equation (4), at t_n."""
    return sample(_solved(state).theta, N_SAMPLED)


@observable
def displacement(state: ModelState) -> Value:
    """‖θ_n − θ_0‖ over all parameters."""
    return _moves(state)[0].norm()


@observable
def continuous_displacement(state: ModelState) -> Value:
    """‖θ(t_n) − θ_0‖ over all parameters."""
    return _moves(state)[1].norm()


@observable
def continuous_gap(state: ModelState) -> Value:
    """‖θ(t_n) − θ_n‖ over all parameters."""
    discrete, continuous = _moves(state)
    return (continuous - discrete).norm()


@observable
def driven_gap(state: ModelState) -> Value:
    """‖θ(t_n) − θ_n‖ over all parameters, for the gradients of the steps."""
    return (_solved(state).forced_theta - flat_parameters(state.model)).norm()


@observable
def continuous_correlation(state: ModelState) -> Value:
    """Correlation over all parameters of θ(t_n) − θ_0 with θ_n − θ_0; 1 at n = 0."""
    moves = torch.stack(_moves(state)).double()
    moves -= moves.mean(dim=1, keepdim=True)
    scale = moves.norm(dim=1).prod()
    return torch.where(scale > 0, moves.prod(dim=0).sum() / scale, 1.0)


def _solved(state: ModelState) -> ODETrajectories:
    assert state.ode is not None  # as the spec checks
    return state.ode


def _moves(state: ModelState) -> tuple[Tensor, Tensor]:
    ode = _solved(state)
    return flat_parameters(state.model) - ode.start, ode.theta - ode.start
