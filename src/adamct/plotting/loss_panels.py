"""The panels of Figures 4, 12 and 13: test loss against n, the best of it, the points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from adamct.analysis.losses import best_losses, first_third, loss_table
from adamct.plotting import panels
from adamct.plotting.style import LABELS, Coordinate, colourbar, colours_by
from adamct.records import Records


def generalization(records: Records, *, by: Coordinate = "C") -> Figure:
    """Draw the three panels.

    Args:
        records: one experiment's, with the test loss.
        by: what tells the runs apart: C, or β where C is the same for all.
    """
    figure, (curves, best, chosen) = panels.one_above_two()
    loss_curves(curves, records, by=by)
    on = "" if by == "C" else rf" on the level curve $C={records.runs.C.iloc[0]:.3f}$"
    n_seeds = records.runs.seed.nunique()
    spread = "" if n_seeds == 1 else f": mean and range of {n_seeds} seeds"
    curves.set_title(f"(a) test loss{on}{spread}")
    draw_best_losses(best, records, by=by)
    best.set_title("(b) best test loss")
    panels.pairs(chosen, records, by=by)
    beta = records.runs.beta
    chosen.set_title(rf"(c) the points, $\beta={beta.min():.3f}$ to ${beta.max():.3f}$")
    return figure


def loss_curves(axes: Axes, records: Records, *, by: Coordinate) -> None:
    """Draw the test loss against n: its mean over seeds, and the seeds' range as a band.

    The axis spans the runs in B₊, once they have left the initial loss behind; what lies beyond
    is marked at the edge.
    """
    losses = loss_table(records)
    colours = colours_by(by, records.runs)
    n_steps = records.runs.n_steps.max()
    settled = losses[losses.n >= n_steps / 10]
    axes.set(xlim=(0, n_steps), ylim=stable_range(settled), xlabel="step $n$", ylabel="test loss")
    if panels.mark_outside(axes, settled.n, settled.test_loss):
        axes.plot([], [], "^", color="0.3", markersize=3.5, label="a run beyond the axis")
    for value in np.unique(losses[by]):
        mean_and_range(axes, losses[losses[by] == value], color=colours.to_rgba(value))
    axes.axvspan(
        0, first_third(n_steps), fc="0.95", ec="0.75", lw=0.6, zorder=0, label="first third"
    )
    axes.legend(loc="lower left")
    colourbar(axes.figure, axes, by, records.runs)


def mean_and_range(axes: Axes, losses: pd.DataFrame, *, color: Any, **look: Any) -> None:
    """Draw one pair's test loss against n: the mean over seeds as a line, their range as a band."""
    seeds = losses.groupby("n").test_loss.agg(["mean", "min", "max"])
    axes.plot(seeds.index, seeds["mean"], color=color, **{"linewidth": 0.8, **look})
    axes.fill_between(seeds.index, seeds["min"], seeds["max"], color=color, alpha=0.12, linewidth=0)


def draw_best_losses(axes: Axes, records: Records, *, by: Coordinate) -> None:
    """Draw the best test loss in the first third (open) and over all steps (filled)."""
    best = best_losses(records)
    colours = colours_by(by, records.runs)
    best_of_each(axes, best, "early", by, colours, filled=False, label="first third")
    best_of_each(axes, best, "best", by, colours, filled=True, label="all steps")
    axes.set(xlabel=LABELS[by], ylabel="best test loss")
    # Beside the title: among the points its markers would read as measurements.
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.1)


def best_of_each(
    axes: Axes,
    best: pd.DataFrame,
    column: str,
    by: Coordinate,
    colours: ScalarMappable,
    *,
    filled: bool,
    label: str,
) -> None:
    """Draw a best test loss of each pair: the mean over seeds, and their range as a bar.

    Args:
        axes: where.
        best: of :func:`~adamct.analysis.losses.best_losses`.
        column: ``"early"`` or ``"best"``.
        by: the coordinate of the axis.
        colours: of that coordinate.
        filled: the markers are filled.
        label: in the legend.
    """
    seeds = best.groupby(by)[column].agg(["mean", "min", "max"])
    colour: Any = colours.to_rgba(seeds.index.to_numpy())
    axes.vlines(seeds.index, seeds["min"], seeds["max"], colors=colour, linewidth=0.8)
    marks: dict[str, Any] = {"s": 13, "zorder": 3}
    faces = colour if filled else "white"
    axes.scatter(seeds.index, seeds["mean"], edgecolors=colour, facecolors=faces, **marks)
    grey = "0.3" if filled else "white"
    axes.scatter([], [], s=13, edgecolors="0.3", facecolors=grey, label=label)


def stable_range(losses: pd.DataFrame) -> tuple[float, float]:
    """Return the range of an axis that shows the losses of the runs in B₊, or of all without."""
    stable = losses[(losses.C > 0) | (losses.C.max() <= 0)].test_loss
    room = 0.03 * (stable.max() - stable.min())
    return stable.min() - room, stable.max() + room
