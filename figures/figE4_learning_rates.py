"""Figure E4: every optimizer at its own best learning rate, on a grid that holds them all."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from adamct.plotting import sweep_panels
from adamct.plotting.style import TEXT_WIDTH
from adamct.records import Records

READS = ("kadam_lr_grid",)
CAPTION = """
Adam, 2-Adam, 3-Adam and 2-Adam with γ₂ = 0 (a normalization layer made explicit) in language
modelling, of C4 at paper scale and of Python's reference manual with a smaller model at the others,
on one grid of learning rates that is meant to hold the best of each: best test loss against η, the
mean over seeds with their range as a band. The large point is an optimizer's best
η, hollow if it lies at an end of the grid. The vertical line marks η = 10⁻³, where the paper's
grid for C4 ends. Warm-up and cosine decay, no weight decay.
"""
ALT = (
    "Best test loss against the learning rate on a logarithmic axis, a curve per optimizer with "
    "its best point enlarged, and a vertical line where the paper's grid ends."
)
PAPER_END = 1e-3


def draw(records: Records) -> Figure:
    """Draw the best test loss against η, a line per optimizer, and where the paper's grid ends."""
    figure = Figure(figsize=(TEXT_WIDTH, 3.7))
    axes = figure.add_subplot()
    end = "where Appendix H's grid for C4 ends"
    axes.axvline(PAPER_END, color="0.8", linewidth=0.8, zorder=0, label=end)
    sweep_panels.best_against_lr(axes, records.of(READS[0]), "loss")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def table(records: Records) -> pd.DataFrame:
    """Return the best setting of every optimizer."""
    return sweep_panels.best_table(records.of(READS[0]), "loss")
