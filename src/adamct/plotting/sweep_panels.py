"""Panels of k-Adam: scores against k over fresh seeds, and the table behind them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from adamct.analysis.grids import ADAM, GRID, OPTIMIZER, Metric, chance, over_seeds, run_scores
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
LABELS: dict[Metric, str] = {"accuracy": "best test accuracy", "loss": "best test loss (nats)"}
IMAGES = {"digits": "8 × 8 digits", "cifar10": "CIFAR-10"}
APART = 0.09  # of k, between the bars of neighbouring strategies


def accuracy_by_decay(records: Records, *, whole: bool = False) -> Figure:
    """Draw the best test accuracy against k, a panel per kind of weight decay: decoupled, coupled.

    Args:
        records: of the sweep on images.
        whole: draw the axis from 0 to 1 instead of what comes near the best.
    """
    scores = over_seeds(run_scores(records, "accuracy"))
    level, data = chance(records), records.runs.corpus.iloc[0]
    within = (0.0, 1.0) if whole else contenders_range(scores, "accuracy")
    figure = Figure(figsize=(TEXT_WIDTH, 3.2))
    panels = figure.subplots(1, 2, sharey=True)
    titles = {True: "(a) decoupled weight decay", False: "(b) coupled weight decay"}
    for axes, (decoupled, title) in zip(panels, titles.items(), strict=True):
        score_against_k(axes, scores[scores.decoupled == decoupled], "accuracy", within=within)
        axes.set_title(title)
        if within[0] < level:
            axes.axhline(level, color="0.4", linewidth=0.8, linestyle=":")
            axes.annotate(f"chance, {level:.2f}", (1, level), (0, 2), textcoords="offset points")
        else:
            axes.set_xlabel(f"$k$  (chance, {level:.2f}, lies below)")
    panels[0].set_ylabel(f"{LABELS['accuracy']}, {IMAGES.get(data, data)}")
    panels[1].set_ylabel("")
    add_legend(figure, scores)
    return figure


def score_against_k(
    axes: Axes, scores: pd.DataFrame, metric: Metric, *, within: tuple[float, float] | None = None
) -> None:
    """Draw the mean score against k, a line per strategy; all of them start at Adam, in red.

    A bar is the 95 % interval over seeds, where there are three or more. Those of one k stand side
    by side.

    Args:
        axes: where.
        scores: of :func:`~adamct.analysis.grids.over_seeds`, of one kind of weight decay.
        metric: what the scores are.
        within: the axis to be shown; all without.
    """
    shown = as_shown(scores, metric)
    adam = shown[shown.strategy == ADAM]
    strategies = _strategies(shown)
    for place, strategy in enumerate(strategies):
        own = shown[shown.strategy == strategy].sort_values("k")
        aside = own.assign(k=own.k + APART * (place - (len(strategies) - 1) / 2))
        line = pd.concat([adam, aside])
        axes.plot(line.k, line["mean"], color=COLOURS[strategy])
        with_interval(axes, aside, COLOURS[strategy])
    with_interval(axes, adam, ADAM_COLOUR, size=5)
    axes.set(xlabel="$k$", ylabel=LABELS[metric], xticks=sorted(set(shown.k)))
    if within:
        axes.set_ylim(within)


def with_interval(
    axes: Axes, points: pd.DataFrame, colour: str, *, x: str = "k", size: float = 3.2
) -> None:
    """Draw means as points with their intervals as bars, where they have one."""
    ends = np.abs([points["mean"] - points.low, points.high - points["mean"]])
    axes.errorbar(
        points[x], points["mean"], np.nan_to_num(ends), fmt="o", color=colour, markersize=size,
        elinewidth=0.9, zorder=3,
    )  # fmt: skip


def add_legend(figure: Figure, scores: pd.DataFrame, *, adam: str = "Adam") -> None:
    """Add the legend of :func:`score_against_k`; ``adam``: what k = 1 is called."""
    point: dict[str, Any] = {"marker": "o", "linestyle": ""}
    handles = [
        Line2D([], [], color=ADAM_COLOUR, **point, label=f"{adam} ($k=1$)"),
        *(
            Line2D([], [], color=COLOURS[strategy], marker="o", label=strategy.replace("_", " "))
            for strategy in _strategies(scores)
        ),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def contenders_range(scores: pd.DataFrame, metric: Metric) -> tuple[float, float]:
    """Return an axis for the optimizers that come near the best; the others may leave it.

    It holds the means that lie no further to the worse side of the median than the best lies to
    the better one, and Adam's: what falls far behind would otherwise squeeze the differences that
    matter. Their intervals are held, too, as far as they reach half the range of the means beyond.
    """
    shown = scores[~scores.strategy.isin(["naive", "root"])]
    top, median = shown["mean"].max(), shown["mean"].median()
    near = shown[(shown["mean"] >= 2 * median - top) | (shown.strategy == ADAM)]
    lowest, beyond = near["mean"].min(), 0.5 * np.ptp(near["mean"]) or 1e-3
    low = max(np.nanmin(near[["mean", "low"]].to_numpy()), lowest - beyond) - 0.1 * beyond
    high = min(np.nanmax(near[["mean", "high"]].to_numpy()), top + beyond) + 0.1 * beyond
    bottom, top = sorted((_sign(metric) * low, _sign(metric) * high))
    return (bottom, min(top, 1.0)) if metric == "accuracy" else (bottom, top)


def score_table(records: Records, metric: Metric) -> pd.DataFrame:
    """Return the table beside a figure: each optimizer's point, and its score over seeds.

    Returns:
        Per optimizer the point (``lr, weight_decay``), the mean over ``n_seeds`` of the test score
        at the evaluation that is best on test, with its 95 % interval ``low``, ``high``; and, where
        a validation split was held out, that at the evaluation which is best there.
    """
    scores = run_scores(records, metric)
    table = as_shown(over_seeds(scores), metric).rename(columns={"mean": f"test_{metric}"})
    if "test_at_validation" in scores:
        held_out = scores.groupby([*OPTIMIZER, *GRID]).test_at_validation.mean() * _sign(metric)
        table = table.join(held_out, on=[*OPTIMIZER, *GRID])
    return table.sort_values(["decoupled", "strategy", "k"], ignore_index=True)


def as_shown(scores: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Return the scores of :func:`~adamct.analysis.grids.over_seeds` as accuracies or losses."""
    if metric == "accuracy":
        return scores
    return scores.assign(mean=-scores["mean"], low=-scores.high, high=-scores.low)


def _strategies(scores: pd.DataFrame) -> list[str]:
    return [strategy for strategy in COLOURS if strategy in set(scores.strategy)]


def _sign(metric: Metric) -> float:
    return 1.0 if metric == "accuracy" else -1.0
