"""Panels of k-Adam: the best of a sweep against k, and the table behind it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from adamct.analysis.grids import ADAM, Metric, best_points, run_scores
from adamct.plotting.style import TEXT_WIDTH
from adamct.records import Records

ADAM_COLOUR = "#c1121f"  # the paper draws k = 1 in red
COLOURS = {
    "inverse_exp": "#1845fb",
    "exp": "#ff5e02",
    "scaled": "#3f8f4f",
    "naive": "#7a6f80",
    "root": "#c849a9",
    "normalization_layer": "#0f9fa6",
}
BAND: dict[str, Any] = {"alpha": 0.15, "linewidth": 0}
LABELS: dict[Metric, str] = {"accuracy": "best test accuracy", "loss": "best test loss (nats)"}


def accuracy_by_decay(best: pd.DataFrame, within: tuple[float, float]) -> Figure:
    """Draw the best test accuracy against k, a panel per kind of weight decay: decoupled, coupled.

    Args:
        best: of :func:`~adamct.analysis.grids.best_points`.
        within: the axis to be shown.
    """
    figure = Figure(figsize=(TEXT_WIDTH, 3.2))
    panels = figure.subplots(1, 2, sharey=True)
    titles = {True: "(a) decoupled weight decay", False: "(b) coupled weight decay"}
    for axes, (decoupled, title) in zip(panels, titles.items(), strict=True):
        best_against_k(axes, best[best.decoupled == decoupled], "accuracy", within=within)
        axes.set_title(title)
        axes.label_outer()
    add_legend(figure, best)
    return figure


def best_against_k(
    axes: Axes, best: pd.DataFrame, metric: Metric, *, within: tuple[float, float] | None = None
) -> None:
    """Draw the best score against k, a line per strategy; all of them start at Adam, in red.

    Args:
        axes: where.
        best: of :func:`~adamct.analysis.grids.best_points`, of one kind of weight decay.
        metric: what the scores are.
        within: of :func:`contenders_range`: the axis to be shown; all without. A band is drawn
            where its line is in view: the end of one alone would belong to nothing.
    """
    best = as_shown(best, metric)
    adam = best[best.strategy == ADAM]
    for strategy in _strategies(best):
        line = pd.concat([adam, best[best.strategy == strategy]]).sort_values("k")
        band = {**BAND, "color": COLOURS[strategy]}
        axes.plot(line.k, line["mean"], color=COLOURS[strategy])
        in_view = line["mean"].between(*(within or (-np.inf, np.inf))).to_numpy()
        axes.fill_between(line.k, line.low, line.high, where=in_view, **band)
        own = line[line.k > 1]
        mark_best(axes, own.k, own["mean"], own.edge != "", COLOURS[strategy])
    mark_best(axes, adam.k, adam["mean"], adam.edge != "", ADAM_COLOUR, size=22)
    axes.set(xlabel="$k$", ylabel=LABELS[metric], xticks=sorted(set(best.k)))
    if within:
        axes.set_ylim(within)


def mark_best(
    axes: Axes,
    x: Iterable[float],
    y: Iterable[float],
    at_edge: Iterable[bool],
    colour: str,
    size: float = 11,
) -> None:
    """Draw best scores as points, hollow where they lie at an end of the grid."""
    faces = ["white" if edge else colour for edge in at_edge]
    axes.scatter(list(x), list(y), s=size, facecolors=faces, edgecolors=colour, zorder=3)


def add_legend(figure: Figure, best: pd.DataFrame, *, adam: str = "Adam") -> None:
    """Add the legend of :func:`best_against_k`; ``adam``: what k = 1 is called."""
    point: dict[str, Any] = {"marker": "o", "linestyle": ""}
    handles = [
        Line2D([], [], color=ADAM_COLOUR, **point, label=f"{adam} ($k=1$)"),
        *(
            Line2D([], [], color=COLOURS[strategy], marker="o", label=strategy.replace("_", " "))
            for strategy in _strategies(best)
        ),
        Line2D([], [], color="0.3", markerfacecolor="white", **point, label="at the grid's edge"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def contenders_range(best: pd.DataFrame, metric: Metric) -> tuple[float, float]:
    """Return an axis for the optimizers that come near the best; the others may leave it.

    It reaches as far to the worse side of their median as the best lies to the better one: what
    falls far behind would otherwise squeeze the differences that matter. Adam, with which all are
    compared, stays in view with all its seeds.
    """
    shown = best[best.strategy != "naive"]
    top, median = shown["mean"].max(), shown["mean"].median()
    low, high = max(shown.low.min(), 2 * median - top), shown.high.max()
    low = min(low, shown.low[shown.strategy == ADAM].min())
    pad = 0.08 * (high - low) or 1e-3
    bottom, top = sorted((_sign(metric) * (low - pad), _sign(metric) * (high + pad)))
    return bottom, top


def best_table(records: Records, metric: Metric) -> pd.DataFrame:
    """Return the table beside a figure: each optimizer's best point, by either selection.

    Returns:
        Per optimizer the point (``lr, weight_decay``), the test score's mean over seeds with its
        least and greatest value, ``edge`` (the axes of the grid at whose end the point lies), and,
        where a validation split was held out, the same under selection on validation.
    """
    scores = run_scores(records, metric)
    parts = [
        best_points(scores, select_on=split).assign(selected_on=split)
        for split in ("test", "validation")
        if split in scores
    ]
    table = as_shown(pd.concat(parts), metric)
    if metric == "loss":
        table[["low", "high"]] = table[["high", "low"]].to_numpy()
    table = table.rename(columns={"mean": f"test_{metric}"})
    return table.sort_values(["selected_on", "decoupled", "strategy", "k"], ignore_index=True)


def as_shown(best: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Return the scores of :func:`~adamct.analysis.grids.best_points` as accuracies or losses.

    ``low`` is the worse end, ``high`` the better one.
    """
    return best.assign(**_sign(metric) * best[["mean", "low", "high"]])


def _strategies(best: pd.DataFrame) -> list[str]:
    return [strategy for strategy in COLOURS if strategy in set(best.strategy)]


def _sign(metric: Metric) -> float:
    return 1.0 if metric == "accuracy" else -1.0
