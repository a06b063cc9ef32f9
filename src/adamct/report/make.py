"""What ``make`` does for a figure: train what it lacks, draw it, print its verdicts.

Nothing heavy is imported until a figure is drawn, so that a list of figures costs no time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from adamct import environment
from adamct.config.schema import SCALES
from adamct.files import ExpectedError, FileError
from adamct.plotting.registry import FIGURES_DIR, FigureError, chosen, figure_files, reads
from adamct.runs.exits import INTERRUPTED, complain

if TYPE_CHECKING:
    from adamct.config.execution import WandbTracker
    from adamct.plotting.rendered import Rendered
    from adamct.plotting.source import Source

ROOT = FIGURES_DIR.parent
SCRIPTS = ROOT / "scripts"
OUT = FIGURES_DIR / "out"


def add_scale(parser: argparse.ArgumentParser, default: str = "laptop") -> None:
    """Add the option that says at which scale."""
    parser.add_argument("--scale", choices=SCALES, default=default, help=f"default: {default}")


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Ask which figures, of which records, into which folder; enter the project's folder.

    Returns:
        What the command line says: ``scale``, ``records``, ``names`` of figures, ``overrides``, in
        ``out`` the folder of the scale, and what the parser asks for itself.
    """
    words = "figures, all of them unless some are named; Hydra overrides such as seed=1"
    parser.add_argument("words", nargs="*", metavar="figN", help=words)
    add_scale(parser)
    records = "your own runs, or those whose records are in figures/reference"
    parser.add_argument("--records", choices=("runs", "reference"), default="runs", help=records)
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the pictures")
    arguments = parser.parse_intermixed_args()
    named = [word for word in arguments.words if "=" not in word]
    arguments.overrides = [word for word in arguments.words if "=" in word]
    try:
        arguments.names = list(chosen(named or list(figure_files())))
    except FigureError as error:
        parser.error(str(error))
    arguments.out = arguments.out.resolve() / arguments.scale
    os.chdir(ROOT)  # relative paths, of runs and of prepared data, are the project's
    return arguments


@contextmanager
def drawing_pool(arguments: argparse.Namespace) -> Iterator[Executor | None]:
    """Give processes that draw several figures at once; none where runs may have to be trained."""
    n = min(environment.n_cores(), len(arguments.names))
    if arguments.records == "runs" or n == 1:
        yield None
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["adamct.plotting.render"])
    deaf = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for this process, which ends them
    pool = ProcessPoolExecutor(n, context, signal.signal, deaf)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


class Figures:
    """Draws figures; what several of them read is trained once.

    Args:
        arguments: of :func:`parse`; with ``launcher`` where runs may be trained.
        pool: of :func:`drawing_pool`, to draw all of them from the first on.
    """

    def __init__(self, arguments: argparse.Namespace, pool: Executor | None = None) -> None:
        self._arguments = arguments
        self._pool = pool
        self._train = cache(self._train_experiment)
        self._begun: dict[str, Future[Rendered]] = {}
        self._in_wandb = True

    @cached_property
    def source(self) -> Source:
        """Where the records come from."""
        from adamct.plotting.source import REFERENCE_DIR, Source

        scale, said = self._arguments.scale, self._arguments.overrides
        # What is said to a launcher says nothing of the records, and no other launcher knows it.
        launcher = ("hydra/launcher", "hydra.launcher")
        overrides = tuple(o for o in said if not o.lstrip("+~").startswith(launcher))
        reference = REFERENCE_DIR / scale if self._arguments.records == "reference" else None
        return Source(scale, overrides, reference)

    def make(self, name: str) -> bool:
        """Train what a figure lacks, and draw it; return whether that went well.

        Errors are shown, not raised: other figures can do without this one.
        """
        needed = reads(figure_files()[name]) if self._arguments.records == "runs" else ()
        trained = [self._train(experiment) for experiment in needed]  # all, if one fails, too
        if not all(trained):
            return False
        try:
            self.draw(name)
        except ExpectedError as error:
            complain(str(error))
            return False
        except Exception:
            traceback.print_exc()
            return False
        return True

    def draw(self, name: str) -> None:
        """Draw a figure, print its verdicts, and show it in W&B where the overrides ask for it.

        Raises:
            StoreError, ConfigurationError: as :func:`adamct.plotting.render.render`.
        """
        rendered = self._drawn(name)
        print(rendered.as_text(self._arguments.out), flush=True)
        if self._in_wandb and (tracker := self.source.tracker()):
            self._show_in_wandb(rendered, tracker)

    def _drawn(self, name: str) -> Rendered:
        from adamct.plotting.render import render

        if self._pool is None:
            return render(name, self.source, self._arguments.out)
        if not self._begun:
            for each in self._arguments.names:
                where = (each, self.source, self._arguments.out)
                self._begun[each] = self._pool.submit(render, *where)
        return self._begun[name].result()

    def _train_experiment(self, experiment: str) -> bool:
        sweep = [f"experiment={experiment}", f"scale={self._arguments.scale}"]
        sweep += [f"hydra/launcher={self._arguments.launcher}", *self._arguments.overrides]
        return script("run.py", "-m", *sweep)

    def _show_in_wandb(self, rendered: Rendered, tracker: WandbTracker) -> None:
        from adamct.tracking.figures import mirror_figure
        from adamct.tracking.mode import TrackingError

        try:
            mirror_figure(tracker, rendered, self._arguments.out)
        except (FileError, TrackingError) as error:
            # Once W&B itself has failed, which may have taken its time, nothing more is sent.
            self._in_wandb = isinstance(error, FileError)
            others = "" if self._in_wandb else ", and what is drawn after it,"
            print(f"warning: {rendered.figure}{others} is not in W&B: {error}", file=sys.stderr)


def script(name: str, *arguments: str) -> bool:
    """Run another script; return whether it went well.

    Raises:
        KeyboardInterrupt: if it was interrupted.
    """
    with subprocess.Popen([sys.executable, str(SCRIPTS / name), *arguments]) as process:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.wait()  # Ctrl-C has reached it, too, and it ends in order
            raise
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    return code == 0
