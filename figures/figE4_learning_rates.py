"""Figure E4: every optimizer at its own best learning rate, on a grid that holds them all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adamct.analysis.choice import PAPER_END, Tuned, tuned
from adamct.analysis.grids import ADAM, OPTIMIZER, by_point, name, over_seeds, run_scores
from adamct.analysis.statistics import student
from adamct.plotting import sweep_panels
from adamct.plotting.style import TEXT_WIDTH
from adamct.plotting.sweep_panels import ADAM_COLOUR, COLOURS
from adamct.records import Records

READS = ("kadam_lr_grid_screen", "kadam_lr_grid")
TIE = 0.02  # nats
CAPTION = f"""
Adam, 2-Adam, 3-Adam and 2-Adam with γ₂ = 0 (a normalization layer made explicit) in language
modelling, of C4 at paper scale and of Python's reference manual with a smaller model at the
others. (a) Best test loss against η: thin lines are pilot seeds, with a mark at every η that was
tried; they choose each optimizer's η. Large points are means over fresh seeds at the chosen η,
and at the best up to {PAPER_END:g}, where the paper's grid for C4 ends (vertical line); bars are
95 % intervals. (b) What each gains over Adam, both at their chosen η, in every fresh seed, with
mean and 95 % interval; within the grey band, ±{TIE} nats, a difference counts as a tie. Verdicts
take wider intervals until the last of three looks.
"""
ALT = (
    "Left, best test loss against the learning rate on a logarithmic axis, thin lines per pilot "
    "seed and points with intervals at the chosen rates. Right, each optimizer's advantage over "
    "Adam, a dot a seed, with mean and interval beside a grey band around 0."
)


def draw(records: Records) -> Figure:
    """Draw the best test loss against η, and the advantage over Adam at the chosen η."""
    screen, fresh = (run_scores(records.of(experiment), "loss") for experiment in READS)
    figure = Figure(figsize=(TEXT_WIDTH, 3.5))
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    against_lr(left, screen, fresh)
    adam, *others = (
        (tuned(screen, fresh, f"strategy == '{row.strategy}' and k == {row.k}"), colour(row))
        for _, row in optimizers(screen)
    )
    advantages(right, adam[0], others)
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def against_lr(axes: Axes, screen: pd.DataFrame, fresh: pd.DataFrame) -> None:
    """Draw the loss against η: a thin line per optimizer and pilot seed, fresh seeds as points."""
    axes.axvline(PAPER_END, color="0.8", linewidth=0.8, zorder=0, label="the paper's grid ends")
    points = by_point(screen)
    means = sweep_panels.as_shown(over_seeds(fresh), "loss")
    for _, row in optimizers(screen):
        own = -points.loc[tuple(row[OPTIMIZER])].groupby("lr").max()
        axes.plot(own.index, own, marker=".", linewidth=0.6, alpha=0.6, color=colour(row))
        axes.plot([], [], "o", color=colour(row), label=name(row))
        scored = means[(means.strategy == row.strategy) & (means.k == row.k)]
        sweep_panels.with_interval(axes, scored, colour(row), x="lr", size=5)
    axes.set(xscale="log", xlabel=r"learning rate $\eta$", ylabel=sweep_panels.LABELS["loss"])
    tried = sorted(set(screen.lr))
    axes.set_xticks(tried, [f"{lr:g}" for lr in tried])
    axes.set_xticks([], minor=True)
    axes.set_title("(a) pilots choose, fresh seeds score")


def advantages(axes: Axes, adam: Tuned, others: list[tuple[Tuned, str]]) -> None:
    """Draw what each optimizer gains over Adam, seed by seed."""
    axes.axhspan(-TIE, TIE, color="0.9", zorder=0)
    axes.axhline(0, color="0.4", linewidth=0.6)
    for place, (own, shade) in enumerate(others):
        gains = (own.scores - adam.scores).dropna()
        axes.plot([place] * len(gains), gains, ".", color=shade, alpha=0.5)
        low, high = student(gains) or (gains.mean(),) * 2
        axes.plot([place + 0.2] * 2, [low, high], color=shade)
        axes.plot(place + 0.2, gains.mean(), "o", color=shade, markersize=5)
    labels = [
        own.name.replace(" (", "\n(").replace("ation l", "ation\nl") + f"\n$\\eta$ = {own.lr:g}"
        for own, _ in others
    ]
    axes.set_xticks(range(len(others)), labels, fontsize=6.5)
    axes.set(xlim=(-0.5, len(others) - 0.5), ylabel="gain over Adam (nats)")
    axes.set_title(f"(b) against Adam at $\\eta$ = {adam.lr:g}")


def optimizers(scores: pd.DataFrame) -> Iterable[tuple[Any, pd.Series]]:
    """Return the optimizers of some scores, a row each, Adam first."""
    return scores.drop_duplicates(OPTIMIZER).sort_values("k", kind="stable").iterrows()


def colour(row: pd.Series) -> str:
    """Return an optimizer's colour."""
    if row.k == 3:
        return "#b06a00"
    return ADAM_COLOUR if row.strategy == ADAM else COLOURS[row.strategy]


def table(records: Records) -> pd.DataFrame:
    """Return the scores on fresh seeds."""
    return sweep_panels.score_table(records.of(READS[1]), "loss")
