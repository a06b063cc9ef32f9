"""Equation (4) solved beside the discrete steps, in two ways.

One solution takes its gradients where it is itself, as Appendix I does; the other is forced by the
gradients of the discrete steps. The second shows by how much Equation (4) differs from Adam's
steps, the first also what training makes of that difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count, repeat
from typing import Any

import torch
from torch import Tensor, nn

from adamct.config.spec import RunSpec
from adamct.continuous import TrajectoryState, solve
from adamct.models.network import Network


class ODETrajectories:
    """Both solutions of Equation (4) from a model's θ_0, on the batches of its training.

    Args:
        spec: the run; its ``continuous`` says how to solve.
        model: at θ_0; its parameters are copied, and only its form is used later.
        batch: the batch of step n.

    Attributes:
        start: θ_0 as a flat vector, (P,).
    """

    def __init__(self, spec: RunSpec, model: Network, batch: Callable[[int], Any]) -> None:
        self._spec, self._batch, self._loss = spec, batch, _Loss(model)
        self.start = flat_parameters(model)
        self._gradient = torch.empty_like(self.start)
        self._forced_states: Iterator[TrajectoryState] | None
        self._forced_state: TrajectoryState | None
        self._go_on_from(None, None)

    @property
    def theta(self) -> Tensor:
        """θ(t_n) of the solution that takes its own gradients, (P,)."""
        return self._state.theta

    @property
    def forced_theta(self) -> Tensor:
        """θ(t_n) of the solution for g(t) = g_n in step n, (P,)."""
        return self.start if self._forced_state is None else self._forced_state.theta

    def step(self, gradient: Tensor) -> None:
        """Go on to t_{n+1}, with g_n, (P,), the gradient of the discrete step."""
        self._state = next(self._states)
        self._gradient.copy_(gradient)
        if self._forced_states is None:  # not before: psi0="sign" looks at the first gradient
            # L(θ) = ⟨g_n, θ⟩ has the gradient g_n wherever θ is.
            forcing = repeat(self._gradient)
            self._forced_states = self._solve(
                torch.dot, self.forced_theta, forcing, self._forced_state
            )
            next(self._forced_states)
        self._forced_state = next(self._forced_states)

    def state_dict(self) -> dict[str, Any]:
        """Return θ_0 and both points at t_n; no forced one at n = 0."""
        # The keys are those of all checkpoints so far.
        forced = {} if self._forced_state is None else _point(self._forced_state)
        return {"start": self.start, "twin": _point(self._state), "driven": forced}

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        """Go on from the points that :meth:`state_dict` gave."""
        self.start = values["start"]
        own, forced = values["twin"], values["driven"]
        self._go_on_from(
            TrajectoryState(**own, params=None),
            TrajectoryState(**forced, params=None) if forced else None,
        )

    def _go_on_from(self, state: TrajectoryState | None, forced: TrajectoryState | None) -> None:
        self._states = self._solve(
            lambda params, batch: torch.func.functional_call(self._loss, params, batch),
            dict(self._loss.named_parameters()),
            map(self._batch, count(state.n if state else 0)),
            state,
        )
        self._state = next(self._states)
        self._forced_states = None
        self._forced_state = forced

    def _solve(
        self,
        loss: Callable[[Any, Any], Tensor],
        params: Any,
        batches: Iterable[Any],
        start: TrajectoryState | None,
    ) -> Iterator[TrajectoryState]:
        optimizer, continuous = self._spec.optimizer, self._spec.continuous
        assert continuous is not None
        return solve(
            loss,
            params,
            batches,
            lr=optimizer.lr,
            beta=optimizer.betas[0],
            gamma=optimizer.gammas[0],
            weight_decay=optimizer.weight_decay,
            start=start,
            **continuous.model_dump(),
        )


def _point(state: TrajectoryState) -> dict[str, Any]:
    values = {name: getattr(state, name) for name in TrajectoryState.__dataclass_fields__}
    return {name: value for name, value in values.items() if name != "params"}


class _Loss(nn.Module):
    """A model's loss as a forward pass, which is what ``functional_call`` calls."""

    def __init__(self, model: Network) -> None:
        super().__init__()
        self.model = model

    def forward(self, *batch: Tensor) -> Tensor:
        return self.model.loss(*batch)


def flat_parameters(model: Network) -> Tensor:
    """θ as one vector, (P,), in the order of ``parameters()``; a copy."""
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()])


def flat_gradients(model: Network) -> Tensor:
    """Gradient as one vector, (P,), in the order of ``parameters()``; 0 where there is none."""
    gradients = (torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters())
    return torch.cat([g.reshape(-1) for g in gradients])
