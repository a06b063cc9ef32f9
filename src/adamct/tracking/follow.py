"""Mirrors the records of a sweep while they grow, from a process of its own.

A process, since a mirror that waits for a server, dies, or computes must not be felt by a training.
It runs at low priority, reads the records, and ends when the sweep's end of a pipe closes, which
the system sees to however the sweep ends.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection

from adamct.spec import Cell
from adamct.store import RunFolder
from adamct.tracking.content import run_identity
from adamct.tracking.mirror import Mirror, PointMirror

POLL_S = 5.0  # between two looks at the records
PATIENCE_S = 300.0  # that a sweep waits for its mirror at the end


@contextmanager
def tracked(cells: Sequence[Cell]) -> Iterator[None]:
    """Mirror the records of these cells while the body runs, if they have a tracker.

    Whatever goes wrong with W&B is said once, and changes nothing else.
    """
    tracker = cells[0].tracker
    if tracker is None or tracker.mode == "disabled":
        yield
        return
    context = multiprocessing.get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    process = context.Process(target=_follow, args=(list(cells), time.time(), theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield
    finally:
        ours.close()
        process.join(PATIENCE_S)
        if process.is_alive():
            _warn(cells, f"the mirror was not done after {PATIENCE_S:.0f} s")
            process.terminate()


def mirror_all(
    mirror: Mirror, cells: Sequence[Cell], *, done: Callable[[Cell], None] = lambda cell: None
) -> int:
    """Mirror every point whose run is over and that has no complete mirror.

    Args:
        mirror: where to.
        cells: the points.
        done: called after each of them.

    Returns:
        The number of points mirrored now.

    Raises:
        StoreError: for a record that is not the one that its run left.
    """
    count = 0
    for cell in _points(cells):
        if RunFolder.of(cell.spec, cell.runs_dir).is_done() and not mirror.is_complete(cell):
            PointMirror(mirror, cell).advance()
            count += 1
        done(cell)
    return count


def _points(cells: Sequence[Cell]) -> list[Cell]:
    """Leave out what a grid says twice."""
    return list({run_identity(cell).id: cell for cell in cells}.values())


def _follow(cells: list[Cell], began: float, sweep: Connection) -> None:
    """Mirror until the sweep ends: the whole life of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep decides when it is over
    os.nice(10)
    tracker = cells[0].tracker
    assert tracker is not None  # tracked() has seen to it
    try:
        with Mirror.held(tracker, run_identity(cells[0]).group) as mirror:
            count = _Following(mirror, cells, began).until_closed(sweep)
            print(f"W&B: {count} points mirrored; {mirror.where()}", flush=True)
    except Exception as error:  # whatever it is, the trainings go on
        _warn(cells, str(error) or type(error).__name__)
    finally:
        if "wandb" in sys.modules:
            sys.modules["wandb"].teardown(exit_code=0)


class _Following:
    """The points of a sweep: those that wait for their records, and those that grow.

    Args:
        mirror: where to.
        cells: the points.
        began: when the sweep did, in seconds since the epoch.
    """

    def __init__(self, mirror: Mirror, cells: Sequence[Cell], began: float) -> None:
        self._mirror, self._began = mirror, began
        self._waiting = _points(cells)
        self._n_points = len(self._waiting)
        self._growing: list[PointMirror] = []

    def until_closed(self, sweep: Connection) -> int:
        """Look at the records every few seconds, and once more when the sweep is over.

        Returns:
            The number of points that have a complete mirror.
        """
        closed = sweep.poll()  # the end of the pipe counts as something to read
        while True:
            self._growing = [point for point in self._growing if not point.advance()]
            for cell in [cell for cell in self._waiting if self._is_due(cell)]:
                self._waiting.remove(cell)
                if not self._mirror.is_complete(cell):
                    point = PointMirror(self._mirror, cell)
                    if not point.advance():
                        self._growing.append(point)
            if closed:
                break
            closed = sweep.poll(POLL_S)
        for point in self._growing:
            point.close(complete=False)
        return self._n_points - len(self._waiting) - len(self._growing)

    def _is_due(self, cell: Cell) -> bool:
        """Whether a run is over, or has written since the sweep began.

        An older record of an interrupted run will be cut at its checkpoint before it goes on.
        """
        folder = RunFolder.of(cell.spec, cell.runs_dir)
        if folder.is_done():
            return True
        record = folder.record_path
        return record.exists() and record.stat().st_mtime >= self._began


def _warn(cells: Sequence[Cell], what: str) -> None:
    first = cells[0]
    print(
        f"warning: the W&B mirror ended: {what}. The trainings go on; mirror them later with: "
        f"python scripts/mirror.py experiment={first.experiment} scale={first.scale}",
        file=sys.stderr,
        flush=True,
    )
