"""A sweep from the outside: checked before it starts, watched, reported at its end."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tqdm import tqdm

from adamct.compose import Cell, ConfigurationError, compose_cells
from adamct.data import DataError
from adamct.files import FileError
from adamct.store import Outcome, RunFolder, StoreError
from adamct.train.checkpoint import CheckpointError

# Faults whose message says all that there is to say: shown without a traceback.
EXPECTED = (ConfigurationError, DataError, FileError, StoreError, CheckpointError)

BAR = "{desc} {percentage:3.0f}%|{bar}| {n:.1f}/{total} runs [{elapsed}<{remaining}, {rate_fmt}]"


def run_sweep(arguments: Sequence[str], launch: Callable[[], None]) -> int:
    """Check every run, launch those that are missing, and report.

    Args:
        arguments: the command line: Hydra overrides, and ``-m`` for a sweep.
        launch: starts Hydra, which reads the command line itself.

    Returns:
        The exit code: 0 if every run has an outcome that is final, 1 otherwise, 2 for a
        configuration that cannot work.
    """
    multirun = any(a in ("-m", "--multirun") for a in arguments)
    flags = [a for a in arguments if a.startswith("-") and a not in ("-m", "--multirun")]
    if flags:
        return _complain(f"unknown option {flags[0]}; see --help", code=2)
    try:
        cells = compose_cells([a for a in arguments if not a.startswith("-")], sweep=multirun)
    except EXPECTED as error:
        return _complain(str(error), code=2)
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("hydra", "omegaconf"):
            raise
        return _complain(str(error), code=2)
    runs = {cell.spec.run_id: cell for cell in cells}
    missing = {name: cell for name, cell in runs.items() if not _folder(cell).is_done()}
    print(_headline(cells, len(runs), len(missing)), flush=True)
    if not missing:
        return 0
    with watch(runs):
        try:
            launch()
        except KeyboardInterrupt:
            return _complain("interrupted; start again to go on where it stopped", code=130)
        except SystemExit:
            pass  # Hydra has shown the error of a job; the outcomes below decide
    return _report(missing)


@contextmanager
def watch(runs: dict[str, Cell]) -> Iterator[None]:
    """Show a bar of runs done, in fractions of their steps, while the body runs."""
    stop = threading.Event()
    bar = tqdm(
        total=len(runs),
        initial=_progress(runs),
        desc=next(iter(runs.values())).experiment,
        bar_format=BAR,
        unit="run",
        smoothing=0.05,
        mininterval=0.5 if sys.stderr.isatty() else 15.0,
    )

    def poll() -> None:
        while not stop.wait(0.5):
            bar.update(_progress(runs) - bar.n)

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        bar.update(_progress(runs) - bar.n)
        bar.close()


def _progress(runs: dict[str, Cell]) -> float:
    return sum(_fraction(cell) for cell in runs.values())


def _fraction(cell: Cell) -> float:
    folder = _folder(cell)
    if folder.is_done():
        return 1.0
    return min(1.0, folder.steps_recorded() / cell.spec.n_steps)


def _folder(cell: Cell) -> RunFolder:
    return RunFolder.of(cell.spec, cell.runs_dir)


def _headline(cells: Sequence[Cell], n_runs: int, n_missing: int) -> str:
    first = cells[0]
    shared = f" ({len(cells)} cells)" if len(cells) != n_runs else ""
    todo = f"{n_missing} to train" if n_missing else "nothing to train"
    return (
        f"{first.experiment}, {first.scale} scale: {n_runs - n_missing} of {n_runs} runs"
        f"{shared} done in {first.runs_dir}, {todo}"
    )


def _report(missing: dict[str, Cell]) -> int:
    outcomes: dict[str, Outcome | None] = {
        name: _folder(cell).outcome() for name, cell in missing.items()
    }
    diverged = [o for o in outcomes.values() if o and o.status == "diverged"]
    if diverged:
        print(f"{len(diverged)} runs diverged; their records say at which step")
    failed = {name: o for name, o in outcomes.items() if o is None or not o.is_final}
    for name, outcome in list(failed.items())[:5]:
        reason = outcome.reason if outcome else "interrupted"
        print(f"run {name} failed: {reason}", file=sys.stderr)
    if failed:
        return _complain(
            f"{len(failed)} of {len(missing)} runs have no final outcome; start again to go on",
            code=1,
        )
    return 0


def _complain(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code
