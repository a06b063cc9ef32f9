"""A group of W&B runs that one process writes at a time, and notes of which are complete.

Offline, a mirror that was cut short is removed and written again from the record, which is the
truth. Online, the server says which steps it has, and the rest is sent: rows that it has are kept,
also where the record has others now, since W&B's history cannot be written over. A fresh copy takes
another project. Every complete mirror leaves a small note, by which the next start skips it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adamct import files
from adamct.config.execution import Point, WandbTracker
from adamct.runs.store import Outcome, RunFolder
from adamct.tracking.content import run_identity
from adamct.tracking.mode import Mode, answered, tracker_mode

if TYPE_CHECKING:
    from wandb import Run

# Raised whenever the same record would be mirrored otherwise than before.
FORMAT = 3


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
    def held(cls, tracker: WandbTracker, group: str, *, wait: bool = False) -> Iterator[Mirror]:
        """Hold a group of the mirror for this process.

        Args:
            tracker: where.
            group: of points or figures.
            wait: for another process (of an interrupted sweep, say) to leave it.

        Raises:
            FileError: if another process mirrors the same group and ``wait`` is False, or the
                folder cannot be written.
            TrackingError: if W&B is not installed.
        """
        with files.writing(tracker.folder):
            (tracker.folder / "mirrored").mkdir(parents=True, exist_ok=True)
        with files.exclusive(tracker.folder / f"{group}.lock", wait=wait):
            yield cls(tracker, tracker_mode(tracker))

    def where(self) -> str:
        """Say where the mirror is to be looked at."""
        if self.mode == "online":
            return f"online, in project {self.tracker.project}"
        return f"offline; upload with: wandb sync {self.tracker.folder}/wandb/offline-run-*"

    def is_complete(self, point: Point, runs_dir: Path) -> bool:
        """Whether the mirror holds all of the record that this point's run has now."""
        note, outcome = self._note(point), RunFolder.of(point.spec, runs_dir).outcome()
        if outcome is None or not outcome.is_final or not note.exists():
            return False
        here = self.mode == "online" or bool(self.local_folders(run_identity(point).id))
        return here and note.read_text() == self._note_text(outcome)

    def note_complete(self, point: Point, outcome: Outcome) -> None:
        """Note that the mirror of a point is complete."""
        files.replace(self._note(point), self._note_text(outcome))

    def forget(self, point: Point) -> None:
        """Forget that the mirror of a point is complete."""
        self._note(point).unlink(missing_ok=True)

    def local_folders(self, wandb_id: str) -> list[Path]:
        """Return W&B's folders of one of its runs; more than one only where a mirror was cut."""
        return sorted((self.tracker.folder / "wandb").glob(f"*run-*-{wandb_id}"))

    def open(self, wandb_id: str, **about: Any) -> Run:
        """Open a W&B run, fresh offline, and where the server's rows end online.

        Args:
            wandb_id: its name for the machine.
            about: ``name, group, job_type, tags, config`` of ``wandb.init``.

        Raises:
            FileError: if what an earlier mirror left cannot be removed.
            TrackingError: if W&B fails.
        """
        import wandb

        for folder in self.local_folders(wandb_id):
            with files.writing(folder):
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
                    finish_timeout=self.tracker.finish_timeout,
                    finish_timeout_raises=True,
                    use_dot_wandb=False,  # local_folders looks there
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

    def _note(self, point: Point) -> Path:
        return self.tracker.folder / "mirrored" / f"{run_identity(point).id}.json"

    def _note_text(self, outcome: Outcome) -> str:
        note = {
            "format": FORMAT,
            "record_sha256": outcome.record_sha256,
            "mode": self.mode,
            "project": self.tracker.project,
            "entity": self.tracker.entity,
        }
        return json.dumps(note) + "\n"
