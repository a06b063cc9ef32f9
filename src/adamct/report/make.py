"""What ``make`` does for a figure: train what it lacks, draw it, print its verdicts, time it all.

Nothing heavy is imported until a figure is drawn, so that a list of figures costs no time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from adamct import environment, files
from adamct.config.schema import SCALES
from adamct.plotting.registry import FIGURES_DIR, FigureError, chosen, figure_files, reads
from adamct.runs.exits import INTERRUPTED, complain

if TYPE_CHECKING:
    from adamct.plotting.rendered import Rendered
    from adamct.plotting.source import Source

ROOT = FIGURES_DIR.parent
SCRIPTS = ROOT / "scripts"
OUT = FIGURES_DIR / "out"


def add_scale(parser: argparse.ArgumentParser, default: str = "laptop") -> None:
    """Add the option that says at which scale."""
    parser.add_argument("--scale", choices=SCALES, default=default, help=f"default: {default}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which figures, of which records, into which folder."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="figN",
        help="figures, all of them unless some are named; Hydra overrides such as seed=1",
    )
    add_scale(parser)
    parser.add_argument(
        "--records",
        choices=("runs", "reference"),
        default="runs",
        help="your own runs, or those whose records are in figures/reference",
    )
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the pictures")


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line; tell figures from overrides; enter the project's folder.

    Returns:
        What :func:`add_arguments` asks for, with ``names`` of figures, ``overrides``, and in
        ``out`` the folder of the scale.
    """
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


class Figures:
    """Draws figures; what several of them read is trained once, and read once.

    Args:
        arguments: of :func:`parse`; with ``launcher`` where runs may be trained.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._trained: dict[str, bool] = {}
        self._source: Source | None = None
        self._in_wandb = True

    @property
    def source(self) -> Source:
        """Where the records come from."""
        from adamct.plotting.source import Source, reference_source

        if self._source is None and self._arguments.records == "reference":
            folder = reference_source(self._arguments.scale).reference
            self._source = Source(self._arguments.scale, self._overrides(), folder)
        self._source = self._source or Source(self._arguments.scale, self._overrides())
        return self._source

    def make(self, name: str) -> bool:
        """Train what a figure lacks, and draw it; return whether that went well.

        Errors are shown, not raised: other figures can do without this one.
        """
        from adamct.runs.sweep import EXPECTED

        needed = reads(figure_files()[name]) if self._arguments.records == "runs" else ()
        trained = [self._train(experiment) for experiment in needed]
        if not all(trained):
            return False
        try:
            self.draw(name)
        except EXPECTED as error:
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
        from adamct.plotting.render import render

        rendered = render(name, self.source, self._arguments.out)
        print(rendered.as_text(self._arguments.out), flush=True)
        # After W&B has failed, which may have taken its time, no other figure is sent.
        self._in_wandb = self._in_wandb and self._show_in_wandb(rendered)

    def _overrides(self) -> tuple[str, ...]:
        # What is said to a launcher says nothing of the records, and no other launcher knows it.
        launcher = ("hydra/launcher", "hydra.launcher")
        said = self._arguments.overrides
        return tuple(o for o in said if not o.lstrip("+~").startswith(launcher))

    def _train(self, experiment: str) -> bool:
        if experiment not in self._trained:
            sweep = [f"experiment={experiment}", f"scale={self._arguments.scale}"]
            sweep += [f"hydra/launcher={self._arguments.launcher}", *self._arguments.overrides]
            self._trained[experiment] = script("run.py", "-m", *sweep)
        return self._trained[experiment]

    def _show_in_wandb(self, rendered: Rendered) -> bool:
        """Send a figure to W&B; return whether to send the next."""
        tracker = self.source.tracker()
        if tracker is None:
            return False
        from adamct.files import FileError
        from adamct.tracking.figures import mirror_figure
        from adamct.tracking.mode import TrackingError

        name, experiments = rendered.figure, [one.experiment for one in rendered.experiments]
        pictures = [self._arguments.out / file for file in rendered.files]
        verdicts = [verdict.model_dump() for verdict in rendered.verdicts]
        try:
            mirror_figure(tracker, rendered.scale, rendered.stem, experiments, pictures, verdicts)
        except TrackingError as error:
            warn(f"{name}, and what is drawn after it, is not in W&B: {error}")
            return False
        except FileError as error:
            warn(f"{name} is not in W&B: {error}")
        return True


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


def write_times(arguments: argparse.Namespace, took: dict[str, float]) -> None:
    """Write what each step took, in seconds, to ``times.json`` among the pictures."""
    from adamct.report.page import TIMES, Times

    times = Times(
        records=arguments.records,
        figures={name: seconds for name, seconds in took.items() if name != "report"},
        report=took.get("report"),
        total=round(sum(took.values()), 1),
        commit=environment.commit(),
        cores=environment.n_cores(),
    )
    out = arguments.out
    with files.writing(out):
        out.mkdir(parents=True, exist_ok=True)
    files.replace(out / TIMES, json.dumps(times.model_dump(), indent=1) + "\n")


def warn(message: str) -> None:
    """Print what went wrong and stops nothing."""
    print(f"warning: {message}", file=sys.stderr)
