"""Run folders: what a run leaves on disk, who may write it, and where an interrupted one goes on.

A folder is named by its spec's ``run_id`` and holds

- ``spec.json``: the spec;
- ``environment.json``: one entry per process that worked on it (commit, versions, device, time);
- ``scalars.jsonl``: one line per step, ``{"n": 0, …}``: everything in line n is taken at θ_n;
- ``checkpoint.pt``: only while the run is unfinished;
- ``outcome.json``: ``finished``, ``diverged`` or ``failed``, written last and atomically. No other
  file marks a run as done;
- ``lock``: held (``flock``) by the process that trains it, and let go by the kernel if it dies.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

from adamct import files
from adamct.spec import RunSpec

Line = dict[str, Any]


class StoreError(RuntimeError):
    """A run folder cannot be read; the message names the file and the remedy."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: ``"finished"``; ``"diverged"``: a scalar left the finite numbers, which is a
            result; ``"failed"``: an error, and the next start tries again.
        step: number of steps whose scalars are in the record.
        reason: what diverged or failed; empty for a finished run.
    """

    status: Literal["finished", "diverged", "failed"]
    step: int
    reason: str = ""

    @property
    def is_final(self) -> bool:
        """Whether the run is over: a failed one is tried again."""
        return self.status != "failed"


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @classmethod
    def of(cls, spec: RunSpec, runs_dir: Path) -> RunFolder:
        """Return the folder of a spec; nothing is created."""
        return cls(Path(runs_dir) / spec.run_id)

    @property
    def record_path(self) -> Path:
        """Path of the scalars, one JSON line a step."""
        return self.path / "scalars.jsonl"

    @property
    def checkpoint_path(self) -> Path:
        """Path of the checkpoint of an unfinished run."""
        return self.path / "checkpoint.pt"

    def outcome(self) -> Outcome | None:
        """Read the outcome; ``None`` while there is none."""
        path = self.path / "outcome.json"
        if not path.exists():
            return None
        try:
            return Outcome(**json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise StoreError(
                f"{path} is no outcome of a run ({error}); delete {self.path} to train it again"
            ) from error

    def is_done(self) -> bool:
        """Whether the run has ended in a way that is not tried again."""
        outcome = self.outcome()
        return outcome is not None and outcome.is_final

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for this process; waits while another process holds it.

        The lock belongs to the process, so a killed one leaves no stale lock behind.
        """
        with files.writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with files.exclusive(self.path / "lock", wait=True):
            yield

    def write_spec(self, spec: RunSpec) -> None:
        """Write the spec, or check that the one already here is the same."""
        path = self.path / "spec.json"
        text = spec.canonical_json() + "\n"
        if path.exists() and path.read_text() != text:
            raise StoreError(
                f"{path} holds another spec than the one that names its folder; "
                f"delete {self.path} to train it again"
            )
        files.replace(path, text)

    def environments(self) -> list[dict[str, Any]]:
        """Read the entries of the processes that worked on this run, oldest first."""
        path = self.path / "environment.json"
        if not path.exists():
            return []
        try:
            entries = json.loads(path.read_text())
        except ValueError as error:
            raise StoreError(f"{path} is no JSON ({error}); delete {self.path}") from error
        return list(entries)

    def write_environments(self, entries: list[dict[str, Any]]) -> None:
        """Replace the entries of the processes that worked on this run."""
        files.replace(self.path / "environment.json", json.dumps(entries, indent=1) + "\n")

    def write_outcome(self, outcome: Outcome) -> None:
        """Write the outcome: the last act of a run."""
        files.replace(self.path / "outcome.json", json.dumps(asdict(outcome)) + "\n")

    def clear_outcome(self) -> None:
        """Remove the outcome of a failed run that is being tried again."""
        (self.path / "outcome.json").unlink(missing_ok=True)

    def steps_recorded(self) -> int:
        """Return the number of whole lines in the record, cheaply, from its last one."""
        try:
            with self.record_path.open("rb") as handle:
                handle.seek(0, os.SEEK_END)
                handle.seek(max(0, handle.tell() - 4096))
                lines = handle.read().split(b"\n")
        except FileNotFoundError:
            return 0
        for line in reversed(lines[:-1]):
            try:
                return int(json.loads(line)["n"]) + 1
            except (ValueError, KeyError, TypeError):
                continue
        return 0

    def lines(self) -> list[Line]:
        """Read the record of a run that is over; checks that no step is missing.

        Raises:
            StoreError: for a record that is torn, foreign or shorter than its outcome says.
        """
        lines: list[Line] = []
        try:
            with self.record_path.open() as handle:
                for number, text in enumerate(handle):
                    line = json.loads(text)
                    if line["n"] != number:
                        raise ValueError(f"line {number + 1} is of step {line['n']}")
                    lines.append(line)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{self.record_path} cannot be read: {error}; delete {self.path} to train it again"
            ) from error
        outcome = self.outcome()
        if outcome is None or len(lines) < outcome.step:
            expected = "an unfinished run" if outcome is None else f"{outcome.step} steps"
            raise StoreError(
                f"{self.record_path} holds {len(lines)} steps of {expected}; "
                f"delete {self.path} to train it again"
            )
        return lines


class RecordWriter:
    """Appends lines to a record, cut at the step where the run goes on.

    Args:
        path: the record.
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
            try:
                for line in lines:
                    self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
                self._file.flush()
            except OSError:
                self._discard_after(whole)
                raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _cut(self, start: int) -> None:
        self._file.seek(0)
        for number in range(start):
            line = self._file.readline()
            if not line.endswith(b"\n") or json.loads(line)["n"] != number:
                raise StoreError(
                    f"{self._path} ends or breaks at step {number}, before the checkpoint's step "
                    f"{start}; delete {self._path.parent} to train the run again"
                )
        self._file.truncate(self._file.tell())
        self._file.seek(0, os.SEEK_END)

    def _discard_after(self, whole: int) -> None:
        # Closing would try to write the buffered rest once more: reopen instead.
        with suppress(OSError):
            self._file.close()
        self._file = self._path.open("a+b")
        self._file.truncate(whole)
        self._file.seek(0, os.SEEK_END)


def non_finite(line: Mapping[str, Any]) -> str | None:
    """Return the name of the first scalar of a line that is not finite, or ``None``."""
    for name, value in line.items():
        parts = value if isinstance(value, list) else [value]
        if not all(math.isfinite(part) for part in parts):
            return name
    return None
