"""The record of a run, line by line: written while it grows, checked when it is read."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from adamct import files

Line = dict[str, Any]


class StoreError(files.ExpectedError):
    """A run folder cannot be read; the message names the file and the remedy."""

    @classmethod
    def of(cls, path: Path, wrong: str) -> StoreError:
        """Return the error that says what is wrong with a file of a run folder, with the remedy."""
        return cls(f"{path} {wrong}; delete {path.parent} to train it again")


class RecordWriter:
    """Appends lines to a record, cut at the step where the run goes on.

    Args:
        path: the record; no other process may write to it.
        start: the first step that will be written; later lines of an interrupted process, and a
            torn last one, are cut away.
    """

    def __init__(self, path: Path, start: int) -> None:
        self._path = path
        self._file: IO[bytes] = path.open("a+b")
        self._cut(start)

    def write(self, lines: list[Line]) -> None:
        """Append lines and flush them; a line that did not fit is taken back."""
        whole = self._file.tell()
        with files.writing(self._path):
            if os.fstat(self._file.fileno()).st_size != whole:
                raise StoreError(
                    f"{self._path} has grown under this process: another one writes to it, and the "
                    "file system's locks kept neither out; end one of them, then run the same "
                    "command"
                )
            try:
                for line in lines:
                    self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
                self._file.flush()
            except OSError:
                self._discard_after(whole)
                raise

    def sync(self) -> None:
        """Wait until the lines are on the disk, so that no later checkpoint is ahead of them."""
        with files.writing(self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file, with its lines on the disk: the outcome that follows vouches for them."""
        with contextlib.closing(self._file):
            self.sync()

    def _cut(self, start: int) -> None:
        self._file.seek(0)
        for number in range(start):
            if step_of(self._file.readline()) != number:
                wrong = f"ends or breaks at step {number}, before the checkpoint's step {start}"
                raise StoreError.of(self._path, wrong)
        self._file.truncate(self._file.tell())
        self._file.seek(0, os.SEEK_END)

    def _discard_after(self, whole: int) -> None:
        # Closing would try to write the buffered rest once more: reopen instead.
        with suppress(OSError):
            self._file.close()
        self._file = self._path.open("a+b")
        self._file.truncate(whole)
        self._file.seek(0, os.SEEK_END)


def step_of(line: bytes) -> int | None:
    """Return the step of a whole line of a record; ``None`` for anything else."""
    try:
        return int(json.loads(line)["n"]) if line.endswith(b"\n") else None
    except (ValueError, KeyError, TypeError):
        return None


def non_finite(line: Mapping[str, Any]) -> str | None:
    """Return the name of the first scalar of a line that is not finite, or ``None``."""
    for name, value in line.items():
        parts = value if isinstance(value, list) else [value]
        if not all(math.isfinite(part) for part in parts):
            return name
    return None


def parse_record(path: Path, text: bytes, status: str, step: int) -> list[Line]:
    """Return the lines of a whole record; refuse one whose steps are not 0 … step−1.

    Args:
        path: where the text stands, for the message.
        text: the record.
        status: of a run that is over; a finished one may hold what was observed at θ_N, too.
        step: number of steps that it should hold.
    """
    lines: list[Line] = [json.loads(line) for line in text.splitlines()]
    found = [line.get("n") for line in lines]
    at_end = status == "finished" and len(found) == step + 1
    if found != list(range(step + at_end)):
        wrong = next((i for i, n in enumerate(found) if n != i), len(found))
        raise StoreError.of(
            path,
            f"should hold steps 0 to {step - 1}, once each, and breaks at line {wrong + 1} of "
            f"{len(found)}: two processes may have written to it",
        )
    return lines
