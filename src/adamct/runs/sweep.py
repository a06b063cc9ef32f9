"""A sweep from the outside: checked before it starts, watched, reported at its end."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tqdm import tqdm

from adamct import files
from adamct.config.compose import compose_sweep
from adamct.config.schema import ConfigurationError
from adamct.config.spec import RunSpec
from adamct.config.sweep import Sweep
from adamct.runs.exits import complain, exit_code
from adamct.runs.lines import Line
from adamct.runs.store import Outcome, RunFolder, folders_of
from adamct.runs.workers import n_workers, train_runs

# Watches a sweep, named by its overrides, while it runs.
Track = Callable[[Sweep, Sequence[str]], AbstractContextManager[None]]

BAR = "{desc} {percentage:3.0f}%|{bar}| {n:.1f}/{total} runs [{elapsed}<{remaining}, {rate_fmt}]"


def run_sweep(arguments: Sequence[str], launch: Callable[[], None], track: Track) -> int:
    """Check every run, launch those that are missing, and report.

    Args:
        arguments: the command line: Hydra overrides, and ``-m`` for a sweep.
        launch: starts the launcher of Hydra's that was asked for, where it is not our own.
        track: entered with the sweep and its overrides while its runs are launched.

    Returns:
        The exit code: 0 if every run has an outcome that is final, 1 otherwise; 2 for what cannot
        work, see :func:`~adamct.runs.exits.exit_code`.
    """
    return exit_code(lambda: _run_sweep(arguments, launch, track))


def _run_sweep(arguments: Sequence[str], launch: Callable[[], None], track: Track) -> int:
    overrides = [a for a in arguments if not a.startswith("-")]
    flags = {a for a in arguments if a.startswith("-")}
    if unknown := flags - {"-m", "--multirun"}:
        raise ConfigurationError(f"unknown option {min(unknown)}; see --help")
    sweep = compose_sweep(overrides, sweep=bool(flags))
    folders = folders_of(sweep)
    missing = {name: folder for name, folder in folders.items() if not folder.is_done()}
    if sweep.question:
        print(f"{sweep.paper}: {sweep.question}")
    print(_headline(sweep, len(folders), len(missing)), flush=True)
    with track(sweep, overrides):
        if missing:
            _check_machine(sweep)
            _check_room(sweep.runs_dir)
            with watch(sweep):
                if sweep.launcher == "local":
                    train_runs(sweep, [sweep.runs[name] for name in missing])
                else:
                    launch()
    code = _report(missing)  # the outcomes decide
    if len(folders) == 1:
        _show_scores(next(iter(folders.values())), sweep[0].spec)
    return code


@contextmanager
def watch(sweep: Sweep) -> Iterator[None]:
    """Show a bar of runs done, in fractions of their steps, while the body runs."""
    stop = threading.Event()
    progress = _progress(sweep)
    bar = tqdm(
        total=len(sweep.runs),
        initial=progress(),
        desc=sweep.experiment,
        bar_format=BAR,
        unit="run",
        smoothing=0.05,
        mininterval=0.5 if sys.stderr.isatty() else 15.0,
    )

    def show() -> None:
        # Never backwards: a resumed record is cut at its checkpoint, and catches up again.
        bar.update(max(0.0, progress() - bar.n))

    def poll() -> None:
        # A look at a thousand folders, or at a slow disk, takes its time: rest 50 times as long.
        pause = 0.5
        while not stop.wait(pause):
            began = time.monotonic()
            show()
            pause = max(0.5, 50 * (time.monotonic() - began))

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        show()
        bar.close()


def _progress(sweep: Sweep) -> Callable[[], float]:
    """Return what counts runs done, in fractions of their steps, and looks at those left alone."""
    left = {RunFolder.of(spec, sweep.runs_dir): spec.n_steps for spec in sweep.runs.values()}
    n_runs = len(left)

    def measure() -> float:
        for folder in [folder for folder in left if folder.is_done()]:
            del left[folder]
        running = (min(1.0, folder.steps_recorded() / n) for folder, n in left.items())
        return n_runs - len(left) + sum(running)

    return measure


def _check_machine(sweep: Sweep) -> None:
    """Refuse a device that is not here, and a number of processes that is none."""
    if sweep.launcher == "local":
        n_workers(sweep)
    if sweep.execution.device != "cpu":
        from adamct.train import check_device  # loads torch, which takes seconds

        check_device(sweep)


def _check_room(runs_dir: Path) -> None:
    """Refuse a folder that cannot be written or has no room before anything is launched."""
    probe = runs_dir / f".probe.{os.getpid()}"
    with files.writing(runs_dir):
        runs_dir.mkdir(parents=True, exist_ok=True)
    files.replace(probe, bytes(1 << 16))
    probe.unlink()


def _headline(sweep: Sweep, n_runs: int, n_missing: int) -> str:
    shared = f" ({len(sweep)} points)" if len(sweep) != n_runs else ""
    todo = f"{n_missing} to train" if n_missing else "nothing to train"
    return (
        f"{sweep.experiment}, {sweep.scale} scale: {n_runs - n_missing} of {n_runs} runs"
        f"{shared} done in {sweep.runs_dir}, {todo}"
    )


def _report(missing: dict[str, RunFolder]) -> int:
    outcomes: dict[str, Outcome | None] = {
        name: folder.outcome() for name, folder in missing.items()
    }
    diverged = [o for o in outcomes.values() if o and o.status == "diverged"]
    if diverged:
        print(f"{len(diverged)} runs diverged; their records say at which step")
    failed = {name: o for name, o in outcomes.items() if o is None or not o.is_final}
    for name, outcome in list(failed.items())[:5]:
        reason = outcome.reason if outcome else "interrupted, or stopped by an error shown above"
        print(f"run {name} did not finish: {reason}", file=sys.stderr)
    if failed:
        complain(
            f"{len(failed)} of {len(missing)} runs have no final outcome; start again to go on"
        )
    return 1 if failed else 0


def _show_scores(folder: RunFolder, spec: RunSpec) -> None:
    """Print what a run came to on the held-out data, if it was scored."""
    if spec.evaluation is None or not folder.is_done():
        return
    last: Line = next((line for line in reversed(folder.lines()) if "test_loss" in line), {})
    scores = [
        f"{name} {value:.4f}"
        for name, value in last.items()
        if name.startswith(("test_", "validation_"))
    ]
    if scores:
        print(f"at step {last['n']}: {', '.join(scores)}; record: {folder.record_path}")
