"""``solve``: a continuous-time trajectory, handed out state by state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import torch
from torch import Tensor

from adamct.continuous.equation import AdamEquation, PhasePoint
from adamct.continuous.objective import Objective
from adamct.continuous.schemes import SCHEMES

PSI0 = ("rest", "sign")


@dataclass(frozen=True)
class TrajectoryState(PhasePoint):
    """The solution on the step grid, at t_n = nη.

    Attributes:
        t, theta, psi, m, v: the point itself, as flat vectors (P,); see ``PhasePoint``.
        n: step index.
        u: u(t_n), Equation (3), (P,).
        params: θ(t_n) in the form of the parameters given to ``solve``; views of ``theta``, from
            which the solution goes on: copy before writing into them.

    """

    n: int
    u: Tensor
    params: Any


class Trajectory(Iterator[TrajectoryState]):
    """States at n = 0, 1, 2, …, each computed when it is asked for, and none kept.

    To see progress, iterate over ``tqdm(solve(...))``.
    """

    def __init__(self, states: Iterator[TrajectoryState], objective: Objective) -> None:
        self._states = states
        self._objective = objective

    def __next__(self) -> TrajectoryState:
        return next(self._states)

    def unflatten(self, vector: Tensor) -> Any:
        """Give a flat vector (P,), such as ``state.u``, the form of the parameters; views of it."""
        return self._objective.unflatten(vector)

    def stack(self) -> Tensor:
        """Run to the last batch and return θ at every state, (states, P). Keeps them all."""
        return torch.stack([state.theta for state in self])


def solve(
    loss: Callable[[Any, Any], Tensor],
    params: Any,
    batches: Iterable[Any],
    *,
    lr: float,
    beta: float,
    gamma: float,
    weight_decay: float = 0.0,
    n_substeps: int = 100,
    scheme: str = "euler",
    psi0: str = "rest",
    start: TrajectoryState | None = None,
) -> Trajectory:
    """Solve Equation (4), λθ + θ̇ + ½ηθ̈ = −u(t), the continuous-time form of AdamW.

    The method is that of Appendix I, at p = 1: Δt = η/K. Step n is t_n = nη, and its batch is
    fixed for t in [t_n, t_{n+1}); the gradient is taken at the current θ(t).

    K = 100 Euler substeps are the paper's choice, at 100 gradients a step. ``"exponential"``
    takes three a substep and needs few: on a small GPT at η = 1e-3 it is more accurate with one
    substep. ``python scripts/bench.py continuous`` prints the error of both against K, and
    docs/NUMERICS.md has its table.

    Args:
        loss: ``loss(params, batch)``, a scalar tensor, differentiable in params. It must be
            deterministic: no dropout.
        params: θ(0), a tensor, a sequence or a mapping of tensors, all float32 or all float64,
            on one device. Copied when ``solve`` is called, and never changed.
        batches: one batch a step; each is taken once, when its step is computed.
        lr: η > 0.
        beta: β in (0, 1), of the second moment (torch's ``betas[1]``).
        gamma: γ in (0, 1), of the first moment (torch's ``betas[0]``).
        weight_decay: λ ≥ 0, decoupled.
        n_substeps: K ≥ 1, substeps a step.
        scheme: ``"euler"`` or ``"exponential"``.
        psi0: θ̇(0): ``"rest"``, −λθ(0), since u(0) = 0; or ``"sign"``, −(sign g(0) + λθ(0)),
            discrete Adam's first update, at one gradient more.
        start: a state of an earlier trajectory to go on from, in place of θ(0), ψ(0) and n = 0;
            the first batch is then that of step ``start.n``. params give only the form.

    Returns:
        An iterator over the states n = 0, …, N (from ``start.n`` if given), N the number of
        batches. However long the trajectory, it holds a fixed number of vectors of
        length P at a time: about 30 with Euler, 50 with the exponential scheme.

    Raises:
        TypeError, ValueError: at the call, for an argument that cannot work; on the way, for a
            loss that is not a scalar or does not depend on params.
        FloatingPointError: on the way, when the loss or the parameters cease to be finite.

    Examples:
        A bowl, ½‖θ‖², which needs no data:

        >>> import torch
        >>> settings = dict(lr=1e-2, beta=0.999, gamma=0.9)
        >>> def bowl(theta, batch):
        ...     return theta.square().sum() / 2
        >>> for state in solve(bowl, torch.ones(2), [None] * 3, n_substeps=10, **settings):
        ...     print(state.n, f"{state.params[0]:.4f}")
        0 1.0000
        1 0.9975
        2 0.9903
        3 0.9816

        A module, through ``torch.func.functional_call``:

        >>> model = torch.nn.Linear(3, 1)
        >>> def loss(params, batch):
        ...     x, y = batch
        ...     prediction = torch.func.functional_call(model, params, (x,))
        ...     return torch.nn.functional.mse_loss(prediction, y)
        >>> batches = [(torch.randn(8, 3), torch.randn(8, 1)) for _ in range(5)]
        >>> weights = dict(model.named_parameters())
        >>> trajectory = solve(
        ...     loss, weights, batches, scheme="exponential", n_substeps=2, **settings
        ... )
        >>> *_, last = trajectory
        >>> {name: tuple(p.shape) for name, p in last.params.items()}
        {'weight': (1, 3), 'bias': (1,)}

    """
    equation = AdamEquation(η=lr, β=beta, γ=gamma, λ=weight_decay)
    if isinstance(n_substeps, bool) or not isinstance(n_substeps, int) or n_substeps < 1:
        raise ValueError(f"n_substeps is {n_substeps!r}; expected a whole number, 1 or above")
    for name, value, choices in (("scheme", scheme, SCHEMES), ("psi0", psi0, PSI0)):
        if value not in choices:
            raise ValueError(f"{name} is {value!r}; expected one of {', '.join(choices)}")
    objective = Objective(loss, params)
    if start is not None and start.theta.shape != objective.initial.shape:
        raise ValueError(
            f"start has {start.theta.numel()} parameters and params {objective.initial.numel()}; "
            "expected the params of the trajectory that start was taken from"
        )
    step, h = SCHEMES[scheme].step, lr / n_substeps

    def state_at(n: int, x: PhasePoint) -> TrajectoryState:
        t = n * lr  # not a sum of substeps, which would drift
        u = equation.u(t, x.m, x.v)
        return TrajectoryState(
            t, x.theta, x.psi, x.m, x.v, n=n, u=u, params=objective.unflatten(x.theta)
        )

    def over_step(n: int, batch: Any, x: PhasePoint) -> PhasePoint:
        total: Tensor | float = 0.0  # of the losses met on the way

        def gradient(θ: Tensor) -> Tensor:
            nonlocal total
            value, g = objective.value_and_gradient(θ, batch)
            total = total + value
            return g

        for _ in range(n_substeps):
            x = step(equation, h, gradient, x)
        # Looked at once a step: at each substep it would make a GPU wait each time.
        if not torch.isfinite(total + x.theta.sum()):
            raise FloatingPointError(
                f"the loss or the parameters are no longer finite in step {n}; check the loss and "
                "the batch of that step, or lower lr (Euler also needs n_substeps > 1)"
            )
        return x

    def states(batches: Iterator[Any]) -> Iterator[TrajectoryState]:
        state = start
        if state is None:
            θ = objective.initial
            ψ = equation.psi_at_rest(θ)
            if psi0 == "sign":
                first = list(islice(batches, 1))
                if not first:
                    raise ValueError("batches is empty; psi0='sign' needs the first one's gradient")
                _, g = objective.value_and_gradient(θ, first[0])
                ψ = equation.psi_of_first_update(θ, g)
                batches = chain(first, batches)
            zeros = torch.zeros_like(θ)
            state = state_at(0, PhasePoint(0.0, θ, ψ, m=zeros, v=zeros))
        yield state
        for n, batch in enumerate(batches, start=state.n):
            state = state_at(n + 1, over_step(n, batch, state))
            yield state

    return Trajectory(states(iter(batches)), objective)
