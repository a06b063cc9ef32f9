"""The continuous twin: Equation (4) solved beside the discrete steps, and how far they part.

Two solutions go along. One takes its gradients where it is itself, as Appendix I does; the other
is driven by the gradients of the discrete steps. The second shows by how much Equation (4) differs
from Adam's steps, the first also what training makes of that difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count, repeat
from typing import Any

import torch
from torch import Tensor, nn

from adamct.config.spec import ContinuousSpec, RunSpec
from adamct.continuous import State, solve
from adamct.train.heads import sample_indices
from adamct.train.states import ModelState, Value

N_SAMPLED = 16  # parameters drawn in Figure 1


class ContinuousTwin:
    """The solution of Equation (4) from a model's parameters, on the batches of its training.

    Args:
        spec: the run; its ``continuous`` says how to solve.
        model: at θ_0; its parameters are copied, and only its form is used later.
        batch: the batch of step n.
    """

    def __init__(self, spec: RunSpec, model: nn.Module, batch: Callable[[int], Any]) -> None:
        self._spec, self._batch = spec, batch
        self._loss = _Loss(model)
        self._states = self._solve(None)
        self.state = next(self._states)

    def advance(self) -> None:
        """Go on to the next t_n."""
        self.state = next(self._states)

    def state_dict(self) -> dict[str, Any]:
        """Return the point at t_n."""
        return _point(self.state)

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        """Go on from a point that :meth:`state_dict` gave."""
        self._states = self._solve(State(**values, params=None))
        self.state = next(self._states)

    def _solve(self, start: State | None) -> Iterator[State]:
        return _solve(
            self._spec,
            lambda params, batch: torch.func.functional_call(self._loss, params, batch),
            dict(self._loss.named_parameters()),
            map(self._batch, count(start.n if start else 0)),
            start,
        )


class DrivenTwin:
    """The solution of Equation (4) for the gradients of the discrete steps: g(t) = g_n in step n.

    Args:
        spec: the run.
        start: θ_0 as a flat vector, (P,).
    """

    def __init__(self, spec: RunSpec, start: Tensor) -> None:
        self._spec, self.theta = spec, start
        self._gradient = torch.empty_like(start)
        self._state: State | None = None
        self._states: Iterator[State] | None = None

    def advance(self, gradient: Tensor) -> None:
        """Go on to the next t_n with g_n, (P,), the gradient of the discrete step."""
        self._gradient.copy_(gradient)
        if self._states is None:  # not before: psi0="sign" looks at the first gradient
            # L(θ) = ⟨g_n, θ⟩ has the gradient g_n wherever θ is.
            held = repeat(self._gradient)
            self._states = _solve(self._spec, torch.dot, self.theta, held, self._state)
            next(self._states)
        self._state = next(self._states)
        self.theta = self._state.theta

    def state_dict(self) -> dict[str, Any]:
        """Return the point at t_n; nothing at n = 0."""
        return {} if self._state is None else _point(self._state)

    def load_state_dict(self, values: Mapping[str, Any], start: Tensor) -> None:
        """Go on from a point that :meth:`state_dict` gave, or from θ_0."""
        self._states = None
        self._state = State(**values, params=None) if values else None
        self.theta = start if self._state is None else self._state.theta


def _solve(
    spec: RunSpec,
    loss: Callable[[Any, Any], Tensor],
    params: Any,
    batches: Iterable[Any],
    start: State | None,
) -> Iterator[State]:
    optimizer, continuous = spec.optimizer, spec.continuous
    assert isinstance(continuous, ContinuousSpec)
    return solve(
        loss,
        params,
        batches,
        lr=optimizer.lr,
        beta=optimizer.betas[0],
        gamma=optimizer.gammas[0],
        weight_decay=optimizer.weight_decay,
        n_substeps=continuous.n_substeps,
        scheme=continuous.scheme,
        psi0=continuous.psi0,
        start=start,
    )


def _point(state: State) -> dict[str, Any]:
    values = {name: getattr(state, name) for name in State.__dataclass_fields__}
    return {name: value for name, value in values.items() if name != "params"}


class _Loss(nn.Module):
    """A model's loss as a forward pass, which is what ``functional_call`` calls."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *batch: Tensor) -> Tensor:
        loss: Tensor = self.model.loss(*batch)  # type: ignore[operator]
        return loss


def flat_parameters(model: nn.Module) -> Tensor:
    """θ as one vector, (P,), in the order of ``parameters()``; a copy."""
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()])


def flat_gradients(model: nn.Module) -> Tensor:
    """Gradient as one vector, (P,), in the order of ``parameters()``; 0 where there is none."""
    gradients = (torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters())
    return torch.cat([g.reshape(-1) for g in gradients])


# ----------------------------------------------------------------------------- observables


def sampled_parameters(state: ModelState) -> Value:
    """16 parameters at θ_n, drawn at random from all, (16,)."""
    return _sample(flat_parameters(state.model))


def continuous_sampled_parameters(state: ModelState) -> Value:
    """The same 16 parameters in the solution of Equation (4), at t_n."""
    assert state.twin is not None
    return _sample(state.twin.theta)


def displacement(state: ModelState) -> Value:
    """‖θ_n − θ_0‖ over all parameters."""
    return _moves(state)[0].norm()


def continuous_displacement(state: ModelState) -> Value:
    """‖θ(t_n) − θ_0‖ over all parameters."""
    return _moves(state)[1].norm()


def continuous_gap(state: ModelState) -> Value:
    """‖θ(t_n) − θ_n‖ over all parameters."""
    discrete, continuous = _moves(state)
    return (continuous - discrete).norm()


def driven_gap(state: ModelState) -> Value:
    """‖θ(t_n) − θ_n‖ over all parameters, for the gradients of the steps (``DrivenTwin``)."""
    assert state.driven is not None
    return (state.driven - flat_parameters(state.model)).norm()


def continuous_correlation(state: ModelState) -> Value:
    """Correlation over all parameters of θ(t_n) − θ_0 with θ_n − θ_0; 1 at n = 0."""
    moves = torch.stack(_moves(state)).double()
    moves -= moves.mean(dim=1, keepdim=True)
    scale = moves.norm(dim=1).prod()
    return torch.where(scale > 0, moves.prod(dim=0).sum() / scale, 1.0)


def _moves(state: ModelState) -> tuple[Tensor, Tensor]:
    assert state.start is not None
    assert state.twin is not None
    return flat_parameters(state.model) - state.start, state.twin.theta - state.start


def _sample(θ: Tensor) -> Tensor:
    return θ[sample_indices(len(θ), N_SAMPLED).to(θ.device)]
