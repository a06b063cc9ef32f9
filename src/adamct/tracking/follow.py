"""Mirrors the records of a sweep while they grow, from a process of its own.

A process, since a mirror that waits for a server, dies, or computes must not be felt by a training.
It gives way to trainings, reads the records, and ends when the sweep's end of a pipe closes, which
the system sees to however the sweep ends. What it computes, trainings on all cores lose: so it
looks at the records no more often than somebody may look at W&B, but for when a core is free. Most
of what a sweep leaves offline is mirrored beside its last runs and after them.
"""

from __future__ import annotations

import multiprocessing
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from adamct.config.execution import Point, Sweep, WandbTracker
from adamct.environment import n_cores
from adamct.files import FileError
from adamct.runs.store import RunFolder, StoreError
from adamct.tracking.content import run_identity
from adamct.tracking.login import Mode
from adamct.tracking.mirror import Mirror, PointMirror

# Seconds between two looks at the records while all cores train. Offline nobody looks on.
INTERVAL_S: dict[Mode, float] = {"online": 10.0, "offline": 600.0}
GLANCE_S = 2.0  # between two looks whether a core is free
HOLD_S = 10.0  # between two attempts to hold a mirror that another process holds
QUIET_S = 5.0  # that a sweep waits for its mirror at the end without a word
PATIENCE_S = 3600.0  # that it waits after that: offline, much may be left to write


@contextmanager
def tracked(sweep: Sweep, arguments: Sequence[str] = ()) -> Iterator[None]:
    """Mirror the records of a sweep while the body runs, if it has a tracker.

    Whatever goes wrong with W&B is said once, and changes nothing else.

    Args:
        sweep: its points and its tracker.
        arguments: of the command line that named it: with these scripts/mirror.py finds it.
    """
    tracker = sweep.tracker
    if tracker is None:
        yield
        return
    context = multiprocessing.get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    remedy = shlex.join(["python", "scripts/mirror.py", *arguments])
    following = (sweep, remedy, time.time(), theirs)
    process = context.Process(target=_follow, args=following, daemon=True)
    process.start()
    theirs.close()
    try:
        yield
    finally:
        ours.close()
        process.join(QUIET_S)
        if process.is_alive():
            patience = f"at most {PATIENCE_S:.0f} s more (Ctrl-C: stop waiting)"
            print(f"mirroring the rest in W&B, {patience}", file=sys.stderr, flush=True)
            process.join(PATIENCE_S)
        if process.is_alive():
            _warn(f"it was not done after {PATIENCE_S:.0f} s", remedy)
            process.terminate()
        elif process.exitcode:
            _warn(f"its process died (exit code {process.exitcode})", remedy)


@dataclass
class Counts:
    """What became of points: mirrored now, or before, or left out, with no final outcome yet."""

    now: int = 0
    before: int = 0
    unfinished: int = 0


def mirror_all(
    mirror: Mirror, sweep: Sweep, *, done: Callable[[], object] = lambda: None
) -> Counts:
    """Mirror every point whose run is over and that has no complete mirror.

    Args:
        mirror: where to.
        sweep: its points, each once.
        done: called after each of them.

    Returns:
        How many were mirrored, and how many were not.

    Raises:
        StoreError: for a record that is not the one that its run left, when the rest is mirrored.
    """
    counts, faults = Counts(), []
    for point in points(sweep):
        try:
            if not RunFolder.of(point.spec, sweep.runs_dir).is_done():
                counts.unfinished += 1
            elif mirror.is_complete(point, sweep.runs_dir):
                counts.before += 1
            else:
                PointMirror(mirror, point, sweep.runs_dir).advance()
                counts.now += 1
        except StoreError as error:
            faults.append(error)
        done()
    _raise_first(faults)
    return counts


def points(sweep: Sweep) -> list[Point]:
    """Return the points, each once: a grid may name one twice."""
    return list({run_identity(point).id: point for point in sweep}.values())


def _raise_first(faults: Sequence[StoreError]) -> None:
    if faults:
        others = f" (and {len(faults) - 1} more such records)" if len(faults) > 1 else ""
        raise StoreError(f"{faults[0]}{others}") from faults[0]


def _follow(sweep: Sweep, remedy: str, began: float, end: Connection) -> None:
    """Mirror until the sweep ends: the whole life of the process, which says itself what fails."""
    # That of a process above, which may end before this one.
    os.environ.pop("WANDB_SERVICE", None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep decides when it is over
    _give_way()
    tracker = sweep.tracker
    assert tracker is not None  # tracked() has seen to it
    online = False
    try:
        with _held(tracker, run_identity(sweep[0]).group, end) as mirror:
            online = mirror.mode == "online"
            count = _Following(mirror, sweep, began).until_closed(end)
            print(f"W&B: {count} points mirrored; {mirror.where()}", flush=True)
    except Exception as error:  # whatever it is, the trainings go on
        _warn(str(error) or type(error).__name__, remedy)
        if online:  # W&B would wait for a server that may be gone, and the sweep for W&B
            os._exit(0)
    if "wandb" in sys.modules:
        with suppress(Exception, SystemExit):  # what there is to say has been said
            sys.modules["wandb"].teardown(exit_code=1)  # a run that is still open is incomplete


def _give_way() -> None:
    """Let trainings go before this process and those that it starts, W&B's among them."""
    os.nice(10)
    if hasattr(os, "SCHED_BATCH"):
        # Niceness weighs processes of one session, and W&B's has its own. A batch process waits for
        # its turn where another would interrupt a training, some thousand times a minute.
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


@contextmanager
def _held(tracker: WandbTracker, group: str, sweep: Connection) -> Iterator[Mirror]:
    """Hold the mirror, as soon as another process (of an interrupted sweep, say) leaves it.

    Raises:
        FileError: if it is not to be had before the sweep ends.
    """
    with ExitStack() as stack:
        while True:
            try:
                mirror = stack.enter_context(Mirror.held(tracker, group))
                break
            except FileError:
                if sweep.poll(HOLD_S):
                    raise
        yield mirror


class _Following:
    """The points of a sweep: those that wait for their records, and those that grow.

    Args:
        mirror: where to.
        sweep: its points.
        began: when the sweep did, in seconds since the epoch.
    """

    def __init__(self, mirror: Mirror, sweep: Sweep, began: float) -> None:
        self._mirror, self._runs_dir, self._began = mirror, sweep.runs_dir, began
        self._threads = sweep.execution.threads
        self._waiting = [
            (point, RunFolder.of(point.spec, sweep.runs_dir)) for point in points(sweep)
        ]
        self._n_points = len(self._waiting)
        self._running = [folder for _, folder in self._waiting]
        self._growing: list[PointMirror] = []
        self._faults: list[StoreError] = []

    def until_closed(self, sweep: Connection) -> int:
        """Look at the records at intervals, when a core is free, and when the sweep is over.

        Returns:
            The number of points that have a complete mirror.

        Raises:
            StoreError: for a record that is not the one that its run left, at the end.
        """
        interval = self._mirror.tracker.interval or INTERVAL_S[self._mirror.mode]
        closed = sweep.poll()  # the end of the pipe counts as something to read
        due = time.monotonic()
        while True:
            if closed or time.monotonic() >= due or self._a_core_is_free():
                self._look()
                due = time.monotonic() + interval
            if closed:
                break
            closed = sweep.poll(min(GLANCE_S, max(0.0, due - time.monotonic())))
        for point in self._growing:
            point.close(complete=False)
        _raise_first(self._faults)
        return self._n_points - len(self._waiting) - len(self._growing)

    def _a_core_is_free(self) -> bool:
        """Whether fewer runs are left than there are cores, and no interval was asked for."""
        if self._mirror.tracker.interval is not None:
            return False
        self._running = [folder for folder in self._running if not folder.is_over()]
        return len(self._running) * self._threads < n_cores()

    def _look(self) -> None:
        self._growing = [point for point in self._growing if self._grows(point)]
        waiting, self._waiting = self._waiting, []
        for point, folder in waiting:
            try:
                if not self._is_due(folder):
                    self._waiting.append((point, folder))
                elif not self._mirror.is_complete(point, self._runs_dir):
                    mirrored = PointMirror(self._mirror, point, self._runs_dir)
                    if self._grows(mirrored):
                        self._growing.append(mirrored)
            except StoreError as error:
                self._faults.append(error)

    def _grows(self, point: PointMirror) -> bool:
        """Mirror what a record has gained; return whether there will be more of it."""
        try:
            return not point.advance()
        except StoreError as error:
            self._faults.append(error)
            return False

    def _is_due(self, folder: RunFolder) -> bool:
        """Whether a run is over, or has written since the sweep began.

        An older record of an interrupted run will be cut at its checkpoint before it goes on.
        """
        if folder.is_done():
            return True
        record = folder.record_path
        return record.exists() and record.stat().st_mtime >= self._began


def _warn(what: str, remedy: str) -> None:
    print(
        f"warning: the W&B mirror ended: {what}. No training depends on it; mirror what is missing "
        f"later with: {remedy}",
        file=sys.stderr,
        flush=True,
    )
