"""Figure 16: the best test loss of k-Adam against k in language modelling."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from adamct.analysis.grids import over_seeds, run_scores
from adamct.plotting import sweep_panels
from adamct.plotting.style import TEXT_WIDTH
from adamct.records import Records

READS = ("kadam_c4", "kadam_c4_contenders")
CAPTION = """
Language modelling with k-Adam, on C4 at paper scale and on Python's reference manual with a smaller
model at the others: for each k and strategy, the best test loss of a run, with warm-up and cosine
decay and decoupled weight decay. Lower is better. The learning rate and the weight decay of each
optimizer were chosen on pilot seeds, which are not among those drawn: three, and eight for the best
of each strategy, on which the verdicts rest. Points are means over seeds, bars 95 % intervals. Red
is AdamW, which all strategies share at k = 1. (a) shows the optimizers that come near the best, on
an axis that does not start at 0 and that long bars leave; (b) all of them.
"""
ALT = (
    "Two panels, near the best and zoomed out: best test loss against k with intervals, a coloured "
    "line per strategy starting from a red point for AdamW."
)


def draw(records: Records) -> Figure:
    """Draw the best test loss against k, with decoupled weight decay."""
    scores = over_seeds(run_scores(records.of(*READS), "loss"))
    figure = Figure(figsize=(TEXT_WIDTH, 3.0))
    near, whole = figure.subplots(1, 2)
    within = sweep_panels.contenders_range(scores, "loss")
    sweep_panels.score_against_k(near, scores, "loss", within=within)
    sweep_panels.score_against_k(whole, scores, "loss")
    whole.axhspan(*within, color="0.93", zorder=0)
    near.set_title("(a) those near the best")
    whole.set_title("(b) all; shaded, the axis of (a)")
    sweep_panels.add_legend(figure, scores, adam="AdamW")
    return figure


def table(records: Records) -> pd.DataFrame:
    """Return the setting (η, λ) behind every point, and its score."""
    return sweep_panels.score_table(records.of(*READS), "loss")
