"""Mirrors the records of a sweep while they grow, from a process of its own.

A process, since a mirror that waits for a server, or dies, must not be felt by a training. It reads
the records at intervals, and ends when the sweep's end of a pipe closes, which the system sees to
however the sweep ends.
"""

from __future__ import annotations

import multiprocessing
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection

from adamct.config.execution import Sweep

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


def _mirror_live(sweep: Sweep, remedy: str, began: float, end: Connection) -> None:
    """Mirror until the sweep ends: the whole life of the process, which says itself what fails."""
    os.environ.pop("WANDB_SERVICE", None)  # that of a process above, which may end before this one
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep decides when it is over
    os.nice(5)  # trainings first
    # Here, so that a sweep without a tracker does without them.
    from adamct.tracking.content import run_identity
    from adamct.tracking.mirror import Mirror
    from adamct.tracking.points import PointMirrors

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
