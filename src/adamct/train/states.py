"""What observables look at: the model before a step, and the step itself."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from adamct.models.network import Network
from adamct.optim import KAdam
from adamct.train.ode import ODETrajectories

Value = float | Tensor


@dataclass(frozen=True)
class ModelState:
    """The model at θ_n, before step n; at n = N, after the last.

    Attributes:
        n: step index.
        model: the model.
        ode: the solutions of Equation (4) at t_n = nη, where they are asked for.
    """

    n: int
    model: Network
    ode: ODETrajectories | None = None


@dataclass(frozen=True)
class StepState:
    """State of step n, after its update: the loss and gradients are those at θ_n.

    Attributes:
        n: step index.
        lr: η_n.
        loss: of the step's batch at θ_n.
        model: the model, at θ_{n+1}; its gradients are those at θ_n.
        optimizer: after the step: its state is m_n and v_n.
        heads_before: W_n of every head's query and key matrix, (heads, d_head, d_model), where an
            observable needs it.
        heads_at_end: W_N likewise, known because the run was trained once before.
    """

    n: int
    lr: float
    loss: Tensor
    model: Network
    optimizer: KAdam
    heads_before: Tensor | None = None
    heads_at_end: Tensor | None = None
