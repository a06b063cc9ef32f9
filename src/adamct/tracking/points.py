"""The points of a sweep on their way into W&B: each step of each record once."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

from adamct.config.execution import Point, Sweep
from adamct.runs.store import Outcome, RunFolder, StoreError
from adamct.tracking import names as metrics
from adamct.tracking.content import rows, run_config, run_identity, summary
from adamct.tracking.mirror import Mirror
from adamct.tracking.mode import answered
from adamct.tracking.tail import RecordTail


class PointMirrors:
    """The points of a sweep on their way into W&B.

    Args:
        mirror: where to.
        sweep: its points; one that a grid names twice is mirrored once.
        since: seconds since the epoch. A record that was written to later grows, and is mirrored
            to where it is; without, only runs that are over are mirrored. An older record of an
            interrupted run will be cut at its checkpoint before it goes on.

    Attributes:
        left: the points that are not mirrored whole, by their ids in W&B.
        n_now: number of points mirrored by this object.
        n_before: number of points that had been mirrored before.
    """

    def __init__(self, mirror: Mirror, sweep: Sweep, since: float = math.inf) -> None:
        self.left = {run_identity(point).id: point for point in sweep}
        self.n_now = self.n_before = 0
        self._mirror, self._runs_dir, self._since = mirror, sweep.runs_dir, since
        self._open: dict[str, PointMirror] = {}
        self._errors: list[StoreError] = []

    def look(self, done: Callable[[], object] = lambda: None) -> None:
        """Mirror what the records have gained.

        Args:
            done: called after each point.
        """
        for name, point in list(self.left.items()):
            try:
                is_over = self._advance(name, point)
            except StoreError as error:
                self._errors.append(error)
                is_over = True
            if is_over:
                self._open.pop(name, None)
                del self.left[name]
            done()

    def close(self) -> None:
        """Close the W&B runs whose records are not whole.

        Raises:
            StoreError: if a record was not the one that its run left.
        """
        for opened in self._open.values():
            opened.close(complete=False)
        if self._errors:
            n_others = len(self._errors) - 1
            others = f" (and {n_others} more such records)" if n_others else ""
            raise StoreError(f"{self._errors[0]}{others}") from self._errors[0]

    def _advance(self, name: str, point: Point) -> bool:
        """Mirror what one record has gained; return whether there will be no more of it."""
        if name not in self._open:
            if self._mirror.is_complete(point, self._runs_dir):
                self.n_before += 1
                return True
            if not self._is_due(RunFolder.of(point.spec, self._runs_dir)):
                return False
            self._open[name] = PointMirror(self._mirror, point, self._runs_dir)
        is_over = self._open[name].advance()
        self.n_now += is_over
        return is_over

    def _is_due(self, folder: RunFolder) -> bool:
        if folder.is_done():
            return True
        record = folder.record_path
        return record.exists() and record.stat().st_mtime >= self._since


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
