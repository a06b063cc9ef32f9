"""Train what figures need, draw them, and say how long each took: what ``make`` calls.

    python scripts/reproduce.py fig3 --scale smoke
    python scripts/reproduce.py --report                 # every figure, then the report
    python scripts/reproduce.py --records reference      # every figure, nothing trained

A figure that fails does not keep the others from being drawn; the exit code and the last lines
say which failed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

import plot

from adamct import files
from adamct.gallery import FIGURES_DIR, FigureError, chosen, figure_files, reads

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Parse the command line, go through the figures, report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    plot.add_arguments(parser)
    parser.add_argument("--launcher", default="local", help="a file in conf/hydra/launcher")
    parser.add_argument("--report", action="store_true", help="write the report, too")
    arguments = parser.parse_intermixed_args()
    names, overrides = plot.split(arguments.words)
    try:
        chosen(names)
    except FigureError as error:
        parser.error(str(error))
    out = arguments.out.resolve() / arguments.scale
    os.chdir(ROOT)  # relative paths, of runs and of prepared data, are the project's
    try:
        return reproduce(names or list(figure_files()), overrides, arguments, out)
    except KeyboardInterrupt:
        print("error: interrupted; start again to go on where it stopped", file=sys.stderr)
        return 130


def reproduce(
    names: list[str], overrides: tuple[str, ...], arguments: argparse.Namespace, out: Path
) -> int:
    """Carry out every step in turn, and account for its time."""
    times: dict[str, float] = {}
    failed: list[str] = []
    trained: dict[str, bool] = {}
    source = None
    began = time.monotonic()

    def note(name: str, since: float, done: bool) -> None:
        times[name] = round(time.monotonic() - since, 1)
        if not done:
            failed.append(name)

    for name in names:
        start = time.monotonic()
        needed = reads(figure_files()[name]) if arguments.records == "runs" else ()
        for experiment in needed:
            if experiment not in trained:
                sweep = [f"experiment={experiment}", f"scale={arguments.scale}"]
                sweep += [f"hydra/launcher={arguments.launcher}", *overrides]
                trained[experiment] = call("run.py", "-m", *sweep)
        done = all(trained[experiment] for experiment in needed)
        if done:
            source = source or plot.source(arguments, overrides)
            done = drawn(name, source, out)
        note(name, start, done)
    if arguments.report:
        write_times(out, times, began, failed)  # the report shows them
        start = time.monotonic()
        note("report", start, call("report.py", "--scale", arguments.scale))
    if len(names) > 1:
        print(write_times(out, times, began, failed))
    if failed:
        print(f"error: failed: {', '.join(failed)}; see above", file=sys.stderr)
    return 1 if failed else 0


def call(script: str, *arguments: str) -> bool:
    """Run another of the scripts; return whether it went well."""
    code = subprocess.call([sys.executable, str(ROOT / "scripts" / script), *arguments])
    if code == 130:
        raise KeyboardInterrupt
    return code == 0
