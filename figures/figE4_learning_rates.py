"""Figure E4: every optimizer at its own best learning rate, on a grid that holds them all."""

from __future__ import annotations

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
Adam, 2-Adam and 2-Adam with γ₂ = 0 (a normalization layer made explicit) in language modelling, of
C4 at paper scale and of Python's reference manual with a smaller model at the others. (a) Best test
loss against η: thin lines are pilot seeds, with a mark at every η that was tried; they choose each
optimizer's η. Large points are means over fresh seeds at the chosen η, and at the best up to
{PAPER_END:g}, where the paper's grid for C4 ends (vertical line); bars are 95 % intervals. (b) What
each gains over Adam, both at their chosen η, in every fresh seed, with mean and 95 % interval;
within the grey band, ±{TIE} nats, a difference counts as a tie. Verdicts take wider intervals until
the last of three looks.
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
    sides = {row.strategy: f"strategy == '{row.strategy}'" for _, row in by_name(fresh)}
    adam = tuned(screen, fresh, sides.pop(ADAM))
    advantages(right, {s: tuned(screen, fresh, which) for s, which in sides.items()}, adam)
    figure.legend(loc="outside lower center", ncols=4)
    return figure


def against_lr(axes: Axes, screen: pd.DataFrame, fresh: pd.DataFrame) -> None:
    """Draw the loss against η: a thin line per optimizer and pilot seed, fresh seeds as points."""
    axes.axvline(PAPER_END, color="0.8", linewidth=0.8, zorder=0, label="the paper's grid ends")
    for _, row in by_name(screen):
        own = -by_point(screen).loc[tuple(row[OPTIMIZER])].groupby("lr").max()
        axes.plot(own.index, own, marker=".", linewidth=0.6, alpha=0.6, color=colour(row.strategy))
        axes.plot([], [], "o", color=colour(row.strategy), label=name(row))
    shown = sweep_panels.as_shown(over_seeds(fresh), "loss")
    for strategy, points in shown.groupby("strategy"):
        sweep_panels.with_interval(axes, points, colour(str(strategy)), x="lr", size=5)
    axes.set(xscale="log", xlabel=r"learning rate $\eta$", ylabel=sweep_panels.LABELS["loss"])
    axes.set_title("(a) pilots choose, fresh seeds score")


def advantages(axes: Axes, others: dict[str, Tuned], adam: Tuned) -> None:
    """Draw what each optimizer gains over Adam, seed by seed."""
    axes.axhspan(-TIE, TIE, color="0.9", zorder=0)
    axes.axhline(0, color="0.4", linewidth=0.6)
    for place, (strategy, own) in enumerate(others.items()):
        gains = (own.scores - adam.scores).dropna()
        axes.plot([place] * len(gains), gains, ".", color=colour(strategy), alpha=0.5)
        low, high = student(gains) or (gains.mean(),) * 2
        axes.plot([place + 0.15] * 2, [low, high], color=colour(strategy))
        axes.plot(place + 0.15, gains.mean(), "o", color=colour(strategy))
    labels = [f"{own.name}\n$\\eta$ = {own.lr:g}" for own in others.values()]
    axes.set_xticks(range(len(others)), labels, fontsize=7)
    axes.set(xlim=(-0.5, len(others) - 0.5), ylabel="gain over Adam (nats)")
    axes.set_title(f"(b) against Adam at $\\eta$ = {adam.lr:g}")


def by_name(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the optimizers of some scores, a row each, Adam first."""
    return scores.drop_duplicates(OPTIMIZER).sort_values("k", kind="stable").iterrows()


def colour(strategy: str) -> str:
    """Return an optimizer's colour."""
    return ADAM_COLOUR if strategy == ADAM else COLOURS[strategy]


def table(records: Records) -> pd.DataFrame:
    """Return the scores on fresh seeds."""
    return sweep_panels.score_table(records.of(READS[1]), "loss")
