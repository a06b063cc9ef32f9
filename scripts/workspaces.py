"""Save a workspace in W&B for every figure, or for those that are named.

    python scripts/workspaces.py fig3 fig11 --scale laptop --project adamct
    python scripts/workspaces.py --print fig3

A workspace is a saved view of the project, with an address of its own, which is noted in
runs/.wandb/workspaces.json; a second call updates it in place. --print needs no network and no
login.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adamct.plotting.registry import chosen, figure_files, reads, title
from adamct.report.make import ROOT, add_scale
from adamct.runs.exits import exit_code

if TYPE_CHECKING:
    from wandb_workspaces.workspaces import Workspace

NOTES = Path("runs/.wandb/workspaces.json")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line; print or save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="figN", help="figures; without, all of them")
    add_scale(parser)
    parser.add_argument("--project", default="adamct", help="project in W&B (default: adamct)")
    parser.add_argument(
        "--entity", help="user or team that owns it (default: WANDB_ENTITY, or the login's own)"
    )
    parser.add_argument("--print", action="store_true", help="print what would be sent")
    arguments = parser.parse_args(argv)
    os.chdir(ROOT)  # relative paths, of notes and of prepared data, are the project's

    return exit_code(lambda: save_all(arguments))


def save_all(arguments: argparse.Namespace) -> int:
    """Print or save the workspaces, one after the other."""
    from adamct.tracking.mode import answered

    with answered():
        from adamct.tracking.workspaces import connect, save

    figures = chosen(arguments.names or list(figure_files()))
    entity = arguments.entity or "" if arguments.print else connect(arguments.entity)
    for name, path in figures.items():
        built = build(path, arguments.scale, entity=entity, project=arguments.project)
        print(built if arguments.print else f"{name}: {save(built, NOTES)}")
    return 0


def build(path: Path, scale: str, *, entity: str, project: str) -> Workspace:
    """Build a figure's workspace, from its file's title and the experiments that it reads."""
    from adamct.config.compose import compose_sweep
    from adamct.tracking.workspaces import workspace

    sweeps = (
        compose_sweep([f"experiment={name}", f"scale={scale}"], with_data=False)
        for name in reads(path)
    )
    points = [point for sweep in sweeps for point in sweep]
    return workspace(path.stem, scale, points, title=title(path), entity=entity, project=project)


if __name__ == "__main__":
    sys.exit(main())
