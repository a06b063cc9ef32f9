"""Save a workspace in W&B for every figure, or for those that are named.

    python scripts/dashboards.py fig3 fig11 --scale laptop --project adamct
    python scripts/dashboards.py --print fig3

A workspace is a saved view of the project, with an address of its own, which is noted in
runs/.wandb/workspaces.json; a second call updates it in place. --print needs no network and no
login.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adamct.config.schema import SCALES
from adamct.plotting.registry import FigureError, chosen, figure_files, reads
from adamct.report.make import ROOT

if TYPE_CHECKING:
    from wandb_workspaces.workspaces import Workspace

NOTES = Path("runs/.wandb/workspaces.json")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line; print or save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="figN", help="figures; without, all of them")
    parser.add_argument("--scale", choices=SCALES, default="laptop", help="default: laptop")
    parser.add_argument("--project", default="adamct", help="project in W&B (default: adamct)")
    parser.add_argument(
        "--entity", help="user or team that owns it (default: WANDB_ENTITY, or the login's own)"
    )
    parser.add_argument("--print", action="store_true", help="print what would be sent")
    arguments = parser.parse_args(argv)
    try:
        paths = chosen(arguments.names or list(figure_files()))
    except FigureError as error:
        parser.error(str(error))
    os.chdir(ROOT)  # relative paths, of notes and of prepared data, are the project's
    try:
        from adamct.files import FileError
        from adamct.tracking.workspaces import WorkspaceError, connect, save
    except ModuleNotFoundError as error:
        print(f"error: {error}; install the project's requirements", file=sys.stderr)
        return 2
    entity = arguments.entity or os.environ.get("WANDB_ENTITY", "")
    try:
        entity = entity if arguments.print else connect(entity)
        for name, path in paths.items():
            built = build(path, arguments.scale, entity, arguments.project)
            print(built if arguments.print else f"{name}: {save(built, NOTES)}")
    except (WorkspaceError, FileError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def build(path: Path, scale: str, entity: str, project: str) -> Workspace:
    """Build a figure's workspace, from its file's title and the experiments that it reads."""
    from adamct.config.compose import compose_sweep
    from adamct.tracking.workspaces import workspace

    title = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or path.stem).splitlines()[0]
    points = [
        point
        for name in reads(path)
        for point in compose_sweep([f"experiment={name}", f"scale={scale}"], with_data=False)
    ]
    return workspace(path.stem, scale, points, title=title, entity=entity, project=project)


if __name__ == "__main__":
    sys.exit(main())
