"""Draw figures, and print the verdict of every claim that they show.

    python scripts/plot.py fig3 fig11
    python scripts/plot.py fig3 --scale smoke seed=1
    python scripts/plot.py --records reference       # every figure, of the repository's records

Nothing is trained here; a missing run is reported with the command that trains it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from adamct.plotting.registry import FIGURES_DIR, FigureError, chosen, figure_files, reads

if TYPE_CHECKING:
    from adamct.plotting.render import Drawn, Source

ROOT = Path(__file__).resolve().parents[1]
SCALES = ("smoke", "laptop", "paper")


def main() -> int:
    """Parse the command line, draw, print verdicts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    add_arguments(parser)
    parser.add_argument("--reads", action="store_true", help="print the experiments they read")
    parser.add_argument("--list", action="store_true", help="print the figures there are")
    arguments = parse(parser)
    if arguments.list:
        print(" ".join(figure_files()))
    elif arguments.reads:
        paths = chosen(arguments.names).values()
        print(" ".join(dict.fromkeys(experiment for path in paths for experiment in reads(path))))
    else:
        return draw_all(arguments)
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which figures, of which records, into which folder."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="figN",
        help="figures, all of them unless some are named; Hydra overrides such as seed=1",
    )
    parser.add_argument("--scale", choices=SCALES, default="laptop")
    parser.add_argument(
        "--records",
        choices=("runs", "reference"),
        default="runs",
        help="your own runs, or those whose records are in figures/reference",
    )
    parser.add_argument(
        "--out", type=Path, default=FIGURES_DIR / "out", help="folder of the pictures"
    )


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line; tell figures from overrides; enter the project's folder."""
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


def source_of(arguments: argparse.Namespace) -> Source:
    """Return where the records come from."""
    from adamct.plotting.render import REFERENCE_DIR, Source

    folder = REFERENCE_DIR / arguments.scale if arguments.records == "reference" else None
    # What is said to a launcher says nothing of the records, and no other launcher knows its keys.
    launcher = ("hydra/launcher", "hydra.launcher")
    overrides = [o for o in arguments.overrides if not o.lstrip("+~").startswith(launcher)]
    return Source(arguments.scale, tuple(overrides), folder)


def draw_all(arguments: argparse.Namespace) -> int:
    """Draw the figures one after the other; say where they are and what they show."""
    from adamct.runs.sweep import EXPECTED

    source, answers = source_of(arguments), True
    for name in arguments.names:
        try:
            answers = draw_one(name, source, arguments.out, in_wandb=answers)
        except EXPECTED as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


def draw_one(name: str, source: Source, out: Path, *, in_wandb: bool) -> bool:
    """Draw a figure, print its verdicts, show it in W&B; return whether to show the next there."""
    from adamct.plotting.render import draw

    drawn = draw(name, source, out)
    print(drawn.as_text(), flush=True)
    return in_wandb and show_in_wandb(drawn, source)


def show_in_wandb(drawn: Drawn, source: Source) -> bool:
    """Put a figure with its claims beside the sweep, where tracker=wandb asks for it.

    Returns:
        Whether to go on with other figures: not where nothing asks for it, and not after W&B
        failed, which may have taken its time.
    """
    tracker = source.tracker()
    if tracker is None:
        return False
    from adamct.files import FileError
    from adamct.tracking.figures import mirror_figure
    from adamct.tracking.mode import TrackingError

    path = chosen([drawn.name])[drawn.name]
    verdicts = [verdict.as_dict() for verdict in drawn.verdicts]
    try:
        mirror_figure(tracker, source.scale, path.stem, reads(path), drawn.pictures, verdicts)
    except TrackingError as error:
        print(
            f"warning: {drawn.name}, and what is drawn after it, is not in W&B: {error}",
            file=sys.stderr,
        )
        return False
    except FileError as error:
        print(f"warning: {drawn.name} is not in W&B: {error}", file=sys.stderr)
    return True


if __name__ == "__main__":
    sys.exit(main())
