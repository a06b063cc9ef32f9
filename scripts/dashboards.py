"""Save in W&B a dashboard for every figure, or for those that are named.

    python scripts/dashboards.py fig3 fig11 --scale laptop --project adamct
    python scripts/dashboards.py --print fig3

A dashboard is a saved workspace of the project, with an address of its own; a second call updates
it in place. --print needs no network and no login.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from plot import ROOT, SCALES

from adamct.dashboards import Dashboard, dashboard
from adamct.plotting.registry import figure_files, reads

if TYPE_CHECKING:
    from adamct.config.execution import Point


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line; print or save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="figN", help="figures; without, all of them")
    parser.add_argument("--scale", choices=SCALES, default="laptop", help="default: laptop")
    parser.add_argument("--project", default="adamct", help="project in W&B (default: adamct)")
    parser.add_argument(
        "--entity", help="user or team that owns it (default: WANDB_ENTITY, or the login's own)"
    )
    parser.add_argument("--print", action="store_true", help="print what would be sent, as JSON")
    parser.add_argument("--list", action="store_true", help="print the dashboards there are")
    arguments = parser.parse_args(argv)
    names = arguments.names or list(figure_files())
    if unknown := [name for name in names if name not in figure_files()]:
        parser.error(f"unknown figure {unknown[0]!r}; there are {', '.join(figure_files())}")
    boards = [board(name, arguments.scale) for name in names]
    if arguments.list:
        print("\n".join(f"{one.figure:6} {one.title}" for one in boards))
        return 0
    os.chdir(ROOT)  # relative paths, of prepared data, are the project's
    act = print_all if arguments.print else save_all
    try:
        act(boards, arguments.entity, arguments.project)
    except ModuleNotFoundError as error:
        raise SystemExit(f"error: {error}; install the project's requirements") from error
    return 0


def board(name: str, scale: str) -> Dashboard:
    """Return a figure's dashboard, from its file's title and the experiments that it reads."""
    path = figure_files()[name]
    title = (ast.get_docstring(ast.parse(path.read_text())) or name).splitlines()[0]
    return dashboard(path.stem, scale, title=title, reads=reads(path))


def print_all(boards: Sequence[Dashboard], entity: str | None, project: str) -> None:
    """Print what would be sent, as one JSON list."""
    from adamct.dashboards.workspaces import as_json, workspace

    owner = entity or os.environ.get("WANDB_ENTITY", "")
    built = [workspace(one, entity=owner, project=project, colours=colours(one)) for one in boards]
    print(json.dumps([as_json(one) for one in built], indent=1))


def save_all(boards: Sequence[Dashboard], entity: str | None, project: str) -> None:
    """Save the dashboards, one after the other, and print their addresses."""
    from adamct.dashboards.workspaces import DashboardError, connect, save, workspace

    try:
        owner = connect(entity)
        for one in boards:
            built = workspace(one, entity=owner, project=project, colours=colours(one))
            saved = save(built)
            print(f"{one.figure}: {'updated' if saved.updated else 'created'} {saved.url}")
    except DashboardError as error:
        raise SystemExit(f"error: {error}") from error


def colours(one: Dashboard) -> dict[str, str]:
    """Return the figure's colour of every run, by its id in W&B."""
    if one.colour is None:
        return {}
    from adamct.dashboards.colours import run_colours

    experiments = reads(figure_files()[one.figure])
    return run_colours([c for name in experiments for c in points(name, one.scale)], one.colour)


@lru_cache
def points(experiment: str, scale: str) -> list[Point]:
    """Compose the points of an experiment; none, with a warning, where its data is missing."""
    from adamct.config.compose import compose_sweep
    from adamct.data import DataError

    try:
        return list(compose_sweep([f"experiment={experiment}", f"scale={scale}"]))
    except DataError as error:  # without the data, runs have no name to colour them by
        print(f"warning: W&B chooses the colours of {experiment}: {error}", file=sys.stderr)
        return []


if __name__ == "__main__":
    sys.exit(main())
