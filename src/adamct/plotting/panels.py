"""Panels that several figures share: max-update against n, paired trajectories, the points."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from adamct.plotting import plane
from adamct.plotting.style import (
    EXACT,
    PAPER,
    TEXT_WIDTH,
    Coordinate,
    colourbar,
    colours_by,
)
from adamct.records import Records
from adamct.theory import discrete_max_update_bound, max_update_bound

# Two runs of one parameter; colours without another meaning in the panels beside them.
PAIR: tuple[dict[str, Any], ...] = (
    {"color": "0.2", "linewidth": 1.0},
    {"color": "#c1121f", "linewidth": 1.2, "linestyle": "--"},
)


def one_above_two() -> tuple[Figure, list[Axes]]:
    """Return a figure of a wide panel above two, and the panels."""
    figure = Figure(figsize=(TEXT_WIDTH, 5.4))
    axes = figure.subplot_mosaic("aa;bc", height_ratios=(1.25, 1), width_ratios=(1.5, 1))
    return figure, list(axes.values())


def paired_paths(
    figure: SubFigure,
    n: np.ndarray,
    one: np.ndarray,
    other: np.ndarray,
    *,
    labels: tuple[str, str],
    title: str,
) -> None:
    """Draw how sixteen parameters move in two runs, a panel each, ordered by how far they move.

    Args:
        figure: empty.
        n: the steps, shape (points,).
        one: the parameters in one run (solid), shape (points, 16).
        other: the same parameters in the other (dashed).
        labels: what the two runs are called.
        title: of all panels.
    """
    moved = np.stack([one - one[0], other - other[0]])
    order = np.argsort(np.abs(moved).max(axis=(0, 1)))[::-1]
    grid = figure.subplots(4, 4, sharex=True, sharey="row")  # those of a row move alike
    for axes, i in zip(grid.flat, order, strict=True):
        for path, label, look in zip(moved[:, :, i], labels, PAIR, strict=True):
            axes.plot(n, path, label=label, **look)
    for axes in grid[-1]:
        axes.set_xlabel("step $n$")
    figure.suptitle(title, x=0.02, ha="left", fontsize=9)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)


def max_update_curves(axes: Axes, records: Records) -> None:
    """Draw ‖u_n‖∞ against n, coloured by C, before Eq. (5) (dotted) and D_n (dashed).

    The bounds are those of every fourth point only, so that they stay readable.
    """
    runs = records.runs.sort_values("C", ascending=False)
    colours = colours_by("C", runs)
    n = np.unique(np.geomspace(1, runs.n_steps.max(), 300).astype(int)) - 1
    for position, run in enumerate(runs.itertuples()):
        colour = colours.to_rgba(run.C)
        if position % 4 == 0:
            thin = {"linewidth": 0.6, "alpha": 0.6, "color": colour, "zorder": 1}
            for bound, look in ((max_update_bound, PAPER), (discrete_max_update_bound, EXACT)):
                with np.errstate(over="ignore"):
                    axes.plot(n, bound(n, run.beta, run.gamma), **{**look, **thin})
        steps, values = records.series(run.run_id, "max_update")
        axes.plot(steps, values, color=colour, linewidth=0.7, zorder=2)
    axes.set(yscale="log", xlabel="step $n$", xlim=(0, runs.n_steps.max()))
    colourbar(axes.figure, axes, "C", runs)
    label_bounds(axes, "Eq. (5), the paper's bound")


def label_bounds(axes: Axes, paper: str, *more: Line2D) -> None:
    """Label the axis of ‖u_n‖∞, and what is drawn: measured, the paper's bound, and D_n."""
    axes.set_ylabel(r"max-update $\|u_n\|_\infty$")
    lines = [
        Line2D([], [], color="#444444", label="measured"),
        Line2D([], [], label=paper, **PAPER),
        Line2D([], [], label="$D_n$, the exact bound", **EXACT),
    ]
    axes.legend(handles=[*lines, *more], loc="upper left")


def mark_outside(axes: Axes, x: ArrayLike, y: ArrayLike) -> bool:
    """Mark values beyond the axis at its edge, so that none is hidden; return if there are any."""
    x, y = np.asarray(x), np.asarray(y)
    low, high = axes.get_ylim()
    outside = np.flatnonzero((y < low) | (y > high))
    for at in outside:
        edge, marker = (high, "^") if y[at] > high else (low, "v")
        axes.plot(x[at], edge, marker=marker, color="0.3", clip_on=False, markersize=3.5)
    return outside.size > 0


def pairs(axes: Axes, records: Records, *, by: Coordinate = "C") -> None:
    """Draw the (β, γ) of the runs, coloured, with C = 0 and the exact boundary γ² = β."""
    runs = records.runs
    pad_beta, pad_gamma = (0.08 * (runs[x].max() - runs[x].min() + 1e-3) for x in ("beta", "gamma"))
    beta = np.linspace(runs.beta.min() - pad_beta, min(1.0, runs.beta.max() + pad_beta), 300)
    plane.boundaries(axes, beta)
    colour: Any = colours_by(by, runs).to_rgba(runs[by].to_numpy())
    axes.scatter(runs.beta, runs.gamma, c=colour, s=9, zorder=3, clip_on=False)
    axes.set(xlabel=r"$\beta$", ylabel=r"$\gamma$", xlim=(beta[0], beta[-1]))
    axes.set_ylim(runs.gamma.min() - pad_gamma, min(1.003, runs.gamma.max() + pad_gamma))
    axes.legend(loc="lower left" if by == "C" else "lower right")
