"""Figure E4: every optimizer at its own best learning rate, on a grid that holds them all."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adamct.analysis.grids import ADAM, PAPER_END, best_points, by_point, name, run_scores
from adamct.plotting import sweep_panels
from adamct.plotting.style import TEXT_WIDTH
from adamct.plotting.sweep_panels import ADAM_COLOUR, BAND, COLOURS
from adamct.records import Records

READS = ("kadam_lr_grid",)
CAPTION = f"""
Adam, 2-Adam, 3-Adam and 2-Adam with γ₂ = 0 (a normalization layer made explicit) in language
modelling, of C4 at paper scale and of Python's reference manual with a smaller model at the others,
on one grid of learning rates that is meant to hold the best of each: best test loss against η, the
mean over seeds with their range as a band. The large point is an optimizer's best
η, hollow if it lies at an end of the grid. The vertical line marks η = {PAPER_END:g}, where the
paper's grid for C4 ends. Warm-up and cosine decay, no weight decay.
"""
ALT = (
    "Best test loss against the learning rate on a logarithmic axis, a curve per optimizer with "
    "its best point enlarged, and a vertical line where the paper's grid ends."
)


def draw(records: Records) -> Figure:
    """Draw the best test loss against η, a line per optimizer, and where the paper's grid ends."""
    figure = Figure(figsize=(TEXT_WIDTH, 3.7))
    axes = figure.add_subplot()
    end = "where Appendix H's grid for C4 ends"
    axes.axvline(PAPER_END, color="0.8", linewidth=0.8, zorder=0, label=end)
    best_against_lr(axes, records.of(READS[0]))
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def best_against_lr(axes: Axes, records: Records) -> None:
    """Draw the best test loss against η, a line per optimizer, with the range of its seeds.

    The best η of each is a large point, hollow where it lies at an end of the grid.
    """
    scores = run_scores(records, "loss")
    points = by_point(scores)
    for _, row in sweep_panels.as_shown(best_points(scores), "loss").iterrows():
        colour = ADAM_COLOUR if row.strategy == ADAM else COLOURS[row.strategy]
        dashes = ("-", "-", "--", ":", "-.")[min(row.k, 5) - 1]
        optimizer = pd.DataFrame(points.xs((row.strategy, row.k, row.decoupled)))
        own = -optimizer.groupby("lr").max()
        label = f"{name(row)}, best at $\\eta$ = {row.lr:g}"
        axes.plot(own.index, own.mean(axis=1), dashes, color=colour, label=label)
        axes.fill_between(own.index, own.max(axis=1), own.min(axis=1), color=colour, **BAND)
        axes.vlines(row.lr, row.low, row.high, color=colour, linewidth=1.6)
        sweep_panels.mark_best(axes, [row.lr], [row["mean"]], ["lr" in row.edge], colour, size=26)
    axes.set(xscale="log", xlabel=r"learning rate $\eta$", ylabel=sweep_panels.LABELS["loss"])


def table(records: Records) -> pd.DataFrame:
    """Return the best setting of every optimizer."""
    return sweep_panels.best_table(records.of(READS[0]), "loss")
