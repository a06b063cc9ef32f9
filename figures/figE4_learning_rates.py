"""Figure E4: every optimizer at its own best learning rate, on a grid that holds them all."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from adamct.plotting import kadam
from adamct.plotting.style import TEXT_WIDTH
from adamct.records import Records

READS = ("kadam_lr_grid",)
PAPER_END = 1e-3


def draw(records: Records) -> Figure:
    """Draw the best test loss against η, a line per optimizer, and where the paper's grid ends."""
    figure = Figure(figsize=(TEXT_WIDTH, 3.4))
    axes = figure.add_subplot()
    end = "where Appendix H's grid for C4 ends"
    axes.axvline(PAPER_END, color="0.8", linewidth=0.8, zorder=0, label=end)
    kadam.best_against_lr(axes, records.of(READS[0]), "loss")
    return figure


def table(records: Records) -> pd.DataFrame:
    """Return the best cell of every optimizer."""
    return kadam.best_table(records.of(READS[0]), "loss")
