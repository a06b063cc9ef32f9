"""Figure E5: the max-update of every level of k-Adam, and the exact bound of that level."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from adamct.analysis.levels import largest_max_updates, late_max_updates
from adamct.analysis.statistics import student
from adamct.plotting.style import CYCLE, EXACT, TEXT_WIDTH, plain_log
from adamct.plotting.sweep_panels import COLOURS
from adamct.records import Records
from adamct.theory import discrete_max_update_bound, max_update_bound

READS = ("max_update_levels",)
PAPER: dict[str, Any] = {"color": "#555555", "linestyle": ":", "linewidth": 0.8}
CAPTION = """
Theorem 3, level by level. Upper rows: the largest max-update of every level of k-Adam up to a step,
mean over seeds, against the step, on logarithmic axes; a panel for each k and strategy. Dashed and
labelled is the exact bound Dₙ for the levels' (βᵢ, γᵢ), the same for all levels of a panel; dotted
is Eq. (10). Scaled shares a panel with inverse exp, in grey: its max-updates and its bound are 1
within a percent. Below: the median max-update over the second half of the steps against the level,
with 95 % intervals over seeds where there are three: an update that grew no larger from level to
level would fall from left to right. The pairs come from (β, γ) = (0.999, 0.9); η = 10⁻³ is
constant, without weight decay. The guard, which would clamp every level to its bound, is off.
"""
ALT = (
    "A grid of panels, one per strategy and number of levels: the largest max-update of each level "
    "so far against the step, below a dashed and a dotted bound. Under it two panels of the median "
    "max-update against the level, a line per strategy."
)


def draw(records: Records) -> Figure:
    """Draw ‖u_n^(i)‖∞ against n and i, with the bounds of Theorem 3."""
    own = records.of(READS[0])
    ks = sorted(set(own.runs.k))
    own_panel = [name for name in dict.fromkeys(own.runs.strategy) if name != "scaled"]
    figure = Figure(figsize=(TEXT_WIDTH, 1.6 * len(ks) + 2.4))
    parts: Any = figure.subfigures(2, 1, height_ratios=(1.6 * len(ks), 2.4))
    upper, lower = parts
    grid = upper.subplots(len(ks), len(own_panel), sharex=True, sharey=True, squeeze=False)
    reached = largest_max_updates(own)
    for k, row in zip(ks, grid, strict=True):
        for strategy, axes in zip(own_panel, row, strict=True):
            of_panel = reached[(reached.k == k) & (reached.strategy == strategy)]
            if strategy == "inverse_exp":
                scaled = reached[(reached.k == k) & (reached.strategy == "scaled")]
                levels(axes, scaled, ["0.6"] * k)
            levels(axes, of_panel, CYCLE)
            bounds(axes, own.runs[(own.runs.k == k) & (own.runs.strategy == strategy)].iloc[0])
            axes.set_title(f"{words(strategy)}, $k={k}$", loc="center", fontsize=8)
        row[0].set_ylabel(r"$\max_{m \leq n} \|u^{(i)}_m\|_\infty$")
    for axes in grid[-1]:
        axes.set_xlabel("step $n+1$")
    grid[0][0].set(xscale="log", yscale="log", ylim=(0.9, 12))
    plain_log(grid[0][0].xaxis, grid[0][0].yaxis)
    handles = [Line2D([], [], color=CYCLE[i], label=f"level {i + 1}") for i in range(max(ks))]
    handles.append(Line2D([], [], color="0.6", label="scaled, all levels"))
    handles.append(Line2D([], [], label="$D_n$ of the levels", **EXACT))
    handles.append(Line2D([], [], label="Eq. (10)", **PAPER))
    upper.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    medians = late_max_updates(own)
    for k, axes in zip(ks, lower.subplots(1, len(ks), sharey=True), strict=True):
        against_level(axes, medians[medians.k == k])
        axes.set(xlabel="level $i$", xticks=range(1, k + 1), title=f"$k={k}$")
    lower.axes[0].set_ylabel(r"median $\|u^{(i)}_n\|_\infty$")
    lower.axes[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def levels(axes: Axes, reached: pd.DataFrame, colours: Any) -> None:
    """Draw the largest max-update so far, mean over seeds, a line a level."""
    for level, of_level in reached.groupby("level"):
        mean = of_level.groupby("n").max_update.mean()
        axes.plot(mean.index + 1, mean, linewidth=0.8, color=colours[int(str(level)) - 1])


def bounds(axes: Axes, run: pd.Series) -> None:
    """Draw both bounds at the pair of a run's levels, and label D_n with its value at the end."""
    n = np.unique(np.geomspace(1, run.n_steps, 100).astype(int)) - 1
    exact = discrete_max_update_bound(n, run.beta_1, run.gamma_1)
    axes.plot(n + 1, exact, **EXACT)
    axes.plot(n + 1, max_update_bound(n, run.beta_1, run.gamma_1), **PAPER)
    axes.annotate(
        f"$D_n$ = {exact[-1]:.3g}", (1, exact[-1]), (0, 2), textcoords="offset points",
        xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=6.5,
    )  # fmt: skip


def against_level(axes: Axes, medians: pd.DataFrame) -> None:
    """Draw the median max-update against the level, a line a strategy, with intervals."""
    for strategy, own in medians.groupby("strategy", sort=False):
        of_levels = [values.to_numpy() for _, values in own.groupby("level").max_update]
        mean = np.array([values.mean() for values in of_levels])
        ends = [(len(x) > 2 and student(x)) or (x.mean(),) * 2 for x in of_levels]
        errors = np.abs(np.transpose(ends) - mean)
        axes.errorbar(
            range(1, len(mean) + 1), mean, errors, fmt="o-", markersize=3,
            color=COLOURS[str(strategy)], label=words(str(strategy)),
        )  # fmt: skip


def words(strategy: str) -> str:
    """Return a strategy's name as a reader says it."""
    return strategy.replace("_", " ")
