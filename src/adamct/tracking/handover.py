"""Hands many rows at a time to W&B's process.

``Run.log`` hands over one row, and waits until a thread of W&B's has passed it on: with every core
training, these changes of thread cost more than all else that a mirror does. W&B has no public call
for many rows. So this reaches below ``Run.log``, but only to put off its last step: W&B itself
encodes the rows, in order, and passes them on by its own function. A W&B whose runs have no such
parts gets its rows one by one: the same content, at a higher price.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from adamct.tracking import names as metrics

if TYPE_CHECKING:
    from wandb import Run

ROWS_AT_ONCE = 500  # bounds what is held in memory, and what is lost where a connection breaks


def log_rows(run: Run, rows: Sequence[dict[str, Any]]) -> None:
    """Log rows as ``run.log`` does, each under its own step.

    >>> from adamct.tracking.handover import log_rows
    >>> class Printed:
    ...     def log(self, row, step):
    ...         print(step, row)
    >>> log_rows(Printed(), [{"n": 0, "lr": 0.1}, {"n": 1, "lr": 0.1}])
    0 {'n': 0, 'lr': 0.1}
    1 {'n': 1, 'lr': 0.1}
    """
    for first in range(0, len(rows), ROWS_AT_ONCE):
        with _at_once(run):
            for row in rows[first : first + ROWS_AT_ONCE]:
                run.log(row, step=row[metrics.STEP])


@contextmanager
def _at_once(run: Run) -> Iterator[None]:
    """Pass on what the body logs when it ends, in one go."""
    interface: Any = getattr(run, "_interface", None)
    direct: Any = getattr(interface, "_asyncer", None)
    if not hasattr(direct, "run"):
        yield
        return
    deferred = interface._asyncer = _Deferred(direct)
    try:
        yield
    finally:
        interface._asyncer = direct
    direct.run(deferred.all)


class _Deferred:
    """Stands in for W&B's ``AsyncioManager``: keeps what its own thread would have it run.

    Args:
        direct: that serves all others, such as W&B's own watch over a connection, which wait for
            an answer.
    """

    def __init__(self, direct: Any) -> None:
        self._direct, self._owner = direct, threading.get_ident()
        self._kept: list[Callable[[], Awaitable[Any]]] = []

    def run(self, function: Callable[[], Awaitable[Any]], **options: Any) -> Any:
        if threading.get_ident() != self._owner or options:
            return self._direct.run(function, **options)
        self._kept.append(function)
        return None  # as passing on a row does

    async def all(self) -> None:
        for function in self._kept:
            await function()

    def __getattr__(self, name: str) -> Any:  # what else there is to call, such as run_soon
        return getattr(self._direct, name)
