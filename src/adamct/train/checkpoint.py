"""Checkpoints: model, optimizer and step, written atomically, read without pickle.

Nothing random is kept: batches and dropout are functions of (seed, step). The training is held up
only while its state is copied to host memory: what takes time is done in a thread.
"""

from __future__ import annotations

import hashlib
import io
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from adamct import files
from adamct.files import ExpectedError

HEADER = b"adamct checkpoint 1 sha256 "
_DIGITS = 64  # of the hash, in hex


class CheckpointError(ExpectedError):
    """A checkpoint is torn or belongs to another run; the message names it and the remedy."""


class CheckpointWriter:
    """Writes checkpoints of one run from a thread, one at a time.

    Used as a context: on leaving it, the last one is on the disk, or its error is raised.

    Args:
        path: of the checkpoint.
        run_id: of the run.
        minutes: between two checkpoints; ``None`` or 0 keeps none.
        clock: seconds; read once a step.
    """

    def __init__(
        self,
        path: Path,
        run_id: str,
        minutes: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._run_id = path, run_id
        self._interval = 60.0 * minutes if minutes else math.inf
        self._clock = clock
        self._now = self._last = clock()
        self._thread = ThreadPoolExecutor(1)  # starts with the first checkpoint
        self._pending: Future[None] | None = None

    def __enter__(self) -> CheckpointWriter:
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Wait for the last checkpoint; its error yields to one that ended the training."""
        self._thread.shutdown()
        if error is None:
            self._join()

    @property
    def are_due(self) -> bool:
        """Whether it is time for one, and the one before is on the disk.

        Raises:
            FileError: if the one before could not be written; or, for another reason than the
                file, the ``CheckpointError`` that names the run.
        """
        self._now = self._clock()
        if self._pending is not None and self._pending.done():
            self._join()
        return self._pending is None and self._now - self._last >= self._interval

    def save(self, n: int, state: dict[str, Any]) -> None:
        """Copy the state at θ_n, and begin to write it, once the checkpoint before is written."""
        self._join()
        self._pending = self._thread.submit(self._write, n, on_host(state))
        self._last = self._now

    def _join(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def _write(self, n: int, state: dict[str, Any]) -> None:
        try:
            files.replace(self._path, to_bytes(self._run_id, n, state))
        except ExpectedError:
            raise
        except Exception as error:
            raise CheckpointError(
                f"run {self._run_id}: its checkpoint at step {n} was not written "
                f"({type(error).__name__}: {error}); run the same command, which goes on from the "
                "one before, or set execution.checkpoint_minutes=null to keep none"
            ) from error


def on_host(state: Any) -> Any:
    """Copy a state to host memory: nested dicts, lists and tuples of tensors and plain values.

    What shares memory, as tied weights do, shares it in the copy.

    Example:
        >>> vector = torch.zeros(3)
        >>> copied = on_host({"whole": vector, "views": [vector[:2]]})
        >>> _ = vector.add_(1.0), copied["whole"].sub_(1.0)
        >>> copied["views"]
        [tensor([-1., -1.])]
    """
    copies: dict[int, torch.UntypedStorage] = {}

    def copy(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: copy(part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(map(copy, value))
        if not isinstance(value, Tensor):
            return value
        memory = value.untyped_storage()
        if memory.data_ptr() not in copies:
            copies[memory.data_ptr()] = memory.clone() if value.is_cpu else memory.cpu()
        layout = value.storage_offset(), value.size(), value.stride()
        return torch.empty(0, dtype=value.dtype).set_(copies[memory.data_ptr()], *layout)

    return copy(state)


def to_bytes(run_id: str, n: int, state: dict[str, Any]) -> bytes:
    """Serialize the state at θ_n; the caller writes it atomically."""
    buffer = io.BytesIO()
    buffer.write(HEADER + bytes(_DIGITS) + b"\n")
    start = buffer.tell()
    torch.save({"run_id": run_id, "n": n, "state": state}, buffer)
    with buffer.getbuffer() as whole:  # hashed where it lies: a copy may take a gigabyte
        digest = hashlib.sha256(whole[start:]).hexdigest().encode()
        whole[len(HEADER) : start - 1] = digest
    return buffer.getvalue()


def read(path: Path, run_id: str, device: torch.device) -> tuple[int, dict[str, Any]]:
    """Read a checkpoint.

    Returns:
        The step n at which the run goes on, and the state at θ_n.

    Raises:
        CheckpointError: for a torn or altered file, or one of another run.
    """
    remedy = f"delete {path} to start the run again from its first step"
    header, _, content = path.read_bytes().partition(b"\n")
    if header != HEADER + hashlib.sha256(content).hexdigest().encode():
        raise CheckpointError(f"{path} is torn, altered or no checkpoint at all; {remedy}")
    # The hash vouches for what this program wrote, so what is inside is as to_bytes left it.
    saved = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    if saved["run_id"] != run_id:
        raise CheckpointError(f"{path} belongs to run {saved['run_id']}, not {run_id}; {remedy}")
    return saved["n"], saved["state"]
