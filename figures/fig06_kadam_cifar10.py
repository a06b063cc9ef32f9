"""Figure 6: the best test accuracy of k-Adam against k, for every strategy."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from adamct.plotting import sweep_panels
from adamct.records import Records

READS = ("kadam_cifar10", "kadam_cifar10_contenders")
CAPTION = """
Image classification with k-Adam, on CIFAR-10 at paper scale and on scikit-learn's 8 × 8 digits with
a narrower network at the others: for each k and strategy, the best test accuracy of a run. The
learning rate and the weight decay of each optimizer were chosen on pilot seeds, which are not among
those drawn: three, and eight for the best of each strategy, on which the verdicts rest. Points are
means over seeds, bars 95 % intervals. Red is Adam, which all strategies share at k = 1. Decoupled
weight decay (AdamW's) on the left, coupled (Adam's) on the right; long bars, chance, and
what falls far behind the best leave the axis; Figure 15 shows them.
"""
ALT = (
    "Two panels, decoupled and coupled weight decay: best test accuracy against k with intervals, "
    "a coloured line for each strategy, all starting from a red point for Adam at k = 1."
)


def draw(records: Records) -> Figure:
    """Draw the best test accuracy against k, a panel per kind of weight decay."""
    return sweep_panels.accuracy_by_decay(records.of(*READS))


def table(records: Records) -> pd.DataFrame:
    """Return the setting (η, λ) behind every point, and its score."""
    return sweep_panels.score_table(records.of(*READS), "accuracy")
