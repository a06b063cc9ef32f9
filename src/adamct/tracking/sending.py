"""What W&B lacks of the local records, sent: while they grow, or at any later time.

The record is the truth, and rows are rebuilt from it. Offline, a W&B run that was cut short is
removed and written again. Online, the server says which steps it has, and the rest is sent: rows
that it has are kept, also where the record has others now, since W&B's history cannot be written
over. A fresh copy takes another project. A small note says of which record the mirror is complete,
and the next start skips it.
"""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from adamct import files
from adamct.config.execution import Point, Sweep, WandbTracker
from adamct.runs.store import Line, Outcome, RunFolder, StoreError
from adamct.tracking import names as m
from adamct.tracking.content import Identity, rows, run_config, run_identity, summary
from adamct.tracking.mode import Mode, TrackingError, answered, tracker_mode, warn

if TYPE_CHECKING:
    from wandb import Run

# Raised whenever the same record would be mirrored otherwise than before.
FORMAT = 4

State = Literal["left", "sent", "was sent", "unreadable"]


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
    def locked(
        cls, tracker: WandbTracker | None, group: str, *, wait: bool = False
    ) -> Iterator[Mirror]:
        """Lock a group of the mirror for this process.

        Args:
            tracker: where.
            group: of points or figures.
            wait: for another process (of an interrupted sweep, say) to leave it.

        Raises:
            FileError: if another process mirrors the same group and ``wait`` is False, or the
                folder cannot be written.
            TrackingError: without a tracker, or if W&B is not installed or switched off.
        """
        if tracker is None:
            raise TrackingError(
                "tracker=none, tracker.mode=disabled and WANDB_MODE=disabled mirror nothing; leave "
                "them out"
            )
        with files.writing(tracker.folder):
            (tracker.folder / "mirrored").mkdir(parents=True, exist_ok=True)
        with files.exclusive(tracker.folder / f"{group}.lock", wait=wait):
            yield cls(tracker, tracker_mode(tracker))

    def where(self) -> str:
        """Say where the mirror is to be looked at."""
        if self.mode == "online":
            return f"online, in project {self.tracker.project}"
        return f"offline; upload with: wandb sync {self.tracker.folder}/wandb/offline-run-*"

    def open(self, identity: Identity, config: dict[str, Any]) -> Run:
        """Open a W&B run, fresh offline, and where the server's rows end online.

        Args:
            identity: of the run; what an earlier mirror of it left here is removed.
            config: what W&B filters and groups by.

        Raises:
            FileError: if what an earlier mirror left cannot be removed.
            TrackingError: if W&B fails.
        """
        import wandb

        self.forget(identity)
        for folder in self._folders(identity):
            with files.writing(folder):
                shutil.rmtree(folder)
        with answered():
            run = wandb.init(
                project=self.tracker.project,
                entity=self.tracker.entity,
                dir=self.tracker.folder,
                config=config,
                resume="allow" if self.mode == "online" else None,
                settings=wandb.Settings(
                    mode=self.mode,
                    reinit="create_new",  # several records grow at once
                    init_timeout=self.tracker.init_timeout,
                    finish_timeout=self.tracker.finish_timeout,
                    finish_timeout_raises=True,
                    use_dot_wandb=False,  # W&B's folders are looked for in "wandb"
                    # A reader of records has no output or code of its own to report.
                    silent=True,
                    console="off",
                    disable_git=True,
                    save_code=False,
                ),
                **asdict(identity),
            )
            return run

    def is_complete(self, identity: Identity, outcome: Outcome) -> bool:
        """Whether the mirror has all of the record of an outcome."""
        note = self._note(identity)
        is_here = self.mode == "online" or bool(self._folders(identity))
        return is_here and note.exists() and note.read_text() == self._note_text(outcome)

    def note_complete(self, identity: Identity, outcome: Outcome) -> None:
        """Note that the mirror has all of the record of an outcome."""
        files.replace(self._note(identity), self._note_text(outcome))

    def forget(self, identity: Identity) -> None:
        """Forget that the mirror of a run is complete."""
        self._note(identity).unlink(missing_ok=True)

    def _folders(self, identity: Identity) -> list[Path]:
        """Return W&B's folders of a run; more than one only where a mirror was cut."""
        return sorted((self.tracker.folder / "wandb").glob(f"*run-*-{identity.id}"))

    def _note(self, identity: Identity) -> Path:
        return self.tracker.folder / "mirrored" / f"{identity.id}.json"

    def _note_text(self, outcome: Outcome) -> str:
        place = {"mode": self.mode, "project": self.tracker.project, "entity": self.tracker.entity}
        note = {"format": FORMAT, "record_sha256": outcome.record_sha256}
        return json.dumps(note | place) + "\n"


class PointMirror:
    """The mirror of one point: each step of its record is sent once.

    Args:
        mirror: of which it is a part.
        point: its run may be over, or its record may still grow.
        runs_dir: where its run folder lies.
        since: seconds since the epoch. A record that was written to later grows, and is sent as far
            as it is; without, only a run that is over is sent. An older record of an interrupted
            run will be cut at its checkpoint before it goes on.
    """

    def __init__(
        self, mirror: Mirror, point: Point, runs_dir: Path, since: float = math.inf
    ) -> None:
        self.identity = run_identity(point)
        self._mirror, self._point, self._since = mirror, point, since
        self._folder = RunFolder.of(point.spec, runs_dir)
        self._run: Run | None = None

    def look(self) -> State:
        """Send the rows that the record has gained.

        Returns:
            ``"left"`` if there is more to come; ``"sent"``, or ``"was sent"`` by an earlier
            process, if the run is over and W&B has all of it.

        Raises:
            StoreError: if the record is not the one that the run left.
            TrackingError: if W&B fails.
        """
        outcome = self._folder.outcome()  # before the record, which is whole where there is one
        final = outcome if outcome is not None and outcome.is_final else None
        if self._run is None:
            if final is not None and self._mirror.is_complete(self.identity, final):
                return "was sent"
            if final is None and not self._grows():
                return "left"
            self._open()
        elif not self._read(is_whole=final is not None):
            self.close()
            self._open(is_other=True)
        lines = self._folder.lines() if final else self._lines
        wall_s = self._folder.wall_s() if final else None
        new = rows(self._point.spec, lines, self._n_sent, complete=final is not None)
        assert self._run is not None
        with answered():
            for row in new:
                self._run.log(row, step=row[m.STEP])
            self._n_sent += len(new)
            if final is not None:
                self._run.summary.update(summary(self._point, lines, final, wall_s))
        if final is None:
            return "left"
        self.close(exit_code=0)
        self._mirror.note_complete(self.identity, final)
        return "sent"

    def close(self, exit_code: int = 1) -> None:
        """Close the W&B run if it is open; it shows as failed unless the exit code is 0."""
        if self._run is not None:
            with answered():
                self._run.finish(exit_code=exit_code)
            self._run = None

    def _grows(self) -> bool:
        record = self._folder.record_path
        return record.exists() and record.stat().st_mtime >= self._since

    def _open(self, *, is_other: bool = False) -> None:
        """Open the W&B run; say if the server has rows that are not of this record."""
        self._run = self._mirror.open(self.identity, run_config(self._point))
        with answered():
            self._run.define_metric(m.STEP)
            self._run.define_metric("*", step_metric=m.STEP)
            self._n_sent = self._run.starting_step  # offline 0; online where the server's rows end
        self._text, self._lines = b"", list[Line]()
        self._read()
        if self._n_sent > (0 if is_other else len(self._lines)):
            warn(
                f"{self._folder.record_path} was cut to its checkpoint, and W&B keeps the "
                f"{self._n_sent} rows that it had; if training goes on otherwise than before "
                "(on another device, say), mirror it anew into another tracker.project"
            )

    def _read(self, *, is_whole: bool = False) -> bool:
        """Read the whole lines that the record has gained.

        A record that is cut at its checkpoint, and goes on as it did before, gains nothing until it
        is longer than it was.

        Returns:
            Whether the record still begins with what was read; ``is_whole`` if nothing is to come.
        """
        path = self._folder.record_path
        text = path.read_bytes() if path.exists() else b""
        text = text[: text.rfind(b"\n") + 1]
        if not is_whole and self._text.startswith(text):
            return True
        if not text.startswith(self._text):
            return False
        try:
            self._lines += map(json.loads, text[len(self._text) :].splitlines())
        except ValueError as error:
            raise StoreError(
                f"{path} is no record of a run ({error}); delete {path.parent} to train it again"
            ) from error
        self._text = text
        return True


def send(
    mirror: Mirror,
    sweep: Sweep,
    looks: Iterable[object] = (None,),
    *,
    since: float = math.inf,
    done: Callable[[], object] = lambda: None,
) -> Counter[State]:
    """Send what W&B lacks of a sweep's records; a point that its grid names twice is sent once.

    Args:
        mirror: where to.
        sweep: its points.
        looks: for each of these the records are looked at once.
        since: of :class:`PointMirror`.
        done: called whenever a record was looked at.

    Returns:
        The number of points by their state.

    Raises:
        StoreError: at the end, if a record was not the one that its run left.
        TrackingError: if W&B fails.
    """
    points = [PointMirror(mirror, point, sweep.runs_dir, since) for point in sweep]
    left = {point.identity: point for point in points}
    counts: Counter[State] = Counter()
    errors = []
    for _ in looks:
        for identity, point in list(left.items()):
            try:
                state = point.look()
            except StoreError as error:
                errors.append(error)
                state = "unreadable"
                point.close()
            if state != "left":
                counts[state] += 1
                del left[identity]
            done()
    for point in left.values():
        point.close()
    if errors:
        raise StoreError("; ".join(map(str, errors)))
    counts["left"] = len(left)
    return counts
