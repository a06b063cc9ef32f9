"""The training loop: one step as a method, its whole state in one place.

Everything random is a function of (seed, step): the initialization, the batches, the dropout. So a
run can stop after any step, and go on from its state without a trace.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adamct.config.execution import Execution
from adamct.config.spec import GPTSpec, OptimizerSpec, RunSpec
from adamct.optim import KAdam
from adamct.train.heads import heads, hold_norms, norms, query_key
from adamct.train.observables import LOOK_AHEAD
from adamct.train.schedules import lr_factor
from adamct.train.states import ModelState, StepState
from adamct.train.tasks import Batch, Model, open_task, stream_seed
from adamct.train.twin import ContinuousTwin, DrivenTwin, flat_gradients, flat_parameters


class Training:
    """A model, its optimizer and its data, advanced one step at a time.

    Args:
        spec: what to train.
        execution: on which device.
        data_dir: raw data; ``None`` where the corpus needs none.
        cache_dir: prepared data.
    """

    def __init__(
        self, spec: RunSpec, execution: Execution, *, data_dir: Path | None, cache_dir: Path
    ) -> None:
        self.spec = spec
        self.device = resolve_device(execution.device)
        self.task = open_task(spec, self.device, data_dir=data_dir, cache_dir=cache_dir)
        generator = torch.Generator().manual_seed(stream_seed(spec.seed, "initialization"))
        self.model: Model = self.task.build(generator).to(self.device)
        self.optimizer = build_optimizer(spec.optimizer, self.model, execution.compiled)
        self._lrs = [group["lr"] for group in self.optimizer.param_groups]
        own = spec.optimizer.query_key
        self._norms = norms(heads(self.model)) if own and own.fixed_norm else None
        model = spec.task.model
        drops = isinstance(model, GPTSpec) and model.dropout
        self._dropout_seed = stream_seed(spec.seed, "dropout") if drops else None
        self._start: Tensor | None = None
        self._twin: ContinuousTwin | None = None
        self._driven: DrivenTwin | None = None
        if spec.continuous is not None:
            self._start = flat_parameters(self.model)
            self._twin = ContinuousTwin(spec, self.model, self.batch)
            self._driven = DrivenTwin(spec, self._start)
        self._final: Tensor | None = None

    def look_ahead(self) -> None:
        """Train to θ_N, keep its query and key matrices, and come back to θ_0.

        Everything random is a function of (seed, step), so the run that follows ends at the same
        θ_N: what has to be compared with the end needs no gradients stored.
        """
        if not set(LOOK_AHEAD) & set(self.spec.observe):
            return
        beginning = copy.deepcopy(self.state_dict())
        for n in range(self.spec.n_steps):
            self._advance(n)
        self._final = heads(self.model)
        self.load_state_dict(beginning)

    def state(self, n: int) -> ModelState:
        """Return what is known at θ_n, before the step."""
        twin = None if self._twin is None else self._twin.state
        driven = None if self._driven is None else self._driven.theta
        return ModelState(n, self.model, self._start, twin, driven)

    def step(self, n: int) -> StepState:
        """Advance from θ_n to θ_{n+1}; the state holds the loss and the gradients at θ_n."""
        turning = "head_squared_turns" in self.spec.observe
        before = heads(self.model) if turning else None
        lr, loss = self._advance(n)
        if self._twin is not None:
            self._twin.advance()
        if self._driven is not None:
            self._driven.advance(flat_gradients(self.model))
        last = n + 1 == self.spec.n_steps
        if last and self._final is not None and not self._final.equal(heads(self.model)):
            raise RuntimeError(
                "the run did not end where it ended when it was trained to look ahead, so its "
                "inner products with W_N are wrong; set execution.deterministic=true"
            )
        return StepState(n, lr, loss, self.model, self.optimizer, self._final, before)

    def _advance(self, n: int) -> tuple[float, Tensor]:
        spec = self.spec
        factor = lr_factor(spec.schedule, n, spec.n_steps)
        for group, lr in zip(self.optimizer.param_groups, self._lrs, strict=True):
            group["lr"] = lr * factor
        if self._dropout_seed is not None:
            torch.manual_seed(_mix(self._dropout_seed, n))
        self.model.train()
        # Not after the step: observables look at the gradients.
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.model.loss(*self.batch(n))
        loss.backward()
        self.optimizer.step()
        if self._norms is not None:
            hold_norms(self.model, self._norms)
        return spec.optimizer.lr * factor, loss.detach()

    def batch(self, n: int) -> Batch:
        """Return the training batch of step n: the same for every run with this seed and data."""
        return self.task.batch(n)

    @torch.no_grad()
    def evaluate(self) -> dict[str, Tensor]:
        """Return the scores on the held-out splits (see :class:`Task`), on the device."""
        self.model.eval()
        return self.task.evaluate(self.model)

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next step depends on, beside its index."""
        state: dict[str, Any] = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        if self._twin is not None and self._driven is not None:
            state |= {"start": self._start, "twin": self._twin.state_dict()}
            state["driven"] = self._driven.state_dict()
        if self._final is not None:
            state["final"] = self._final
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state that :meth:`state_dict` gave."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self._twin is not None and self._driven is not None:
            self._start = state["start"]
            self._twin.load_state_dict(state["twin"])
            self._driven.load_state_dict(state["driven"], state["start"])
        self._final = state.get("final", self._final)


def build_optimizer(
    spec: OptimizerSpec, model: torch.nn.Module, compiled: bool | None = False
) -> KAdam:
    """Build the optimizer of a spec; it tracks the max-update."""
    return KAdam(
        _groups(spec, model),
        lr=spec.lr,
        level_betas=spec.betas,
        level_gammas=spec.gammas,
        eps=spec.eps,
        weight_decay=spec.weight_decay,
        decoupled=spec.decoupled,
        guard=spec.guard,
        compiled=compiled,
        state_dtype=getattr(torch, spec.state_dtype),
        track_max_update=True,
    )


def _groups(spec: OptimizerSpec, model: torch.nn.Module) -> list[dict[str, Any]]:
    if spec.query_key_second_moment == "elementwise" and spec.query_key is None:
        return [{"params": list(model.parameters())}]
    own = query_key(model)
    others = [p for p in model.parameters() if not any(p is W for W in own)]
    group: dict[str, Any] = {"params": own, "second_moment": spec.query_key_second_moment}
    if spec.query_key is not None:
        group |= {
            "lr": spec.query_key.lr,
            "level_betas": spec.query_key.betas,
            "level_gammas": spec.query_key.gammas,
            "weight_decay": spec.query_key.weight_decay,
        }
    return [{"params": others}, group]


def resolve_device(name: str) -> torch.device:
    """Return the device that an execution names; ``"auto"`` is a GPU where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"execution.device = {name!r}, but torch finds no GPU here; "
            "set execution.device=cpu (or auto)"
        )
    return device


def _mix(seed: int, n: int) -> int:
    return int(np.random.SeedSequence([seed, n]).generate_state(1, np.uint64)[0])
