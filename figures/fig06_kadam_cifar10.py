"""Figure 6: the best test accuracy of k-Adam against k, for every strategy."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from adamct.analysis.grids import best_points, run_scores
from adamct.plotting import sweep_panels
from adamct.records import Records

READS = ("kadam_cifar10",)
CAPTION = """
Image classification with k-Adam, on CIFAR-10 at paper scale and on scikit-learn's digits, 8 × 8
pixels, with a narrower network at the others: for each k and strategy, the best test accuracy over
the grid of learning rates and weight decays. Red is Adam, which all strategies share at k = 1; a
hollow point has its best setting at an end of the grid, so that a wider grid might do better. Bands
are the range over seeds, where there are several. Points pick their setting on the very seeds that
they show, which flatters them; a verdict on an advantage picks it on other seeds than it scores,
and needs several. Decoupled weight decay (AdamW's) on the left, coupled (Adam's) on the right; the
axis leaves out what falls far behind the best, which Figure 15 shows.
"""
ALT = (
    "Two panels, decoupled and coupled weight decay: best test accuracy against k, a coloured "
    "line for each strategy, all starting from a red point for Adam at k = 1."
)


def draw(records: Records) -> Figure:
    """Draw the best test accuracy over the sweep against k, a panel per kind of weight decay."""
    best = best_points(run_scores(records.of(READS[0]), "accuracy"))
    within = sweep_panels.contenders_range(best, "accuracy")
    return sweep_panels.accuracy_by_decay(best, within)


def table(records: Records) -> pd.DataFrame:
    """Return the best setting (η, λ) behind every point."""
    return sweep_panels.best_table(records.of(READS[0]), "accuracy")
