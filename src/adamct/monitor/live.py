"""The monitor of a live optimizer: a hook after each step, one transfer every so many."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Hashable
from contextlib import ExitStack

import numpy as np
import torch
from torch import Tensor
from torch.optim import Adam, AdamW
from torch.optim.optimizer import Optimizer

from adamct.monitor.group_statistics import GroupStatistics, Window
from adamct.monitor.reading import NamedParameters, entries_of, names_in, pairs_of
from adamct.monitor.recording import History, Recorder, history_of
from adamct.optim import KAdam

JUDGE_EVERY = 10  # rows

_NOT_USERS = {"adamct", "torch"}  # whose lines a warning does not point at


class StabilityWarning(UserWarning):
    """The pair of an optimizer is unstable, or a parameter's update grows exponentially."""


class Monitor:
    """Watch an optimizer's max-update from now on, through a hook after each of its steps.

    It warns at once if a pair is unstable (γ² ≥ β), and once more when the parameter that holds
    the max-update grows exponentially, or has outgrown what a stable pair shows. A recorded step
    reads m and v of every parameter once, at each level; ``every=10`` makes that a tenth of the
    work. ``monitor.attach`` is its short name.

    Args:
        optimizer: ``torch.optim.Adam`` or ``AdamW`` (for-loop, foreach or fused), or ``KAdam``.
        named_parameters: a model, or (name, parameter) pairs, to name parameters by. By default
            the names that the optimizer was given, else indices.
        every: record one step in so many.
        flush_every: steps between transfers to the host, at which the leader is judged.
        warn: whether to warn; or a function to call with each ``StabilityWarning`` instead.

    Attributes:
        groups: one ``GroupStatistics`` for each parameter group and level, as of the last flush.

    ``report()``, ``history`` and ``detach()`` are what else there is; also a context manager.

    Raises:
        TypeError: another kind of optimizer.
        ValueError: ``every`` or ``flush_every`` below 1, or names that fit no parameter.

    >>> theta = torch.nn.Parameter(torch.ones(3))
    >>> optimizer = Adam([theta], betas=(0.9, 0.999))
    >>> with attach(optimizer, {"theta": theta}) as monitor:
    ...     for _ in range(3):
    ...         optimizer.zero_grad()
    ...         theta.square().sum().backward()
    ...         optimizer.step()
    >>> monitor.history.n, monitor.history.leader[-1]
    (array([0, 1, 2]), 'theta')
    """

    groups: list[GroupStatistics]

    def __init__(
        self,
        optimizer: Optimizer,
        named_parameters: NamedParameters | None = None,
        *,
        every: int = 1,
        flush_every: int = 20,
        warn: bool | Callable[[StabilityWarning], object] = True,
    ) -> None:
        if not isinstance(optimizer, (Adam, AdamW, KAdam)):
            raise TypeError(
                f"got {type(optimizer).__name__}; expected torch.optim.Adam, AdamW or KAdam, whose "
                "m and v the monitor reads. Of a wrapper, pass the optimizer inside"
            )
        for name, value in (("every", every), ("flush_every", flush_every)):
            if value < 1:
                raise ValueError(f"{name}={value!r} is too small; expected a number of steps >= 1")
        self._optimizer = optimizer
        self._names = {} if named_parameters is None else names_in(named_parameters)
        self._every, self._flush_every, self._warn = every, flush_every, warn
        self._window = Window.for_every(every)
        self._history = [history_of([])]
        self._warned: set[Hashable] = set()
        self._begin()
        if self._names and not any(entry.param in self._names for entry in self._entries):
            raise ValueError(
                f"none of the {len(self._names)} named parameters is the optimizer's; pass the "
                "model whose parameters it steps"
            )
        self._undo = ExitStack()
        self._undo.enter_context(optimizer.register_step_post_hook(self._after_step))
        self._undo.enter_context(optimizer.register_load_state_dict_post_hook(self._after_load))
        self._warn_of_pairs()

    def flush(self) -> None:
        """Bring what is on the device to the host, and judge it. Waits for the device."""
        self._since_flush = 0
        if not self._recorder.pending:
            return
        self._read_pairs(tensors=True)
        self._history.append(self._recorder.take())
        self._warn_of_pairs()
        # Growth can end in a reset just before the flush: so judge along the way, too.
        for back in reversed(range(0, len(self._history[-1].n), JUDGE_EVERY)):
            for group in self.groups:
                group.update(self._recorder.leader(group.columns, back), self._window)
                if group.grows:
                    self._warn_once("grows", group.growth_text())

    @property
    def history(self) -> History:
        """What has been recorded, up to the last step."""
        self.flush()
        return History(*map(np.concatenate, zip(*self._history, strict=True)))

    def report(self) -> str:
        """Every group's pair under both theories, its max-update, and who holds it."""
        self.flush()
        when = f"after step n = {self._n - 1}" if self._n else "before its first step"
        parts = [f"{type(self._optimizer).__name__} {when}"]
        return "\n\n".join(parts + [group.as_text() for group in self.groups])

    def detach(self) -> None:
        """Flush, and leave the optimizer as it was."""
        self.flush()
        self._undo.close()

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *error: object) -> None:
        self.detach()

    def _begin(self, n: int | None = None) -> None:
        """Lay everything out for the optimizer's groups and state as they are now, at step n."""
        optimizer = self._optimizer
        self._layout = _layout(optimizer)
        self._entries = entries_of(optimizer, self._names)
        self.groups = list(dict.fromkeys(entry.group for entry in self._entries))
        steps = (optimizer.state.get(entry.param, {}).get("step", 0) for entry in self._entries)
        self._n = int(max(steps, default=0)) if n is None else n  # of the next step
        self._read_pairs(tensors=True)
        self._since_flush = 0
        keep = self._window.n_rows + self._flush_every
        self._recorder = Recorder(optimizer, self._entries, keep)

    def _after_load(self, optimizer: Optimizer) -> None:
        self.flush()
        self._begin()
        self._warn_of_pairs()

    @torch.compiler.disable
    @torch.no_grad()
    def _after_step(self, optimizer: Optimizer, args: object, kwargs: object) -> None:
        if _layout(optimizer) != self._layout:  # groups have changed since the last step
            self.flush()
            self._begin(self._n)
        self._read_pairs(tensors=False)
        if self._n % self._every == 0 and self._entries:
            self._recorder.record(self._n)
        self._n += 1
        self._since_flush += 1
        if self._since_flush >= self._flush_every:
            self.flush()

    def _read_pairs(self, *, tensors: bool) -> None:
        """Note the pairs in effect. For those that are tensors one may have to wait."""
        for group in self.groups:
            beta, gamma = pairs_of(group.options)[group.level]
            if isinstance(beta, Tensor) and not tensors:
                continue
            pair = float(beta), float(gamma)
            if pair != group.pair:
                group.pair, group.since = pair, self._n

    def _warn_of_pairs(self) -> None:
        for group in self.groups:
            if group.alarming:
                self._warn_once(group.diagnosis.torch_betas, group.pair_text())

    def _warn_once(self, key: Hashable, message: str) -> None:
        if not self._warn or key in self._warned:
            return
        self._warned.add(key)
        if callable(self._warn):
            self._warn(StabilityWarning(message))
        else:
            warnings.warn(message, StabilityWarning, stacklevel=_depth_of_caller())


attach = Monitor


def _layout(optimizer: Optimizer) -> list[tuple[int, int]]:
    return [(id(group), len(group["params"])) for group in optimizer.param_groups]


def _depth_of_caller() -> int:
    """The stacklevel of the user's own line, below this project's frames and torch's."""
    depth, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in _NOT_USERS:
        depth, frame = depth + 1, frame.f_back
    return depth
