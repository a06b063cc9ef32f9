"""Draw figures, and print the verdict of every claim that they show.

    python scripts/plot.py fig3 fig11
    python scripts/plot.py fig3 --scale smoke seed=1
    python scripts/plot.py --records reference       # all of them, from the repository's records

Nothing is trained here; a missing run is reported with the command that trains it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from adamct.gallery import FIGURES_DIR, FigureError, chosen, figure_files, reads

ROOT = Path(__file__).resolve().parents[1]
SCALES = ("smoke", "laptop", "paper")


def main() -> int:
    """Parse the command line, draw, print verdicts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument(
        "words", nargs="*", metavar="figN", help="figures, and Hydra overrides such as seed=1"
    )
    parser.add_argument("--scale", choices=SCALES, default="laptop")
    parser.add_argument(
        "--records",
        choices=("runs", "reference"),
        default="runs",
        help="draw your own runs, or those in figures/reference",
    )
    parser.add_argument(
        "--out", type=Path, default=FIGURES_DIR / "out", help="folder of the pictures"
    )
    parser.add_argument("--reads", action="store_true", help="print the experiments they read")
    parser.add_argument("--list", action="store_true", help="print the figures there are")
    arguments = parser.parse_intermixed_args()
    names = [word for word in arguments.words if "=" not in word] or list(figure_files())
    overrides = tuple(word for word in arguments.words if "=" in word)
    try:
        paths = chosen(names)
    except FigureError as error:
        parser.error(str(error))
    if arguments.list:
        print(" ".join(paths))
    elif arguments.reads:
        print(" ".join(dict.fromkeys(e for path in paths.values() for e in reads(path))))
    else:
        out = arguments.out.resolve() / arguments.scale
        os.chdir(ROOT)  # relative paths, of runs and of prepared data, are the project's
        draw_and_print(names, arguments.scale, overrides, arguments.records == "reference", out)
    return 0


def draw_and_print(
    names: list[str], scale: str, overrides: tuple[str, ...], from_reference: bool, out: Path
) -> None:
    """Draw figures one after the other; say where they are and what they show."""
    from adamct.drawing import REFERENCE_DIR, Source, draw
    from adamct.sweep import EXPECTED

    source = Source(scale, overrides, REFERENCE_DIR / scale if from_reference else None)
    for name in names:
        try:
            drawn = draw(name, source, out)
        except EXPECTED as error:
            raise SystemExit(f"error: {error}") from error
        print(f"{name}: {', '.join(str(shown(picture)) for picture in drawn.pictures)}")
        for verdict in drawn.verdicts:
            print(verdict.as_text())


def shown(path: Path) -> Path:
    """Return a path as a reader would type it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    sys.exit(main())
