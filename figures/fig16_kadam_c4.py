"""Figure 16: the best test loss of k-Adam against k in language modelling."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from adamct.analysis.grids import best_points, run_scores
from adamct.plotting import sweep_panels
from adamct.plotting.style import TEXT_WIDTH
from adamct.records import Records

READS = ("kadam_c4",)
CAPTION = """
Language modelling with k-Adam, on C4 at paper scale and on Python's reference manual with a smaller
model at the others: for each k and strategy, the best test loss over the grid of learning rates and
weight decays, with warm-up and cosine decay and decoupled weight decay. Lower is better. Red is
AdamW, which all strategies share at k = 1; a hollow point has its best setting at an end of the
grid; bands are the range over seeds, where there are several. Points pick their setting on the very
seeds that they show, which flatters them; a verdict on an advantage picks it on other seeds than it
scores, and needs several. (a) shows the optimizers that come near the best, (b) all of them.
"""
ALT = (
    "Two panels, near the best and zoomed out: best test loss against k, a coloured line per "
    "strategy starting from a red point for AdamW."
)


def draw(records: Records) -> Figure:
    """Draw the best test loss over the sweep against k, with decoupled weight decay."""
    best = best_points(run_scores(records.of(READS[0]), "loss"))
    figure = Figure(figsize=(TEXT_WIDTH, 3.0))
    near, whole = figure.subplots(1, 2)
    within = sweep_panels.contenders_range(best, "loss")
    sweep_panels.best_against_k(near, best, "loss", within=within)
    sweep_panels.best_against_k(whole, best, "loss")
    near.set_title("(a) best test loss")
    whole.set_title("(b) zoomed out")
    sweep_panels.add_legend(figure, best, adam="AdamW")
    return figure


def table(records: Records) -> pd.DataFrame:
    """Return the best setting (η, λ) behind every point."""
    return sweep_panels.best_table(records.of(READS[0]), "loss")
