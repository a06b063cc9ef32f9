"""Several processes on one card: what small runs gain side by side."""

from __future__ import annotations

import hashlib
import multiprocessing
import time
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import NamedTuple

import torch

from benchmarks import workloads
from benchmarks.gpu.results import Check, Result, Sizes
from benchmarks.timing import wait

WARM_UP = 5  # steps
PATIENCE = 120  # seconds; a process that waits for a dead one ends, too


class _Found(NamedTuple):
    seconds: float
    parameters: str  # their hash


def packing(sizes: Sizes) -> Result:
    """Seconds of a CNN's epoch with n runs on the card, by run; their bits are those of one alone.

    A worker of the local launcher is such a process (``hydra.launcher.runs_per_gpu``).
    """
    n_steps = 5 * sizes.steps
    epoch = sizes.n_images // sizes.cnn_batch / n_steps
    numbers: dict[str, float | str] = {}
    checks, alone = [], _Found(0.0, "")
    for n in sizes.packed:
        found = _side_by_side(n, sizes, n_steps)
        if n == 1:
            (alone,) = found
        seconds = max(of_run.seconds for of_run in found)
        numbers[f"{n} at once, s an epoch of each"] = seconds * epoch
        if n > 1:
            numbers[f"{n} at once, speed against one after another"] = n * alone.seconds / seconds
            equal = {of_run.parameters for of_run in found} == {alone.parameters}
            checks.append(
                Check(f"{n} at once are equal to one alone", equal, alone.parameters[:12])
            )
    return Result(checks, numbers)


def _side_by_side(n: int, sizes: Sizes, n_steps: int) -> list[_Found]:
    context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
    barrier = context.Barrier(n)
    pipes, processes = [], []
    for _ in range(n):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(
            target=_train, args=(theirs, barrier, sizes, n_steps), daemon=True
        )
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    found = [pipe.recv() for pipe in pipes]
    for process in processes:
        process.join()
    return found


def _train(driver: Connection, barrier: Barrier, sizes: Sizes, n_steps: int) -> None:
    """Train one of the runs, which all begin to be timed together."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    spec = workloads.cnn_spec(
        sizes.cnn_width, sizes.cnn_batch, sizes.n_images, precision="bfloat16"
    )
    run = workloads.training(spec, sizes.execution())
    step = workloads.recorded_step(run)
    for _ in range(WARM_UP):
        step()
    wait()
    barrier.wait(PATIENCE)
    began = time.perf_counter()
    for _ in range(n_steps):
        step()
    wait()
    seconds = time.perf_counter() - began
    digest = hashlib.sha256()
    for p in run.model.parameters():
        digest.update(p.detach().cpu().numpy().tobytes())
    driver.send(_Found(seconds, digest.hexdigest()))
