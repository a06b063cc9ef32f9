"""Writes records into W&B: one W&B run a point, each step once, and a note of what is done.

Offline, a mirror that was cut short is removed and written again from the record, which is the
truth. Online, the server says which steps it has, and the rest is sent: rows that it has are kept,
also where the record has others now, since W&B's history cannot be written over. A fresh copy takes
another project. Every complete mirror leaves a small note, by which the next start skips it.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adamct import files
from adamct.config.execution import Point, WandbTracker
from adamct.runs.store import Outcome, RunFolder, StoreError
from adamct.tracking import names as metrics
from adamct.tracking.content import rows, run_config, run_identity, summary
from adamct.tracking.mode import Mode, answered, tracker_mode
from adamct.tracking.tail import RecordTail

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
            FileError: if another process mirrors the same group and ``wait`` is False, or the folder cannot be written.
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


class PointMirror:
    """The mirror of one point while it is being made.

    Args:
        mirror: of which it is a part.
        point: its run may be over, or its record may still grow.
        runs_dir: where its run folder lies.
    """

    def __init__(self, mirror: Mirror, point: Point, runs_dir: Path) -> None:
        self._mirror, self._point = mirror, point
        self._folder = RunFolder.of(point.spec, runs_dir)
        self._next = 0  # the first step that W&B does not have
        self._start()

    def advance(self) -> bool:
        """Mirror the whole lines that the record has gained.

        Returns:
            Whether the run is over, and all of it is mirrored.

        Raises:
            StoreError: if the record is not the one that the run left; the W&B run is then closed.
        """
        try:
            return self._advance()
        except StoreError:
            self.close(complete=False)
            raise

    def _advance(self) -> bool:
        outcome = self._folder.outcome()  # before the record, which is whole where there is one
        if not self._record.read() or not self._is_of(outcome):
            # A training that goes on cuts its record at its checkpoint: nothing read is sure.
            self.close(complete=False)
            self._start()
            self._record.read()
            if not self._is_of(outcome):
                self._folder.lines()  # says what is wrong with it
            self._warn_of_rows_kept()
        if len(self._record.lines) < self._next:  # those that the server has of an earlier process
            self._warn_of_rows_kept()
        over = outcome is not None and outcome.is_final
        new = rows(self._point.spec, self._record.lines, self._next, complete=over)
        with answered():
            for row in new:
                self._run.log(row, step=row[metrics.STEP])
        self._next += len(new)
        if outcome is None or not over:
            return False
        last = summary(self._point, self._record.lines, outcome, self._folder.wall_s())
        with answered():
            self._run.summary.update(last)
        self.close(complete=True)
        self._mirror.note_complete(self._point, outcome)
        return True

    def close(self, *, complete: bool) -> None:
        """Close the W&B run; an incomplete one shows as failed until it is mirrored again."""
        with answered():
            self._run.finish(exit_code=0 if complete else 1)

    def _start(self) -> None:
        self._mirror.forget(self._point)  # what it speaks of is about to be replaced
        identity = run_identity(self._point)
        self._record = RecordTail(self._folder.record_path)
        self._run = self._mirror.open(
            identity.id,
            name=identity.name,
            group=identity.group,
            job_type=metrics.POINT_JOB,
            tags=identity.tags,
            config=run_config(self._point),
        )
        with answered():
            self._run.define_metric(metrics.STEP)
            self._run.define_metric("*", step_metric=metrics.STEP)
            self._next = self._run.starting_step  # offline 0; online where the server's rows end
        self._rows_kept = self._next

    def _warn_of_rows_kept(self) -> None:
        """Say once that the server has rows of a record as it was before it was cut."""
        if self._rows_kept:
            print(
                f"warning: {self._folder.record_path} was cut to its checkpoint, and W&B keeps the "
                f"{self._rows_kept} rows that it had; if training goes on otherwise than before "
                "(on another device, say), mirror it anew into another tracker.project",
                file=sys.stderr,
                flush=True,
            )
        self._rows_kept = 0

    def _is_of(self, outcome: Outcome | None) -> bool:
        """Whether the lines read are those of an outcome; those of an unfinished run may be."""
        if outcome is None or not outcome.is_final:
            return True
        return self._record.sha256 == outcome.record_sha256
