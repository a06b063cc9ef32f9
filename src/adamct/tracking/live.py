"""Mirrors the records of a sweep while they grow, from a process of its own.

A process, since a mirror that waits for a server, or dies, must not be felt by a training. It reads
the records at intervals, and ends when the sweep's end of a pipe closes, which the system sees to
however the sweep ends.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection

from adamct.config.execution import Point, Sweep
from adamct.runs.store import RunFolder, StoreError
from adamct.tracking.content import run_identity
from adamct.tracking.mirror import Mirror, PointMirror

END_WAIT_S = 60.0  # that a sweep waits at its end for the last rows


@contextmanager
def tracked(sweep: Sweep, overrides: Sequence[str] = ()) -> Iterator[None]:
    """Mirror the records of a sweep while the body runs, if it has a tracker.

    Whatever goes wrong with W&B is said once, and changes nothing else.

    Args:
        sweep: its points and its tracker.
        overrides: that named it: with these scripts/mirror.py finds it.
    """
    if sweep.tracker is None:
        yield
        return
    context = multiprocessing.get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    remedy = shlex.join(["python", "scripts/mirror.py", *overrides])
    arguments = (sweep, remedy, time.time(), theirs)
    process = context.Process(target=_mirror_live, args=arguments, daemon=True)
    process.start()
    theirs.close()
    try:
        yield
    finally:
        ours.close()
        process.join(END_WAIT_S)
        if process.is_alive():
            process.terminate()
            _warn(f"it was not done {END_WAIT_S:.0f} s after the sweep", remedy)
        elif process.exitcode:
            _warn(f"its process died (exit code {process.exitcode})", remedy)


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


def _mirror_live(sweep: Sweep, remedy: str, began: float, end: Connection) -> None:
    """Mirror until the sweep ends: the whole life of the process, which says itself what fails."""
    os.environ.pop("WANDB_SERVICE", None)  # that of a process above, which may end before this one
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep decides when it is over
    os.nice(10)  # trainings first
    tracker = sweep.tracker
    assert tracker is not None  # tracked() has seen to it
    try:
        with Mirror.held(tracker, run_identity(sweep[0]).group, wait=True) as mirror:
            mirrors = PointMirrors(mirror, sweep, since=began)
            is_over = False
            while not is_over:
                is_over = end.poll(tracker.interval)  # the end of the pipe is something to read
                mirrors.look()
            mirrors.close()
            n = mirrors.n_now + mirrors.n_before
            print(f"W&B: {n} points mirrored; {mirror.where()}", flush=True)
    except Exception as error:  # whatever it is, the trainings go on
        _warn(str(error) or type(error).__name__, remedy)
        os._exit(0)  # W&B would wait for a server that may be gone, and the sweep for W&B


def _warn(what: str, remedy: str) -> None:
    print(
        f"warning: the W&B mirror ended: {what}. No training depends on it; mirror what is missing "
        f"later with: {remedy}",
        file=sys.stderr,
        flush=True,
    )
