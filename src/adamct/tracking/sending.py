"""What W&B lacks of the local records, sent: while they grow, or at any later time.

The record is the truth, and rows are rebuilt from it. Offline, a W&B run that was cut short is
removed and written again. Online, the server says which steps it has, and the rest is sent: rows
that it has are kept, also where the record has others now, since W&B's history cannot be written
over. A fresh copy takes another project.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from adamct.config.sweep import Sweep
from adamct.records import load
from adamct.runs.lines import Line, StoreError
from adamct.runs.store import RunFolder
from adamct.tracking import names as m
from adamct.tracking.content import rows, run_config, run_identity, summary
from adamct.tracking.mirror import Mirror
from adamct.tracking.mode import answered, warn

if TYPE_CHECKING:
    from wandb import Run

Progress = Literal["left", "sent", "was sent", "unreadable"]


class PointMirror:
    """The mirror of one point: each step of its record is sent once.

    Args:
        mirror: of which it is a part.
        sweep: of this point alone. Its run may be over, or its record may still grow.
        since: seconds since the epoch. A record that was written to later grows, and is sent as far
            as it is; without, only a run that is over is sent. An older record of an interrupted
            run will be cut at its checkpoint before it goes on.
    """

    def __init__(self, mirror: Mirror, sweep: Sweep, since: float = math.inf) -> None:
        self._mirror, self._sweep, self._since = mirror, sweep, since
        (self._point,) = sweep.points
        self.identity = run_identity(self._point)
        self._folder = RunFolder.of(self._point.spec, sweep.runs_dir)
        self._run: Run | None = None

    def look(self) -> Progress:
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
        new = rows(self._point.spec, lines, self._n_sent, complete=final is not None)
        assert self._run is not None
        with answered():
            for row in new:
                self._run.log(row, step=row[m.STEP])
            self._n_sent += len(new)
            if final is not None:
                self._run.summary.update(summary(self._point, load(self._sweep)))
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
            raise StoreError.of(path, f"is no record of a run ({error})") from error
        self._text = text
        return True


def send(
    mirror: Mirror,
    sweep: Sweep,
    looks: Iterable[object] = (None,),
    *,
    since: float = math.inf,
    done: Callable[[], object] = lambda: None,
) -> Counter[Progress]:
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
    alone = [replace(sweep, points=(point,)) for point in sweep]
    left = {p.identity: p for p in (PointMirror(mirror, one, since) for one in alone)}
    counts: Counter[Progress] = Counter()
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
