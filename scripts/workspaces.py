"""Save a workspace in W&B for every figure, or for those that are named.

    python scripts/workspaces.py fig3 fig11 --scale laptop --project adamct
    python scripts/workspaces.py --print fig3
    python scripts/workspaces.py --list

A workspace is a saved view of the project, with an address of its own, which is noted in
runs/.wandb/workspaces.json; a second call updates it in place. --print and --list need no network
and no login.
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

    from adamct.config.sweep import Sweep

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
    parser.add_argument("--print", action="store_true", help="print what would be shown")
    parser.add_argument("--list", action="store_true", help="print which experiments each reads")
    arguments = parser.parse_args(argv)
    os.chdir(ROOT)  # relative paths, of notes and of prepared data, are the project's

    return exit_code(lambda: save_all(arguments))


def save_all(arguments: argparse.Namespace) -> int:
    """Print or save the workspaces, one after the other."""
    from adamct.tracking.mode import answered

    figures = chosen(arguments.names or list(figure_files()))
    if arguments.list:
        for name, path in figures.items():
            print(f"{name:6} {title(path)}: {', '.join(reads(path)) or 'theory alone'}")
        return 0
    with answered():
        from adamct.tracking.workspaces import as_text, connect, save

    entity = arguments.entity or "" if arguments.print else connect(arguments.entity)
    for name, path in figures.items():
        built = build(path, arguments.scale, entity=entity, project=arguments.project)
        print(as_text(built) if arguments.print else f"{name}: {save(built, NOTES)}")
    return 0


def build(path: Path, scale: str, *, entity: str, project: str) -> Workspace:
    """Build a figure's workspace, from its file's title and the experiments that it reads."""
    from adamct.tracking.workspaces import workspace

    points = [point for name in reads(path) for point in compose(name, scale)]
    return workspace(path.stem, scale, points, title=title(path), entity=entity, project=project)


def compose(experiment: str, scale: str) -> Sweep:
    """Compose an experiment; without its data, which names its runs, they have no colours."""
    from adamct.config.compose import compose_sweep
    from adamct.data import DataError

    asked = [f"experiment={experiment}", f"scale={scale}"]
    try:
        return compose_sweep(asked)
    except DataError as error:
        print(f"warning: W&B chooses the colours of {experiment}: {error}", file=sys.stderr)
        return compose_sweep(asked, with_data=False)


if __name__ == "__main__":
    sys.exit(main())
