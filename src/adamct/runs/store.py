"""Run folders: what a run leaves on disk, who may write it, and where an interrupted one goes on.

A folder is named by its spec's ``run_id`` and holds

- ``spec.json``: the spec;
- ``environment.json``: one entry per process that worked on it (commit, versions, device, time);
- ``scalars.jsonl``: one line per step, ``{"n": 0, …}``: everything in line n is taken at θ_n;
- ``scalars.npz``: the same by scalars, of a run that is over;
- ``checkpoint.pt``: only while the run is unfinished;
- ``outcome.json``: ``finished``, ``diverged`` or ``failed``, written last and atomically. No other
  file marks a run as done;
- ``lock``: held (``flock``) by the process that trains it, and let go by the kernel if it dies.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

from adamct import files
from adamct.config.frozen import Frozen
from adamct.config.schema import explain
from adamct.config.spec import RunSpec
from adamct.config.sweep import Sweep
from adamct.runs import arrays
from adamct.runs.arrays import Arrays
from adamct.runs.lines import Line, StoreError, parse_record, step_of


@pydantic_dataclass(config=Frozen.model_config)
class Outcome:
    """How a run ended.

    Attributes:
        status: ``"finished"``; ``"diverged"``: a scalar left the finite numbers, which is a
            result; ``"failed"``: an error, and the next start tries again.
        step: number of steps whose scalars are in the record.
        reason: what diverged or failed; empty for a finished run.
        record_sha256: hash of the record, so that another run's or an altered one is noticed;
            ``None`` for a failed run.
    """

    status: Literal["finished", "diverged", "failed"]
    step: int
    reason: str = ""
    record_sha256: str | None = None

    def __post_init__(self) -> None:
        if (self.record_sha256 is None) == self.is_final:
            raise ValueError("a run that is over, and no other, has a record_sha256")

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
    def arrays_path(self) -> Path:
        """Path of the copy of the scalars as arrays, of a run that is over."""
        return self.path / "scalars.npz"

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
            return TypeAdapter(Outcome).validate_json(path.read_bytes())
        except ValidationError as error:
            raise StoreError.of(path, f"is no outcome of a run ({explain(error)})") from error

    def final_outcome(
        self, status: Literal["finished", "diverged"], step: int, reason: str = ""
    ) -> Outcome:
        """Return the outcome of a run that is over, with the hash of the record that it leaves.

        The record's copy as arrays is written first.

        Raises:
            StoreError: if the record is not of the steps 0 … step−1, once each (and of step N of a
                finished run, where something was observed at θ_N): such a run is never final.
        """
        text = self.record_path.read_bytes()
        lines = parse_record(self.record_path, text, status, step)
        sha256 = hashlib.sha256(text).hexdigest()
        files.replace(self.arrays_path, arrays.to_bytes(arrays.from_lines(lines), sha256))
        return Outcome(status, step, reason, sha256)

    def is_done(self) -> bool:
        """Whether the run has ended in a way that is not tried again."""
        outcome = self.outcome()
        return outcome is not None and outcome.is_final

    @contextmanager
    def lock(self, *, wait: bool = True) -> Iterator[None]:
        """Hold the run for this process; by default, wait while another process holds it.

        The lock belongs to the process, so a killed one leaves no stale lock behind.
        """
        with files.writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with files.exclusive(self.path / "lock", wait=wait):
            yield

    def write_spec(self, spec: RunSpec) -> None:
        """Write the spec, or check that the one already here is the same."""
        if (self.path / "spec.json").exists():
            self.check_spec(spec)
        files.replace(self.path / "spec.json", spec.canonical_json() + "\n")

    def check_spec(self, spec: RunSpec) -> None:
        """Check that the folder holds this spec.

        Raises:
            StoreError: if it holds another, or none.
        """
        path = self.path / "spec.json"
        if not path.exists() or path.read_bytes() != spec.canonical_json().encode() + b"\n":
            raise StoreError.of(path, "does not hold the spec that names its folder")

    def environments(self) -> list[dict[str, Any]]:
        """Read the entries of the processes that worked on this run, oldest first."""
        path = self.path / "environment.json"
        if not path.exists():
            return []
        try:
            entries = json.loads(path.read_text())
            if not all("wall_s" in entry for entry in entries):
                raise ValueError("an entry lacks wall_s")
        except (ValueError, TypeError) as error:
            raise StoreError.of(path, f"is no environment of a run ({error})") from error
        return list(entries)

    def wall_s(self) -> float | None:
        """Return the seconds spent on this run; ``None`` if a process was killed uncounted."""
        walls = [entry["wall_s"] for entry in self.environments()]
        return None if None in walls else sum(walls)

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
                end, tail = handle.seek(0, os.SEEK_END), 4096
                handle.seek(max(0, end - tail))
                while (text := handle.read()).count(b"\n") < 2 and tail < end:
                    tail *= 4  # a line of many values
                    handle.seek(max(0, end - tail))
                lines = text.split(b"\n")
        except FileNotFoundError:
            return 0
        last = step_of(lines[-2] + b"\n") if len(lines) > 1 else None
        return 0 if last is None else last + 1

    def lines(self) -> list[Line]:
        """Read the record of a run that is over.

        Raises:
            StoreError: for a record that is missing, or not the one that the run left.
        """
        outcome = self._checked_outcome()
        return parse_record(
            self.record_path, self.record_path.read_bytes(), outcome.status, outcome.step
        )

    def arrays(self, *, without: Collection[str] = ()) -> Arrays:
        """Read the record of a run that is over, as arrays: some of it costs no more than that.

        Args:
            without: names of scalars and vectors that are not read.

        Returns:
            What :func:`adamct.runs.arrays.from_lines` makes of the lines, less those names.

        Raises:
            StoreError: as :meth:`lines`.
        """
        sha256 = self._checked_outcome().record_sha256
        assert sha256 is not None  # of a run that is over
        found = arrays.read(self.arrays_path, sha256, lambda name: name not in without)
        if found is None:
            whole = arrays.from_lines(self.lines())
            found = {name: array for name, array in whole.items() if name not in without}
        return found

    def _checked_outcome(self) -> Outcome:
        """Return the outcome of a run that is over, and check that its record is what it left."""
        outcome = self.outcome()
        if outcome is None or not outcome.is_final:
            raise StoreError(f"{self.path} holds no run that is over; train it first")
        try:
            sha256 = files.sha256(self.record_path)
        except OSError as error:
            raise StoreError.of(self.record_path, f"cannot be read ({error.strerror})") from error
        if sha256 != outcome.record_sha256:
            raise StoreError.of(self.record_path, "is torn, altered or another run's")
        return outcome

    def clean(self) -> None:
        """Remove what a killed or failed process has left; call it under the lock."""
        for temporary in self.path.glob(".*"):
            temporary.unlink()
        if self.is_done():
            self.checkpoint_path.unlink(missing_ok=True)
        else:
            self.clear_outcome()  # a failed run is tried again


def folders_of(sweep: Sweep) -> dict[str, RunFolder]:
    """Return the folders of a sweep's runs, by ``run_id``."""
    return {name: RunFolder(sweep.runs_dir / name) for name in sweep.runs}


def processes_of(sweep: Sweep) -> list[dict[str, Any]]:
    """Read the entries of all processes that worked on a sweep's runs."""
    return [entry for folder in folders_of(sweep).values() for entry in folder.environments()]
