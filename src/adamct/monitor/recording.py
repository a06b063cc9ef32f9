"""What a step leaves on the device for the next flush, and what a flush makes of it.

torch's Adam keeps no max-update, so that a recorded step reads m and v, and leaves ‖u_n‖∞ of
every parameter. KAdam tracks its own, so that a step leaves just that; which parameter holds it is
looked up in m and v once a flush.
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
from adamct.optim.update import GUARD_MARGIN, is_guarded
from adamct.theory import discrete_max_update_bound
from adamct.theory.domain import FloatArray


class History(NamedTuple):
    """The recorded steps.

    Args:
        n: step indices, shape (rows,).
        max_update: ‖u_n‖∞ over all parameters (of the last level), shape (rows,).
        leader: names of the parameters that it is of, shape (rows,); "" where none was looked
            for, as under KAdam between flushes.
    """

    n: NDArray[np.int64]
    max_update: FloatArray
    leader: NDArray[np.object_]


class Recorder:
    """Rows of shape (2, entries), as of ``look``: the way of torch's Adam.

    Args:
        optimizer: what is watched.
        entries: its parameters, at each of its levels.
        keep: how many rows to keep.
    """

    def __init__(self, optimizer: Optimizer, entries: Sequence[Entry], keep: int) -> None:
        self._optimizer, self._entries = optimizer, entries
        self._n: deque[int] = deque(maxlen=keep)
        self._rows: deque[FloatArray] = deque(maxlen=keep)

    def look(self) -> Tensor | None:
        """‖u_n‖∞ and t of each entry at the last step, shape (2, entries), 0 if it took no part.

        Without waiting for the device. None before the first step.
        """
        # A parameter with a gradient took part. Between steps, after zero_grad, none has any.
        zeroed = all(entry.param.grad is None for entry in self._entries)
        took_part = [zeroed or entry.param.grad is not None for entry in self._entries]
        return max_updates(
            [
                moments_of(entry, self._optimizer) if took else None
                for entry, took in zip(self._entries, took_part, strict=True)
            ]
        )

    def row(self) -> Tensor | None:
        """What to keep of the step just taken, without waiting for the device."""
        return self.look()

    def take(self, n: Sequence[int], rows: Sequence[Tensor]) -> History:
        """Bring rows of the steps n to the host, in one transfer; those in which one advanced."""
        taken = []
        for n_row, row in zip(n, _to_host(torch.stack(list(rows))), strict=True):
            # GradScaler lets a fused optimizer step without effect: t stands still.
            before = self._rows[-1][1] if self._rows else 0
            if (row[1] > before).any():
                self._n.append(n_row)
                self._rows.append(row)
                holder = row[0].argmax()
                taken.append((n_row, row[0, holder], self._entries[holder].name))
        return history_of(taken)

    def leader(self, columns: Sequence[int], back: int) -> Leader:
        """Who leads these entries, so many rows before the last, and the record of its norms."""
        end = len(self._rows) - back
        window = np.array(self._rows)[:end]
        column = columns[int(window[-1, 0, columns].argmax())]
        x, t = window[:, :, column].T
        return Leader(self._entries[column].name, np.array(self._n, float)[:end], t - 1, x)


class KAdamRecorder(Recorder):
    """Rows of shape (k,), ‖u^{(1)}‖∞ … ‖u^{(k)}‖∞ over all parameters, by KAdam's own tracking."""

    def row(self) -> Tensor | None:
        """KAdam's own max-update."""
        return self._optimizer.max_update  # type: ignore[attr-defined]

    def take(self, n: Sequence[int], rows: Sequence[Tensor]) -> History:
        """Take the rows, and look at m and v once, as they are now."""
        levels, now = torch.stack(list(rows)), self.look()
        if now is None:  # steps without a single gradient
            return history_of([])
        flat = _to_host(torch.cat([levels.flatten(), now.to(levels).flatten()]))
        x = flat[: levels.numel()].reshape(levels.shape)
        norms, self._t = flat[levels.numel() :].reshape(2, -1)
        self._norms = self._clamped(norms)
        self._n.extend(n)
        self._rows.extend(x)
        self._level = np.array([entry.group.level for entry in self._entries])
        top = self._level.max()  # of the levels that have entries
        last = np.flatnonzero(self._level == top)
        name = self._entries[last[self._norms[last].argmax()]].name
        return history_of(zip(n, x[:, top], [""] * (len(n) - 1) + [name], strict=True))

    def leader(self, columns: Sequence[int], back: int) -> Leader:
        """The entry with the largest norm at the last flush.

        Its record is KAdam's maximum over all groups, so that a group that does not hold it has
        a record of one row.
        """
        column = columns[int(self._norms[columns].argmax())]
        entry, norm = self._entries[column], self._norms[column]
        rows = np.array(self._n, float)
        own_n = np.maximum(self._t[column] - 1 - (rows[-1] - rows), -1)
        if norm < self._norms[self._level == entry.group.level].max():
            return Leader(entry.name, rows[-1:], own_n[-1:], np.array([norm]))
        end = len(rows) - back
        x = np.array(self._rows)[:end, entry.group.level]
        return Leader(entry.name, rows[:end], own_n[:end], x)

    def _clamped(self, norms: FloatArray) -> FloatArray:
        """The norms as KAdam's guard leaves them."""
        guarded = [is_guarded(entry.group.options) for entry in self._entries]
        β, γ = np.array([entry.group.pair for entry in self._entries]).T
        D = discrete_max_update_bound(np.maximum(self._t - 1, 0), β, γ)
        return np.where(guarded, np.minimum(norms, D * (1 + GUARD_MARGIN)), norms)


def history_of(rows: Iterable[tuple[int, float, str]]) -> History:
    """The history of (n, max-update, leader), one row a step.

    >>> history_of([(0, 1.0, "weight"), (1, 0.5, "bias")]).n
    array([0, 1])
    """
    n, max_update, leader = zip(*rows, strict=True) if (rows := list(rows)) else ((), (), ())
    return History(np.array(n, np.int64), np.array(max_update, float), np.array(leader, object))


def _to_host(tensor: Tensor) -> FloatArray:
    return tensor.cpu().double().numpy()
