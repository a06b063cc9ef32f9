"""The panels of Figures 4, 12 and 13: test loss against n, the best of it, its area, the points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from adamct.analysis.losses import best_losses, first_third, loss_table
from adamct.analysis.statistics import mean_and_ends
from adamct.plotting import panels
from adamct.plotting.seed_bands import over_seeds
from adamct.plotting.style import LABELS, TEXT_WIDTH, Coordinate, colourbar, colours_by
from adamct.records import Records

ASIDE: dict[str, Any] = {
    "xytext": (-6, 0),
    "textcoords": "offset points",
    "ha": "right",
    "va": "center",
    "fontsize": 7,
}


def generalization(
    records: Records, *, by: Coordinate = "C", controls: Mapping[str, Records] | None = None
) -> Figure:
    """Draw the four panels.

    Args:
        records: one experiment's, with the test loss.
        by: what tells the runs apart: C, or β where C is the same for all.
        controls: up to two others that stand beside in (c), by their names in its legend.
    """
    figure = Figure(figsize=(TEXT_WIDTH, 5.4))
    mosaic = figure.subplot_mosaic("aaa;bcd", height_ratios=(1.25, 1))
    curves, best, areas, chosen = mosaic.values()
    loss_curves(curves, records, by=by)
    on = "" if by == "C" else rf" on the level curve $C={records.runs.C.iloc[0]:.3f}$"
    curves.set_title(f"(a) test loss{on}")
    colours = colours_by(by, records.runs)
    table = best_losses(records)
    mean_of_each(best, table, "early", by, colours, filled=False, label="first third")
    mean_of_each(best, table, "best", by, colours, label="all steps")
    best.set(xlabel=LABELS[by], ylabel="best test loss", title="(b) best test loss")
    best.legend(loc="best")
    if by == "beta":  # alone at its end, where the others nearly agree
        best.annotate("(0.999, 0.9)", (0.999, table.best[table.beta == 0.999].mean()), **ASIDE)
    mean_of_each(areas, table, "area", by, colours, label="on the curve")
    areas.set(xlabel=LABELS[by], ylabel="mean test loss", title="(c) mean over the first third")
    for marker, (label, control) in zip("Ds", (controls or {}).items(), strict=False):
        others = best_losses(control)
        mean_of_each(areas, others, "area", by, colours, marker=marker, label=label)
    if controls:
        areas.legend(loc="upper right")
    panels.pairs(chosen, records, by=by)
    chosen.set_title("(d) the points")
    return figure


def loss_curves(axes: Axes, records: Records, *, by: Coordinate) -> None:
    """Draw the test loss against n, with its seeds.

    The axis spans what the runs reach once they have left the initial loss behind, up to that
    loss; what lies beyond is marked at the edge.
    """
    losses = loss_table(records)
    colours = colours_by(by, records.runs)
    n_steps = records.runs.n_steps.max()
    settled = losses[losses.n >= n_steps / 10]
    low, high = settled.test_loss.min(), settled.test_loss.max()
    initial = losses.test_loss[losses.n == 0].max()
    room = 0.03 * (min(high, initial) - low)
    axes.set(xlim=(0, n_steps), ylim=(low - room, min(high, initial) + room))
    axes.set(xlabel="step $n$", ylabel="test loss")
    if panels.mark_outside(axes, settled.n, settled.test_loss):
        axes.plot([], [], "^", color="0.3", markersize=3.5, label="a run above its initial loss")
    for value in np.unique(losses[by]):
        loss_curve(axes, losses[losses[by] == value], color=colours.to_rgba(value))
    axes.axvspan(
        0, first_third(n_steps), fc="0.95", ec="0.75", lw=0.6, zorder=0, label="first third"
    )
    axes.legend(loc="lower left")
    colourbar(axes.figure, axes, by, records.runs)


def loss_curve(axes: Axes, losses: pd.DataFrame, **look: Any) -> None:
    """Draw one pair's test loss against n, of :func:`~adamct.analysis.losses.loss_table`."""
    seeds = losses.pivot(index="n", columns="seed", values="test_loss")
    over_seeds(axes, seeds.index.to_numpy(), seeds.to_numpy(), **{"linewidth": 0.9, **look})


def mean_of_each(
    axes: Axes,
    table: pd.DataFrame,
    column: str,
    by: Coordinate,
    colours: ScalarMappable,
    *,
    label: str,
    filled: bool = True,
    marker: str = "o",
) -> None:
    """Draw a quantity of each pair: the mean over seeds, and its 95 % interval as a bar.

    Args:
        axes: where.
        table: of :func:`~adamct.analysis.losses.best_losses`.
        column: of the quantity.
        by: the coordinate of the axis.
        colours: of that coordinate.
        label: in the legend.
        filled: whether the markers are.
        marker: their shape.
    """
    seeds = table.pivot(index=["beta", "gamma", "C"], columns="seed", values=column)
    mean, low, high = mean_and_ends(seeds.to_numpy())
    x = seeds.index.get_level_values(by).to_numpy()
    colour: Any = colours.to_rgba(x)
    axes.vlines(x, low, high, colors=colour, linewidth=0.8)
    look: dict[str, Any] = {"s": 13 if marker == "o" else 9, "marker": marker, "zorder": 3}
    axes.scatter(x, mean, edgecolors=colour, facecolors=colour if filled else "w", **look)
    axes.scatter([], [], edgecolors="0.3", facecolors="0.3" if filled else "w", label=label, **look)
