"""Sends the records of a sweep while they grow, from a process of its own.

A process, since a mirror that waits for a server, or dies, must not be felt by a training. It reads
the records at intervals, and ends when the sweep's end of a pipe closes, which the system sees to
however the sweep ends.
"""

from __future__ import annotations

import multiprocessing
import os
import shlex
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection

from adamct.config.sweep import Sweep
from adamct.tracking.mode import warn

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
    arguments = (sweep, theirs, time.time(), remedy)
    process = context.Process(target=_send_live, args=arguments, daemon=True)
    try:
        process.start()
    except OSError as error:  # no memory, or no more processes
        _warn(str(error), remedy)
    theirs.close()
    try:
        yield
    finally:
        ours.close()
        if process.pid is not None:  # it has started
            process.join(END_WAIT_S)
        if process.is_alive():
            process.terminate()
            _warn(f"it was not done {END_WAIT_S:.0f} s after the sweep", remedy)
        elif process.exitcode:
            _warn(f"its process died (exit code {process.exitcode})", remedy)


def _send_live(sweep: Sweep, end: Connection, began: float, remedy: str) -> None:
    """Send until the sweep ends: the whole life of the process, which says itself what fails."""
    os.environ.pop("WANDB_SERVICE", None)  # that of a process above, which may end before this one
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep decides when it is over
    os.nice(5)  # trainings first
    # Here, so that a sweep without a tracker does without them.
    from adamct.tracking.mirror import Mirror
    from adamct.tracking.names import at_scale
    from adamct.tracking.sending import send

    try:
        group = at_scale(sweep.experiment, sweep.scale)
        with Mirror.locked(sweep.tracker, group, wait=True) as mirror:
            counts = send(mirror, sweep, _looks(end, mirror.tracker.interval), since=began)
            n = counts["sent"] + counts["was sent"]
            print(f"W&B: {n} points mirrored; {mirror.where()}", flush=True)
    except Exception as error:  # whatever it is, the trainings go on
        _warn(str(error) or type(error).__name__, remedy)
        os._exit(0)  # W&B would wait for a server that may be gone, and the sweep for W&B


def _looks(end: Connection, interval: float) -> Iterator[None]:
    """Yield at intervals, and once more when the sweep has closed its end of the pipe."""
    is_over = False
    while not is_over:
        is_over = end.poll(interval)  # the end of the pipe is something to read
        yield


def _warn(what: str, remedy: str) -> None:
    later = f"mirror what is missing later with: {remedy}"
    warn(f"the W&B mirror ended: {what}. No training depends on it; {later}")
