"""Train what figures need, draw them, and say how long each took: what ``make`` calls.

    python scripts/reproduce.py fig3 --scale smoke
    python scripts/reproduce.py --report                 # every figure, then the report
    python scripts/reproduce.py --records reference      # every figure, and nothing is trained

A figure that fails keeps no other from being drawn; the last line and the exit code say so.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import plot

from adamct import environment, files
from adamct.plotting.registry import figure_files, reads

if TYPE_CHECKING:
    from adamct.plotting.render import Source

SCRIPTS = Path(__file__).resolve().parent


def main() -> int:
    """Parse the command line, take every step in turn, and account for its time."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    plot.add_arguments(parser)
    parser.add_argument("--launcher", default="local", help="of Hydra: local, slurm, basic")
    parser.add_argument("--report", action="store_true", help="write the report at the end")
    arguments = plot.parse(parser)
    figures = Figures(arguments)
    steps: dict[str, Callable[[], bool]] = {
        name: lambda name=name: figures.make(name)  # type: ignore[misc]
        for name in arguments.names
    }
    if arguments.report:
        own = ("--scale", arguments.scale, "--out", str(arguments.out.parent))
        steps["report"] = lambda: script("report.py", *own)
    took: dict[str, float] = {}
    failed = []
    try:
        for name, step in steps.items():
            began = time.monotonic()
            if not step():
                failed.append(name)
            took[name] = round(time.monotonic() - began, 1)
            if len(steps) > 1:
                write_times(arguments, took)  # the report shows those of the figures
    except KeyboardInterrupt:
        print("error: interrupted; start again to go on where it stopped", file=sys.stderr)
        return 130
    if len(steps) > 1:
        rows = [*took.items(), ("total", sum(took.values()))]
        print("\n".join(f"{name:<8}{seconds:9.1f} s" for name, seconds in rows))
    if failed:
        print(f"error: failed, as said above: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


class Figures:
    """Makes figures; what several of them read is trained once, and read once."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._trained: dict[str, bool] = {}
        self._source: Source | None = None
        self._wandb_answers = True

    def make(self, name: str) -> bool:
        """Train what a figure lacks, and draw it; return whether that went well."""
        needed = reads(figure_files()[name]) if self._arguments.records == "runs" else ()
        trained = [self._train(experiment) for experiment in needed]
        return all(trained) and self._draw(name)

    def _train(self, experiment: str) -> bool:
        if experiment not in self._trained:
            sweep = [f"experiment={experiment}", f"scale={self._arguments.scale}"]
            sweep += [f"hydra/launcher={self._arguments.launcher}", *self._arguments.overrides]
            self._trained[experiment] = script("run.py", "-m", *sweep)
        return self._trained[experiment]

    def _draw(self, name: str) -> bool:
        from adamct.runs.sweep import EXPECTED

        self._source = self._source or plot.source_of(self._arguments)
        try:
            self._wandb_answers = plot.draw_one(
                name, self._source, self._arguments.out, in_wandb=self._wandb_answers
            )
        except EXPECTED as error:
            print(f"error: {error}", file=sys.stderr)
            return False
        except Exception:  # a fault in one figure's code; the others can do without it
            traceback.print_exc()
            return False
        return True


def script(name: str, *arguments: str) -> bool:
    """Run another script; return whether it went well."""
    with subprocess.Popen([sys.executable, str(SCRIPTS / name), *arguments]) as process:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.wait()  # Ctrl-C has reached it, too, and it ends in order
            raise
    if code == 130:
        raise KeyboardInterrupt
    return code == 0


def write_times(arguments: argparse.Namespace, took: dict[str, float]) -> None:
    """Write what each step took, in seconds, to ``times.json`` among the pictures."""
    out = arguments.out
    times = {
        "records": arguments.records,
        "figures": {name: seconds for name, seconds in took.items() if name != "report"},
        "report": took.get("report"),
        "total": round(sum(took.values()), 1),
        "commit": environment.commit(),
        "cores": environment.n_cores(),
    }
    with files.writing(out):
        out.mkdir(parents=True, exist_ok=True)
    files.replace(out / "times.json", json.dumps(times, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
