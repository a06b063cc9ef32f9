"""What observables look at: the model before a step, and the step itself."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from adamct.continuous import State
from adamct.optim import KAdam

Value = float | Tensor


@dataclass(frozen=True)
class ModelState:
    """The model at θ_n, before step n; at n = N, after the last.

    Attributes:
        n: step index.
        model: the model.
        start: θ_0 as a flat vector, (P,), kept where Equation (4) is solved beside the steps.
        twin: its solution at t_n = nη, likewise.
        driven: θ(t_n) of its solution for the gradients of the steps, (P,), likewise.
    """

    n: int
    model: nn.Module
    start: Tensor | None = None
    twin: State | None = None
    driven: Tensor | None = None


@dataclass(frozen=True)
class StepState:
    """State of step n, after its update: the loss and gradients are those at θ_n.

    Attributes:
        n: step index.
        lr: η_n.
        loss: of the step's batch at θ_n.
        model: the model, at θ_{n+1}; its gradients are those at θ_n.
        optimizer: after the step: its state is m_n and v_n.
        final: W_N of every head's query and key matrix, (heads, d_head, d_model), where an
            observable asks for them and the run was trained once before to know them.
        before: W_n likewise, where an observable asks for it.
    """

    n: int
    lr: float
    loss: Tensor
    model: nn.Module
    optimizer: KAdam
    final: Tensor | None = None
    before: Tensor | None = None
