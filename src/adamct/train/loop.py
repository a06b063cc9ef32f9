"""The training loop: one step as a method, its whole state in one place.

Everything random is a function of (seed, step): the initialization, the batches, the dropout. So a
run can stop after any step, and go on from its state without a trace.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adamct.config.execution import Execution
from adamct.config.schema import ConfigurationError
from adamct.config.spec import RunSpec
from adamct.config.sweep import Sweep
from adamct.data.rng import dropout_seed, stream_seed
from adamct.optim.state import flatten
from adamct.train.compiled_loss import Loss, compiled_loss
from adamct.train.observables.heads import fix_norms, heads, norms
from adamct.train.ode import ODETrajectories, flat_gradients
from adamct.train.schedules import lr_factor
from adamct.train.states import ModelState, StepState
from adamct.train.tasks import Batch, open_task


class Training:
    """A model, its optimizer and its data, trained one step at a time.

    Whether matrix products and convolutions on a GPU round to TF32 is a switch of the process, and
    set for the run that is made last.

    Args:
        spec: what to train.
        execution: on which device, and whether compiled.
        data_dir: raw data; ``None`` where the corpus needs none.
        cache_dir: prepared data.
    """

    def __init__(
        self, spec: RunSpec, execution: Execution, *, data_dir: Path | None, cache_dir: Path
    ) -> None:
        self.spec = spec
        self.device = resolve_device(execution.device)
        if spec.dropout and self.device.type != spec.dropout_generator:
            raise ConfigurationError(
                f"the masks of dropout are drawn on {spec.dropout_generator!r}, as the run's name "
                f"says, but the run is trained on {self.device.type!r}, which draws others; say "
                f"execution.device={self.device.type} when the run is composed, so that it gets a "
                "name of its own"
            )
        # Convolutions would be in TF32 by default, matrix products not.
        torch.backends.cuda.matmul.allow_tf32 = spec.precision == "tf32"
        torch.backends.cudnn.allow_tf32 = spec.precision == "tf32"
        bfloat16 = spec.precision == "bfloat16"
        self._autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16)
        self.task = open_task(spec, self.device, data_dir=data_dir, cache_dir=cache_dir)
        generator = torch.Generator().manual_seed(stream_seed(spec.seed, "initialization"))
        model = spec.task.model.build(generator, **self.task.of_data)
        self.model = model.to(self.device)
        self._loss: Loss = self.model.loss
        if execution.compiled:  # KAdam alone decides for itself where nothing is said
            self._loss = compiled_loss(self.model, deterministic=execution.deterministic)
        self.optimizer = spec.optimizer.build(
            self.model, execution.compiled, track_max_update="max_update" in spec.needs
        )
        groups = self.optimizer.param_groups
        self._lrs = [group["lr"] for group in groups]
        for group in groups:
            flatten(group["params"])
        own = spec.optimizer.query_key
        self._norms = norms(heads(self.model)) if own and own.fixed_norm else None
        self._ode = ODETrajectories(spec, self.model, self.batch) if spec.continuous else None
        self._heads_at_end: Tensor | None = None

    def look_ahead(self) -> None:
        """Train to θ_N, keep its query and key matrices, and come back to θ_0.

        Everything random is a function of (seed, step), so the run that follows ends at the same
        θ_N: what has to be compared with the end needs no gradients stored.
        """
        if "heads_at_end" not in self.spec.needs:
            return
        beginning = copy.deepcopy(self.state_dict())
        for n in range(self.spec.n_steps):
            self._train_step(n)
        self._heads_at_end = heads(self.model)
        self.load_state_dict(beginning)

    def state(self, n: int) -> ModelState:
        """Return what is known at θ_n, before the step."""
        return ModelState(n, self.model, self._ode)

    def step(self, n: int) -> StepState:
        """Go from θ_n to θ_{n+1}; the state holds the loss and the gradients at θ_n."""
        before = heads(self.model) if "heads_before" in self.spec.needs else None
        lr, loss = self._train_step(n)
        if self._ode is not None:
            self._ode.step(flat_gradients(self.model))
        end = self._heads_at_end
        if n + 1 == self.spec.n_steps and end is not None and not end.equal(heads(self.model)):
            raise RuntimeError(
                "the run did not end where it ended when it was trained to look ahead, so its "
                "inner products with W_N are wrong; set execution.deterministic=true"
            )
        return StepState(n, lr, loss, self.model, self.optimizer, before, end)

    def _train_step(self, n: int) -> tuple[float, Tensor]:
        spec = self.spec
        factor = lr_factor(spec.schedule, n, spec.n_steps)
        for group, lr in zip(self.optimizer.param_groups, self._lrs, strict=True):
            group["lr"] = lr * factor
        if spec.dropout:
            torch.manual_seed(dropout_seed(spec.seed, n))
        if not self.model.training:  # the walk through its modules costs a small model a percent
            self.model.train()
        # Not after the step: observables look at the gradients.
        self.optimizer.zero_grad(set_to_none=False)  # they stay joined
        with self._autocast:
            loss = self._loss(*self.batch(n))
        loss.backward()
        self.optimizer.step()
        if self._norms is not None:
            fix_norms(self.model, self._norms)
        return spec.optimizer.lr * factor, loss.detach()

    def batch(self, n: int) -> Batch:
        """Return the training batch of step n: the same for every run with this seed and data."""
        return self.task.batch(n)

    @torch.no_grad()
    def evaluate(self) -> dict[str, Tensor]:
        """Return the scores on the held-out splits (see :class:`Task`), on the device."""
        self.model.eval()
        with self._autocast:
            return self.task.evaluate(self.model, self._loss)

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next step depends on, beside its index."""
        state: dict[str, Any] = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        if self._ode is not None:
            state |= self._ode.state_dict()
        if self._heads_at_end is not None:
            state["final"] = self._heads_at_end
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state that :meth:`state_dict` gave."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self._ode is not None:
            self._ode.load_state_dict(state)
        self._heads_at_end = state.get("final", self._heads_at_end)


def resolve_device(name: str) -> torch.device:
    """Return the device that an execution names; ``"auto"`` is a GPU where there is one.

    Raises:
        ConfigurationError: for a GPU where torch finds none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(
            f"execution.device = {name!r}, but torch finds no GPU here; set execution.device=cpu "
            "to train on CPU threads all the same"
        )
    return device


def check_device(sweep: Sweep) -> None:
    """Refuse a sweep whose runs would be trained on this machine, on a device that it lacks.

    Raises:
        ConfigurationError: with the remedy.
    """
    if sweep.launcher in ("local", "basic", "joblib"):  # others train on machines of their own
        resolve_device(sweep.execution.device)
