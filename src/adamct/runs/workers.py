"""The worker processes that train a sweep's runs on this machine.

Each takes one run after another from one list, with one import of torch and one data set. A run is
held by its lock: one that another process holds is passed over, and looked at again at the end. A
worker that dies takes its one run with it, which stays unfinished.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from typing import Any

from tqdm import tqdm

from adamct import environment
from adamct.config.execution import Execution
from adamct.config.schema import ConfigurationError
from adamct.config.spec import RunSpec
from adamct.config.sweep import Sweep
from adamct.files import ExpectedError, HeldError

Settings = dict[str, Any]  # what train_run is told beside the spec


@dataclass(frozen=True)
class Job:
    """A run to train; ``waits`` for another process that holds it, or passes over it."""

    spec: RunSpec
    waits: bool = False


@dataclass(frozen=True)
class Reply:
    """What came of a job: ``held`` by another process, or the ``error`` to show, or all is well."""

    held: bool = False
    error: str = ""


def train_runs(sweep: Sweep, specs: Iterable[RunSpec]) -> None:
    """Train runs of a sweep on this machine.

    What goes wrong with one run is shown, and stops no other. With ``n_jobs`` = 1 they are trained
    in this process, where a debugger finds them. To be called from the main thread.

    Args:
        sweep: says how and where to.
        specs: of the runs, in the order in which they are begun.
    """
    settings = {
        "execution": sweep.execution,
        "runs_dir": sweep.runs_dir,
        "data_dir": sweep.data_dir,
        "cache_dir": sweep.cache_dir,
    }
    jobs = _Jobs(specs)
    if sweep.n_jobs == 1:
        while jobs.left:
            job = jobs.left.popleft()
            jobs.settle(job, _train(job, settings))
    else:
        _Crew(jobs, settings, n_workers(sweep), gpus(sweep.execution)).work()


def n_workers(sweep: Sweep) -> int:
    """Return how many processes train a sweep on this machine.

    ``n_jobs`` counts as joblib's does: -1 is ``runs_per_gpu`` for each GPU or, on the CPU, one for
    each core; -2 is one less.

    Raises:
        ConfigurationError: for an ``n_jobs`` or a ``runs_per_gpu`` that is no number of processes.
    """
    n_jobs, per_gpu = sweep.n_jobs, sweep.runs_per_gpu
    if not _is_count(n_jobs):
        raise ConfigurationError(
            f"hydra.launcher.n_jobs = {n_jobs!r}, expected a number of processes, or -1 for one "
            "per core or, on GPUs, as many as hydra.launcher.runs_per_gpu says"
        )
    if not _is_count(per_gpu) or per_gpu < 1:
        raise ConfigurationError(
            f"hydra.launcher.runs_per_gpu = {per_gpu!r}, expected how many processes share a GPU, "
            "1 or more"
        )
    if n_jobs > 0:
        return n_jobs
    shared = gpus(sweep.execution)
    on_cores = not shared and sweep.execution.device in ("auto", "cpu")
    n_all = environment.n_cores() if on_cores else max(1, len(shared)) * per_gpu
    return max(1, n_all + 1 + n_jobs)


def _is_count(n: object) -> bool:
    return isinstance(n, int) and not isinstance(n, bool) and n != 0


def gpus(execution: Execution) -> list[str]:
    """Return the GPUs to share among the workers, as ``CUDA_VISIBLE_DEVICES`` names them.

    One that the execution names itself (``cuda:1``) is for one process, unless more are asked for.
    """
    if execution.device == "cpu":  # without torch, which takes seconds to import
        return []
    import torch

    if not torch.cuda.is_available() or execution.device not in ("auto", "cuda"):
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",") if visible else list(map(str, range(torch.cuda.device_count())))


def worker_environment(index: int, shared: list[str]) -> dict[str, str]:
    """Return the variables that give a worker, one of several, its own GPU.

    Example:
        >>> worker_environment(3, ["0", "1"]), worker_environment(3, [])
        ({'CUDA_VISIBLE_DEVICES': '1'}, {})
    """
    return {"CUDA_VISIBLE_DEVICES": shared[index % len(shared)]} if shared else {}


class _Jobs:
    """The runs that nobody has begun."""

    def __init__(self, specs: Iterable[RunSpec]) -> None:
        self.left = deque(map(Job, specs))
        self._shown: set[str] = set()

    def settle(self, job: Job, reply: Reply) -> None:
        """Take a held run back, to be waited for when all others are begun; show an error once."""
        if reply.held:
            self.left.append(Job(job.spec, waits=True))
        if reply.error and reply.error not in self._shown:
            self._shown.add(reply.error)
            tqdm.write(reply.error, file=sys.stderr)  # clears the bar first


@dataclass(frozen=True)
class _Worker:
    """A process, and the run that it has now."""

    index: int
    process: ForkServerProcess
    job: Job


class _Crew:
    """Worker processes, each with a pipe of its own, so that no dead one holds up another."""

    def __init__(self, jobs: _Jobs, settings: Settings, size: int, shared: list[str]) -> None:
        self._jobs, self._settings, self._size, self._gpus = jobs, settings, size, shared
        self._workers: dict[Connection, _Worker] = {}
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["adamct.runs.preloaded"])

    def work(self) -> None:
        """Train every run; however this ends, no worker is left."""
        left = self._jobs.left
        _start_server()
        # A batch system ends a job so; without, the workers would go on.
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        try:
            while left or self._workers:
                while left and len(self._workers) < self._size:
                    self._start(left.popleft())
                for ours in wait(list(self._workers)):
                    assert isinstance(ours, Connection)
                    self._hear(ours)
        finally:
            signal.signal(signal.SIGTERM, before)
            # As by SIGKILL, nothing that counts is lost: the store sees to it.
            for worker in self._workers.values():
                worker.process.terminate()
                worker.process.join()

    def _start(self, job: Job) -> None:
        index = min(set(range(self._size)) - {w.index for w in self._workers.values()})
        ours, theirs = self._context.Pipe()
        arguments = (theirs, self._settings, worker_environment(index, self._gpus))
        process = self._context.Process(target=_work, args=arguments)
        process.start()
        theirs.close()
        self._give(ours, _Worker(index, process, job))

    def _give(self, ours: Connection, worker: _Worker) -> None:
        self._workers[ours] = worker
        with suppress(ConnectionError):  # it has died, as will be heard of it
            ours.send(worker.job)

    def _hear(self, ours: Connection) -> None:
        """Settle the run of one worker, and give it the next, or let it go."""
        worker = self._workers.pop(ours)
        try:
            reply, lives = ours.recv(), True
        except (EOFError, ConnectionError):
            worker.process.join()
            reply, lives = Reply(error=_death(worker)), False
        self._jobs.settle(worker.job, reply)
        if lives and self._jobs.left:
            self._give(ours, replace(worker, job=self._jobs.left.popleft()))
        else:
            ours.close()
            worker.process.join()


def _start_server() -> None:
    """Start the process that workers are forked from; as they, it does not hear Ctrl-C.

    That reaches every process of a terminal, and is for the driver, which ends the others.
    """
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)  # which processes inherit
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, heard)


def _work(driver: Connection, settings: Settings, variables: dict[str, str]) -> None:
    """Train what the driver sends until it sends no more: the whole life of a worker."""
    os.environ.update(variables)
    with suppress(EOFError, ConnectionError):
        while True:
            driver.send(_train(driver.recv(), settings))


def _train(job: Job, settings: Settings) -> Reply:
    from adamct.runs.runner import train_run  # loads torch, which the driver does without

    try:
        train_run(job.spec, **settings, wait=job.waits)
    except HeldError:
        return Reply(held=True)
    except ExpectedError as error:
        return Reply(error=f"error: {error}")
    except Exception:
        return Reply(error=traceback.format_exc())
    return Reply()


def _death(worker: _Worker) -> str:
    code = worker.process.exitcode or 0
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return (
        f"error: the process that trained run {worker.job.spec.run_id} died ({how}); the run stays "
        "unfinished, the others go on. Where memory ran out, set hydra.launcher.n_jobs to fewer "
        "processes, then run the same command"
    )
