"""Draw figures, and print the verdict of every claim that they show.

    python scripts/plot.py fig3 fig11
    python scripts/plot.py fig3 --scale smoke seed=1
    python scripts/plot.py --records reference       # every figure, of the repository's records

Nothing is trained here; a missing run is reported with the command that trains it.
"""

from __future__ import annotations

import argparse
import sys

from adamct.plotting.registry import chosen, figure_files, reads
from adamct.report.make import Figures, drawing_pool, parse
from adamct.runs.exits import exit_code


def main() -> int:
    """Parse the command line, draw, print verdicts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--reads", action="store_true", help="print the experiments they read")
    parser.add_argument("--list", action="store_true", help="print the figures there are")
    arguments = parse(parser)
    if arguments.list:
        print(" ".join(figure_files()))
        return 0
    if arguments.reads:
        paths = chosen(arguments.names).values()
        print(" ".join(dict.fromkeys(experiment for path in paths for experiment in reads(path))))
        return 0
    return exit_code(lambda: draw_all(arguments))


def draw_all(arguments: argparse.Namespace) -> int:
    """Draw the figures, and show them in their order."""
    with drawing_pool(arguments) as pool:
        figures = Figures(arguments, pool)
        for name in arguments.names:
            figures.draw(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
