"""Train what figures need, draw them, and say how long each took: what ``make`` calls.

    python scripts/reproduce.py fig3 --scale smoke
    python scripts/reproduce.py --report                 # every figure, then the report
    python scripts/reproduce.py --records reference      # every figure, and nothing is trained

A figure that fails keeps no other from being drawn; the last line and the exit code say so.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial

from adamct import environment, files
from adamct.report.make import Figures, drawing_pool, parse, script
from adamct.runs.exits import complain, exit_code


def main() -> int:
    """Parse the command line, take every step in turn, and account for its time."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--launcher", default="local", help="of Hydra: local, slurm, basic")
    parser.add_argument("--report", action="store_true", help="write the report at the end")
    arguments = parse(parser)
    return exit_code(lambda: make_all(arguments))


def make_all(arguments: argparse.Namespace) -> int:
    """Make the figures, and the report if it is asked for; return the exit code."""
    with drawing_pool(arguments) as pool:
        return make_each(arguments, Figures(arguments, pool))


def make_each(arguments: argparse.Namespace, figures: Figures) -> int:
    """Make figure after figure, then the report; account for their time."""
    steps: dict[str, Callable[[], bool]] = {
        name: partial(figures.make, name) for name in arguments.names
    }
    if arguments.report:
        own = ("--scale", arguments.scale, "--out", str(arguments.out.parent))
        steps["report"] = partial(script, "report.py", *own)
    took: dict[str, float] = {}
    failed = []
    for name, step in steps.items():
        began = time.monotonic()
        if not step():
            failed.append(name)
        took[name] = round(time.monotonic() - began, 1)
        if len(steps) > 1:
            write_times(arguments, dict(took))  # the report shows those of the figures
    if len(steps) > 1:
        rows = [*took.items(), ("total", sum(took.values()))]
        print("\n".join(f"{name:<8}{seconds:9.1f} s" for name, seconds in rows))
    if failed:
        complain(f"failed, as said above: {', '.join(failed)}")
    return 1 if failed else 0


def write_times(arguments: argparse.Namespace, took: dict[str, float]) -> None:
    """Write what each step took, in seconds, to ``times.json`` among the pictures."""
    from adamct.report.page import TIMES, Times

    times = Times(
        records=arguments.records,
        total=round(sum(took.values()), 1),
        report=took.pop("report", None),
        figures=took,
        commit=environment.commit(),
        cores=environment.n_cores(),
    )
    with files.writing(arguments.out):
        arguments.out.mkdir(parents=True, exist_ok=True)
    files.replace(arguments.out / TIMES, times.model_dump_json(indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
