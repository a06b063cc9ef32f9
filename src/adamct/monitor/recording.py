"""What a step leaves on the device for the next flush, and what a flush makes of it.

A recorded step reads m and v of every parameter once, and leaves ‖u_n‖∞ of each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.optimizer import Optimizer

from adamct.monitor.group_statistics import Leader
from adamct.monitor.reading import Entry, max_updates, moments_of
from adamct.optim import KAdam
from adamct.optim.update import GUARD_MARGIN, is_guarded
from adamct.theory import discrete_max_update_bound
from adamct.theory.domain import FloatArray


class History(NamedTuple):
    """The recorded steps.

    Args:
        n: step indices, shape (rows,).
        max_update: ‖u_n‖∞ over all parameters (of the last level), shape (rows,).
        leader: names of the parameters that it is of, shape (rows,).
    """

    n: NDArray[np.int64]
    max_update: FloatArray
    leader: NDArray[np.object_]


class Recorder:
    """The last rows of ‖u_n‖∞ and t of each entry, of shape (2, entries).

    Args:
        optimizer: what is watched.
        entries: its parameters, at each of its levels.
        keep: how many rows to keep.

    Attributes:
        pending: rows on the device, with their steps n.
    """

    def __init__(self, optimizer: Optimizer, entries: Sequence[Entry], keep: int) -> None:
        self._optimizer, self._entries = optimizer, entries
        level = np.array([entry.group.level for entry in entries])
        self._last_level = np.flatnonzero(level == level.max(initial=0))
        self.pending: list[tuple[int, Tensor]] = []
        self._n: deque[int] = deque(maxlen=keep)
        self._rows: deque[FloatArray] = deque(maxlen=keep)

    def record(self, n: int) -> None:
        """Look at step n, just taken, without waiting for the device."""
        # A parameter with a gradient took part. Between steps, after zero_grad, none has any.
        zeroed = all(entry.param.grad is None for entry in self._entries)
        moments = [
            moments_of(entry, self._optimizer, zeroed or entry.param.grad is not None)
            for entry in self._entries
        ]
        self.pending.append((n, max_updates(moments)))

    def take(self) -> History:
        """Bring the rows to the host, in one transfer; those in which a parameter advanced."""
        n, rows = zip(*self.pending, strict=True)
        self.pending = []
        norms, steps = torch.stack(rows, dim=1).cpu().double().numpy()
        taken = []
        for n_row, x, t in zip(n, self._guarded(norms, steps), steps, strict=True):
            # GradScaler lets a fused optimizer step without effect: t stands still.
            before = self._rows[-1][1] if self._rows else 0
            if (t > before).any():
                self._n.append(n_row)
                self._rows.append(np.array([x, t]))
                holder = self._last_level[x[self._last_level].argmax()]
                taken.append((n_row, x[holder], self._entries[holder].name))
        return history_of(taken)

    def leader(self, columns: Sequence[int], back: int) -> Leader:
        """Who leads these entries, so many rows before the last, and the record of its norms."""
        end = len(self._rows) - back
        window = np.array(self._rows)[:end]
        column = columns[int(window[-1, 0, columns].argmax())]
        x, t = window[:, :, column].T
        return Leader(self._entries[column].name, np.array(self._n, float)[:end], t - 1, x)

    def _guarded(self, x: FloatArray, t: FloatArray) -> FloatArray:
        """The norms as KAdam's guard leaves them."""
        if not isinstance(self._optimizer, KAdam):
            return x
        guarded = [is_guarded(entry.group.options) for entry in self._entries]
        β, γ = np.array([entry.group.pair for entry in self._entries]).T
        D = discrete_max_update_bound(np.maximum(t - 1, 0), β, γ)
        return np.where(guarded, np.minimum(x, D * (1 + GUARD_MARGIN)), x)


def history_of(rows: Iterable[tuple[int, float, str]]) -> History:
    """The history of (n, max-update, leader), one row a step.

    >>> history_of([(0, 1.0, "weight"), (1, 0.5, "bias")]).n
    array([0, 1])
    """
    n, max_update, leader = zip(*rows, strict=True) if (rows := list(rows)) else ((), (), ())
    return History(np.array(n, np.int64), np.array(max_update, float), np.array(leader, object))
