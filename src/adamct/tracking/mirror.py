"""Writes records into W&B: one W&B run a point, each step once, and a note of what is done.

Offline, a mirror that was cut short is removed and written again from the record, which is the
truth. Online, the server says which steps it has, and the rest is sent. Every complete mirror
leaves a small note, by which the next start skips it.
"""

from __future__ import annotations

import hashlib
import json
import netrc
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlparse

from adamct import files, metrics
from adamct.spec import Cell, WandbTracker
from adamct.store import Line, Outcome, RunFolder, StoreError
from adamct.tracking.content import rows, run_config, run_identity, summary

if TYPE_CHECKING:
    from wandb import Run

Mode = Literal["online", "offline"]

# Raised whenever the same record would be mirrored otherwise than before.
FORMAT = 1
FINISH_TIMEOUT = 120.0  # seconds that the last rows of a run may take to a slow server


class TrackingError(RuntimeError):
    """W&B cannot be used as asked; the message names the remedy."""


@contextmanager
def answered() -> Iterator[None]:
    """Raise whatever W&B's package raises, of its many kinds, as a ``TrackingError``."""
    try:
        yield
    except Exception as error:
        raise TrackingError(
            f"W&B failed ({type(error).__name__}: {error}); start again to go on where it "
            "stopped, or set tracker.mode=offline"
        ) from error


@dataclass(frozen=True)
class Mirror:
    """The mirror of one tracker: what is in it, and how a W&B run is opened.

    Attributes:
        tracker: where.
        mode: online or offline, decided.
    """

    tracker: WandbTracker
    mode: Mode

    @classmethod
    @contextmanager
    def held(cls, tracker: WandbTracker, group: str) -> Iterator[Mirror]:
        """Hold a group of the mirror for this process.

        Raises:
            FileError: if another process mirrors the same group, or the folder cannot be written.
            TrackingError: if W&B is not installed.
        """
        with files.writing(tracker.folder):
            (tracker.folder / "mirrored").mkdir(parents=True, exist_ok=True)
        with files.exclusive(tracker.folder / f"{group}.lock", wait=False):
            yield cls(tracker, tracker_mode(tracker))

    def where(self) -> str:
        """Say where the mirror is to be looked at."""
        if self.mode == "online":
            return f"online, in project {self.tracker.project}"
        return f"offline; upload with: wandb sync {self.tracker.folder}/wandb/offline-run-*"

    def is_complete(self, cell: Cell) -> bool:
        """Whether the mirror holds all of the record that this cell's run has now."""
        note, outcome = self._note(cell), RunFolder.of(cell.spec, cell.runs_dir).outcome()
        if outcome is None or not outcome.is_final or not note.exists():
            return False
        here = self.mode == "online" or bool(self.local_folders(run_identity(cell).id))
        return here and note.read_text() == self._note_text(outcome)

    def note_complete(self, cell: Cell, outcome: Outcome) -> None:
        """Note that the mirror of a cell is complete."""
        files.replace(self._note(cell), self._note_text(outcome))

    def forget(self, cell: Cell) -> None:
        """Forget that the mirror of a cell is complete."""
        self._note(cell).unlink(missing_ok=True)

    def local_folders(self, wandb_id: str) -> list[Path]:
        """Return W&B's folders of one of its runs; more than one only where a mirror was cut."""
        return sorted((self.tracker.folder / "wandb").glob(f"*run-*-{wandb_id}"))

    def open(self, wandb_id: str, **about: Any) -> Run:
        """Open a W&B run, fresh offline, and where the server's rows end online.

        Args:
            wandb_id: its name for the machine.
            about: ``name, group, job_type, tags, config`` of ``wandb.init``.
        """
        import wandb

        for folder in self.local_folders(wandb_id):
            shutil.rmtree(folder)
        with answered():
            return wandb.init(
                project=self.tracker.project,
                entity=self.tracker.entity,
                dir=self.tracker.folder,
                id=wandb_id,
                resume="allow" if self.mode == "online" else None,
                settings=wandb.Settings(
                    mode=self.mode,
                    reinit="create_new",  # several records grow at once
                    init_timeout=self.tracker.init_timeout,
                    finish_timeout=FINISH_TIMEOUT,
                    finish_timeout_raises=True,
                    # A reader of records has no output, code or machine of its own to report.
                    silent=True,
                    console="off",
                    disable_git=True,
                    save_code=False,
                    x_disable_stats=True,
                    x_disable_meta=True,
                    x_disable_machine_info=True,
                    x_save_requirements=False,
                ),
                **about,
            )

    def _note(self, cell: Cell) -> Path:
        return self.tracker.folder / "mirrored" / f"{run_identity(cell).id}.json"

    def _note_text(self, outcome: Outcome) -> str:
        note = {
            "format": FORMAT,
            "record_sha256": outcome.record_sha256,
            "mode": self.mode,
            "project": self.tracker.project,
            "entity": self.tracker.entity,
        }
        return json.dumps(note) + "\n"


class PointMirror:
    """The mirror of one point while it is being made.

    Args:
        mirror: of which it is a part.
        cell: the point; its run may be over, or its record may still grow.
    """

    def __init__(self, mirror: Mirror, cell: Cell) -> None:
        self._mirror, self._cell = mirror, cell
        self._folder = RunFolder.of(cell.spec, cell.runs_dir)
        self._next = 0  # the first step that W&B does not have
        self._start()

    def advance(self) -> bool:
        """Mirror the whole lines that the record has gained.

        Returns:
            Whether the run is over, and all of it is mirrored.

        Raises:
            StoreError: if the record is not the one that the run left.
        """
        outcome = self._folder.outcome()  # before the record, which is whole where there is one
        if not self._record.read() or not self._is_of(outcome):
            # A training that goes on cuts its record at its checkpoint: nothing read is sure.
            self.close(complete=False)
            self._start()
            self._record.read()
            if not self._is_of(outcome):
                self._folder.lines()  # says what is wrong with it
        over = outcome is not None and outcome.is_final
        with answered():
            for row in rows(self._cell.spec, self._record.lines, self._next, complete=over):
                self._run.log(row, step=row[metrics.STEP])
                self._next = row[metrics.STEP] + 1
        if outcome is None or not over:
            return False
        wall_s = self._folder.wall_s()
        self._run.summary.update(summary(self._cell, self._record.lines, outcome, wall_s))
        self.close(complete=True)
        self._mirror.note_complete(self._cell, outcome)
        return True

    def close(self, *, complete: bool) -> None:
        """Close the W&B run; an incomplete one shows as failed until it is mirrored again."""
        with answered():
            self._run.finish(exit_code=0 if complete else 1)

    def _start(self) -> None:
        identity = run_identity(self._cell)
        self._record = _GrowingRecord(self._folder.record_path)
        self._run = self._mirror.open(
            identity.id,
            name=identity.name,
            group=identity.group,
            job_type=metrics.POINT_JOB,
            tags=identity.tags,
            config=run_config(self._cell),
        )
        self._run.define_metric(metrics.STEP)
        self._run.define_metric("*", step_metric=metrics.STEP)
        self._next = self._run.starting_step  # offline 0; online where the server's rows end

    def _is_of(self, outcome: Outcome | None) -> bool:
        """Whether the lines read are those of an outcome; those of an unfinished run may be."""
        if outcome is None or not outcome.is_final:
            return True
        return self._record.sha256 == outcome.record_sha256


class _GrowingRecord:
    """Reads the whole lines of a record that another process may be writing."""

    def __init__(self, path: Path) -> None:
        self.lines: list[Line] = []
        self._path = path
        self._read = 0
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Hash of all that was read."""
        return self._hash.hexdigest()

    def read(self) -> bool:
        """Read on; return False if the record has become shorter than what was read of it."""
        try:
            with self._path.open("rb") as file:
                if file.seek(0, os.SEEK_END) < self._read:
                    return False
                file.seek(self._read)
                text = file.read()
        except FileNotFoundError:
            return self._read == 0
        whole = text[: text.rfind(b"\n") + 1]
        try:
            self.lines += [json.loads(line) for line in whole.splitlines()]
        except ValueError as error:
            raise StoreError(f"{self._path} is no record of a run ({error})") from error
        self._hash.update(whole)
        self._read += len(whole)
        return True


def tracker_mode(tracker: WandbTracker) -> Mode:
    """Decide whether W&B is used online: as asked, or else where it finds a login.

    Raises:
        TrackingError: if W&B is not installed, or switched off.
    """
    # W&B's process would spread over all cores, and its reports on itself cost a third of its time.
    os.environ.setdefault("GOMAXPROCS", "1")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    try:
        import wandb
    except ImportError as error:
        raise TrackingError(
            f"the wandb package cannot be imported ({error}); install the project's "
            "requirements, or set tracker=none"
        ) from error
    if tracker.mode == "disabled":
        raise TrackingError("tracker.mode = 'disabled': set it to online or offline")
    if tracker.mode is not None:
        return tracker.mode
    settings = wandb.setup().settings
    if settings.api_key or settings.identity_token_file:
        return "online"
    hosts = {urlparse(settings.base_url).netloc}
    if settings.base_url == wandb.Settings.model_fields["base_url"].default:
        hosts.add("api.wandb.ai")  # where older logins were noted
    return "online" if hosts & _netrc_hosts() else "offline"


def _netrc_hosts() -> set[str]:
    """Return the servers for which ``wandb login``, or another program, has left a key."""
    try:
        return set(netrc.netrc(os.environ.get("NETRC")).hosts)
    except (OSError, netrc.NetrcParseError):
        return set()
