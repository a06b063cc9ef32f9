"""One run, trained: it goes on where it stopped, and leaves a record and an outcome."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from adamct import files
from adamct.config.execution import Execution
from adamct.config.spec import RunSpec
from adamct.runs.exits import complain
from adamct.runs.faults import ends_process, explained
from adamct.runs.lines import Line, RecordWriter, non_finite
from adamct.runs.process import check_resume, describe
from adamct.runs.store import Outcome, RunFolder
from adamct.train import Training, checkpoint, drain, observe
from adamct.train.checkpoint import CheckpointWriter


def train_run(
    spec: RunSpec,
    execution: Execution,
    *,
    runs_dir: Path,
    clock: Callable[[], float] = time.monotonic,
    data_dir: Path | None = None,
    cache_dir: Path = Path("data"),
    wait: bool = True,
) -> Outcome:
    """Train a run to its end, unless it has one.

    A finished or diverged run is returned as it is; a failed one is tried again; one that another
    process is training is waited for, unless ``wait`` is False. An interrupted run goes on from its
    last checkpoint, and ends bit for bit where it would have ended.

    Args:
        spec: what to train.
        execution: on what.
        runs_dir: folder of the run folders.
        clock: seconds, by which checkpoints fall due; read once a step.
        data_dir: raw data; ``None`` where the corpus needs none.
        cache_dir: prepared data.
        wait: whether to wait for a process that is training it.

    Returns:
        The outcome, which is also in the folder.

    Raises:
        StoreError: if the folder cannot be read.
        FileError: if it cannot be written.
        HeldError: if another process trains it and ``wait`` is False.
        Exception: whatever the training itself raised, after the outcome ``failed`` is written.
        DeviceMemoryError: likewise, if the device's memory does not hold the run.
        ResumeError: likewise, if it cannot go on here bit for bit.
        SystemExit: likewise, after an error that leaves CUDA unusable to this process.
    """
    folder = RunFolder.of(spec, runs_dir)
    with folder.lock(wait=wait):
        folder.clean()
        if outcome := folder.outcome():
            return outcome
        try:
            folder.write_spec(spec)
            outcome = _train(spec, execution, folder, data_dir, cache_dir, clock)
        except Exception as error:
            fault = explained(error)
            _note_failure(folder, fault)
            if ends_process(fault):
                complain(f"run {spec.run_id}: {fault}; CUDA is of no more use to this process")
                raise SystemExit(1) from error
            if fault is not error:
                raise fault from error
            raise
        folder.write_outcome(outcome)
        folder.checkpoint_path.unlink(missing_ok=True)
        return outcome


def configure_process(execution: Execution) -> None:
    """Set torch's process-wide switches as the execution says."""
    torch.set_num_threads(execution.threads)
    if execution.deterministic:
        # cuBLAS reads this when it starts; without it, deterministic mode refuses to run.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(execution.deterministic)
    # Filling fresh memory with NaN would cost a pass over every tensor, and we read none unwritten.
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010


def _train(
    spec: RunSpec,
    execution: Execution,
    folder: RunFolder,
    data_dir: Path | None,
    cache_dir: Path,
    clock: Callable[[], float],
) -> Outcome:
    configure_process(execution)
    training = Training(spec, execution, data_dir=data_dir, cache_dir=cache_dir)
    start, state = 0, None
    if folder.checkpoint_path.exists():
        start, state = checkpoint.read(folder.checkpoint_path, spec.run_id, training.device)
    began = time.monotonic()
    # A run that starts again leaves nothing of what came before; one that goes on adds to it.
    environments = folder.environments() if start else []
    compiled = training.optimizer.uses_compiled
    now = describe(execution, training.device, compiled=compiled, first_step=start)
    check_resume(folder, environments, now)
    if state is not None:
        training.load_state_dict(state)
    environments.append(now)
    folder.write_environments(environments)
    writer = RecordWriter(folder.record_path, start)
    if start == 0:
        training.look_ahead()
    try:
        with CheckpointWriter(
            folder.checkpoint_path, spec.run_id, execution.checkpoint_minutes, clock
        ) as checkpoints:
            outcome = _advance(training, execution, folder, writer, checkpoints, start)
    finally:
        writer.close()
    now["wall_s"] = round(time.monotonic() - began, 3)
    now["compiled"] = training.optimizer.uses_compiled  # what was used, now known
    folder.write_environments(environments)
    return outcome


def _advance(
    training: Training,
    execution: Execution,
    folder: RunFolder,
    writer: RecordWriter,
    checkpoints: CheckpointWriter,
    start: int,
) -> Outcome:
    """Take the steps from ``start`` on, and record them an interval at a time."""
    spec = training.spec
    pending: list[Mapping[str, Any]] = []
    for n in range(start, spec.n_steps):
        # Everything in line n is taken at θ_n, so the held-out scores come before the step.
        evaluated = _evaluate(training, n)
        before = observe(spec.observe, training.state(n))
        after = observe(spec.observe, training.step(n))
        pending.append({"n": n, **before, **after, **evaluated})
        due = checkpoints.are_due
        if due or len(pending) == execution.flush_every or n + 1 == spec.n_steps:
            if diverged := _write(folder, writer, drain(pending)):
                return diverged
            pending.clear()
        if due and n + 1 < spec.n_steps:
            writer.sync()
            checkpoints.save(n + 1, training.state_dict())
    last = observe(spec.observe, training.state(spec.n_steps))
    last |= _evaluate(training, spec.n_steps)
    if last and (diverged := _write(folder, writer, drain([{"n": spec.n_steps, **last}]))):
        return diverged
    return folder.final_outcome("finished", spec.n_steps)


def _evaluate(training: Training, n: int) -> dict[str, torch.Tensor]:
    """Return the held-out scores at θ_n if they are due: every so many steps, and at the end."""
    evaluation = training.spec.evaluation
    if evaluation is None or (n % evaluation.every and n < training.spec.n_steps):
        return {}
    return training.evaluate()


def _write(folder: RunFolder, writer: RecordWriter, lines: list[Line]) -> Outcome | None:
    """Write lines up to the first that is not finite; return the divergence it stands for."""
    for position, line in enumerate(lines):
        if name := non_finite(line):
            writer.write(lines[: position + 1])
            reason = f"{name} is not finite at step {line['n']}"
            return folder.final_outcome("diverged", line["n"] + 1, reason)
    writer.write(lines)
    return None


def _note_failure(folder: RunFolder, error: Exception) -> None:
    reason = f"{type(error).__name__}: {error}"
    # A full disk cannot take the outcome either; without one, the run counts as unfinished.
    with contextlib.suppress(files.FileError):
        folder.write_outcome(Outcome("failed", folder.steps_recorded(), reason))
