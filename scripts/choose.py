"""Print what a screen of k-Adam chose: each optimizer at its best point on the pilot seeds.

    python scripts/choose.py kadam_cifar10_screen kadam_root_screen
    python scripts/choose.py kadam_c4_screen --records runs --scale paper
    python scripts/choose.py kadam_lr_grid_screen --up-to 1e-3    # the part of the grid up to there

The first list belongs into the sizes of the experiment that scores every optimizer, the second into
those of the contenders. docs/STATISTICS.md says why the two stages share no seed.
"""

from __future__ import annotations

import argparse
import os
import sys
import textwrap

from adamct.report.make import ROOT, add_scale
from adamct.runs.exits import exit_code


def main() -> int:
    """Parse the command line, read the screens, print the choice."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("screens", nargs="+", metavar="SCREEN", help="an experiment, or several")
    add_scale(parser)
    parser.add_argument(
        "--records", choices=("runs", "reference"), default="reference", help="read these"
    )
    parser.add_argument("--up-to", type=float, metavar="LR", help="leave out larger learning rates")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    return exit_code(lambda: choose(arguments))


def choose(arguments: argparse.Namespace) -> int:
    """Print the settings of every optimizer, of the contenders, and the ends that were hit."""
    import pandas as pd

    from adamct.analysis import choice
    from adamct.analysis.grids import run_scores
    from adamct.plotting.source import Source, reference_source

    from_runs = arguments.records == "runs"
    source = Source(arguments.scale) if from_runs else reference_source(arguments.scale)
    found = []
    for screen in arguments.screens:
        records = source.read(screen)
        scores = run_scores(records, "accuracy" if "test_accuracy" in records.scalars else "loss")
        if arguments.up_to is not None:
            scores = scores[scores.lr <= arguments.up_to]
        found.append(choice.best_points(scores))
    best = pd.concat(found, ignore_index=True)
    for title, points in (("settings", best), ("contenders", choice.contenders(best))):
        print(f"{title}: {len(points)}")
        text = ", ".join(choice.settings(points))
        print(textwrap.fill(text, 96, initial_indent="  ", subsequent_indent="  "))
    print(choice.edges(best))
    return 0


if __name__ == "__main__":
    sys.exit(main())
