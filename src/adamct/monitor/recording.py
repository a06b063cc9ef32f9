"""What a step leaves on the device for the next flush, and what a flush makes of it.

torch's Adam keeps no max-update, so that a recorded step reads m and v, and leaves ‖u_n‖∞ of
every parameter. KAdam tracks its own, so that a step leaves just that; which parameter holds it is
looked up in m and v once a flush.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.optimizer import Optimizer

from adamct.monitor.reading import Entry, max_updates, moments_of
from adamct.optim import KAdam
from adamct.optim.update import GUARD_MARGIN, is_guarded
from adamct.theory import discrete_max_update_bound
from adamct.theory.domain import FloatArray

Pairs = Mapping[tuple[int, int], tuple[float, float]]  # (group, level) → (β, γ)


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


class Leader(NamedTuple):
    """The parameter that holds a group's max-update, and its record up to that row."""

    name: str
    rows: FloatArray  # the optimizer's step index of each row on record, shape (rows,)
    own_n: FloatArray  # the parameter's, shape (rows,); −1 where it took no part
    x: FloatArray  # ‖u_n‖∞, shape (rows,)


class Recorder(Protocol):
    """One kind of optimizer's way of recording."""

    def row(self) -> Tensor | None:
        """What to keep of the step just taken, without waiting for the device."""

    def take(self, n: Sequence[int], rows: Sequence[Tensor]) -> History:
        """Bring rows of the steps n to the host, in one transfer."""

    def leader(self, columns: NDArray[np.intp], back: int) -> Leader | None:
        """Who leads these entries, so many rows before the last; None if nothing is on record."""


class AdamRecorder:
    """Rows of shape (2, entries): ‖u_n‖∞ and t of every entry."""

    def __init__(self, optimizer: Optimizer, entries: Sequence[Entry], pairs: Pairs, keep: int):
        self._optimizer, self._entries, self._pairs = optimizer, entries, pairs
        self._n: deque[int] = deque(maxlen=keep)
        self._rows: deque[FloatArray] = deque(maxlen=keep)

    def row(self) -> Tensor | None:
        """Read m and v of every parameter that took part."""
        return look(self._optimizer, self._entries, self._pairs)

    def take(self, n: Sequence[int], rows: Sequence[Tensor]) -> History:
        """Take the rows in which a parameter advanced."""
        taken = []
        for n_row, row in zip(n, _to_host(torch.stack(list(rows))), strict=True):
            # GradScaler lets a fused optimizer step without effect: t stands still.
            before = self._rows[-1][1] if self._rows else 0
            if (row[1] > before).any():
                self._n.append(n_row)
                self._rows.append(row)
                holder = row[0].argmax()
                taken.append((n_row, row[0, holder], self._entries[holder].name))
        return _history(taken)

    def leader(self, columns: NDArray[np.intp], back: int) -> Leader | None:
        """The entry with the largest norm, and the record of its norms."""
        if len(self._rows) <= back:
            return None
        end = len(self._rows) - back
        window = np.array(self._rows)[:end]
        column = columns[window[-1, 0, columns].argmax()]
        x, t = window[:, :, column].T
        return Leader(self._entries[column].name, np.array(self._n, float)[:end], t - 1, x)


class KAdamRecorder:
    """Rows of shape (k,): ‖u^{(1)}‖∞ … ‖u^{(k)}‖∞ over all parameters."""

    def __init__(self, optimizer: KAdam, entries: Sequence[Entry], pairs: Pairs, keep: int):
        self._optimizer, self._entries, self._pairs = optimizer, entries, pairs
        self._n: deque[int] = deque(maxlen=keep)
        self._rows: deque[FloatArray] = deque(maxlen=keep)
        self._norms = self._t = np.zeros(len(entries))
        self._level = np.array([entry.level for entry in entries])

    def row(self) -> Tensor | None:
        """KAdam's own max-update."""
        return self._optimizer.max_update

    def take(self, n: Sequence[int], rows: Sequence[Tensor]) -> History:
        """Take the rows, and look at m and v once, as they are now."""
        levels = torch.stack(list(rows))
        now = look(self._optimizer, self._entries, self._pairs)
        if now is None:  # steps without a single gradient
            return _history([])
        flat = _to_host(torch.cat([levels.flatten(), now.to(levels).flatten()]))
        x = flat[: levels.numel()].reshape(levels.shape)
        norms, self._t = flat[levels.numel() :].reshape(2, -1)
        self._norms = self._clamped(norms)
        self._n.extend(n)
        self._rows.extend(x)
        last = np.flatnonzero(self._level == levels.shape[1] - 1)
        name = self._entries[last[self._norms[last].argmax()]].name
        return _history(zip(n, x[:, -1], [""] * (len(n) - 1) + [name], strict=True))

    def leader(self, columns: NDArray[np.intp], back: int) -> Leader | None:
        """The entry with the largest norm at the last flush.

        Its record is KAdam's maximum over all groups, so that a group that does not hold it has
        a record of one row.
        """
        if len(self._rows) <= back:
            return None
        column = columns[self._norms[columns].argmax()]
        entry, norm = self._entries[column], self._norms[column]
        rows = np.array(self._n, float)
        own_n = np.maximum(self._t[column] - 1 - (rows[-1] - rows), -1)
        if norm < self._norms[self._level == entry.level].max():
            return Leader(entry.name, rows[-1:], own_n[-1:], np.array([norm]))
        end = len(rows) - back
        x = np.array(self._rows)[:end, entry.level]
        return Leader(entry.name, rows[:end], own_n[:end], x)

    def _clamped(self, norms: FloatArray) -> FloatArray:
        """The norms as KAdam's guard leaves them."""
        groups = [self._optimizer.param_groups[entry.group] for entry in self._entries]
        guarded = [is_guarded(group) for group in groups]
        β, γ = np.array([self._pairs[entry.group, entry.level] for entry in self._entries]).T
        D = discrete_max_update_bound(np.maximum(self._t - 1, 0), β, γ)
        return np.where(guarded, np.minimum(norms, D * (1 + GUARD_MARGIN)), norms)


def look(optimizer: Optimizer, entries: Sequence[Entry], pairs: Pairs) -> Tensor | None:
    """‖u_n‖∞ and t of each entry at the last step, shape (2, entries), 0 where it took no part.

    >>> from adamct.monitor.reading import entries_of
    >>> p = torch.nn.Parameter(torch.zeros(2))
    >>> p.grad = torch.tensor([3.0, -4.0])
    >>> optimizer = torch.optim.Adam([p])
    >>> optimizer.step()
    >>> look(optimizer, entries_of(optimizer, {}), {(0, 0): (0.999, 0.9)}).round(decimals=4)
    tensor([[1.],
            [1.]])
    """
    # A parameter with a gradient took part. Between steps, after zero_grad, none has any.
    zeroed = all(entry.param.grad is None for entry in entries)
    return max_updates(
        [
            moments_of(entry, optimizer, *pairs[entry.group, entry.level])
            if zeroed or entry.param.grad is not None
            else None
            for entry in entries
        ]
    )


def _history(rows: Iterable[tuple[int, float, str]]) -> History:
    n, max_update, leader = zip(*rows, strict=True) if (rows := list(rows)) else ((), (), ())
    return History(np.array(n, np.int64), np.array(max_update, float), np.array(leader, object))


def _to_host(tensor: Tensor) -> FloatArray:
    return tensor.cpu().double().numpy()
