"""Figure E1: where in the (β, γ) square the max-update grows, and where either theory says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from adamct.analysis.growth import reach
from adamct.analysis.statistics import with_bands
from adamct.plotting import plane, style
from adamct.plotting.style import EXACT, PAPER, growth_colours
from adamct.records import Records
from adamct.theory import discrete_growth_rate, discrete_max_update_limit, growth_rate

READS = ("instability_map", "instability_strip")
CAPTION = """
Where in the (β, γ) square Adam's max-update grows; the axes are logarithmic in 1 − β and 1 − γ,
with (1, 1) at the upper right. Measured, geometric means over seeds: (a) the largest max-update of
the run, and (b) that over 1/√(1−β), which no pair of B₊ with this β can pass; a cross is a run that
diverged. Predicted: (c) the paper's rate |C|/2 and (d) the exact rate ln γ − ½ ln β. Dotted is
C = 0, dashed γ² = β. (e) to (g) take pairs in and just beyond the strip between the two: where they
lie, their largest max-update against D∞ (bars) and 1/√(1−β) (open), and by how much its maximum
rises from the first half of the steps to the second, beside the rise at the paper's rate; the line
is a factor of 2. Whiskers are 95 % intervals over three seeds or more. η = 10⁻³, float64 state.
"""
ALT = (
    "Four heat maps over the (β, γ) square, two of measured max-updates and two of predicted "
    "rates, with both boundaries; below them three panels for single pairs of (β, γ) in and "
    "beyond the strip between the boundaries."
)

UPDATES = growth_colours(1, 1e6, log=True)
RATES = growth_colours(2e-3, 1, log=True)
MEASURED: dict[str, Any] = {"color": "#d1495b", "marker": "o", "linestyle": "", "label": "measured"}
TICK: dict[str, Any] = {"color": EXACT["color"], "marker": "|", "markersize": 9, "linestyle": ""}
OPEN: dict[str, Any] = {"color": PAPER["color"], "marker": "o", "linestyle": "", "mfc": "none"}
DIVERGED: dict[str, Any] = {"marker": "x", "markersize": 3, "color": "black", "linestyle": ""}
NOTE: dict[str, Any] = {"fontsize": 6.5, "va": "center", "color": PAPER["color"]}


def draw(records: Records) -> Figure:
    """Draw (a, b) the max-updates, (c, d) both theories' rates, (e, f, g) the strip."""
    figure = Figure(figsize=(style.TEXT_WIDTH, 9))
    halves: Any = figure.subfigures(2, 1, height_ratios=(2.2, 1))
    maps(halves[0], reach(records.of("instability_map")))
    strip(halves[1], reach(records.of("instability_strip")))
    return figure


def maps(figure: SubFigure, runs: pd.DataFrame) -> None:
    """Draw the four maps on axes of 1 − β and 1 − γ, near (1, 1) at the upper right."""
    axes = figure.subplots(2, 2, sharex=True, sharey=True)
    logs = runs.assign(largest=np.log(runs.largest))
    means = logs.groupby(["beta", "gamma"], as_index=False)[["largest", "over_stable"]].mean()
    means[["largest", "over_stable"]] = np.exp(means[["largest", "over_stable"]])
    diverged = runs[runs.status == "diverged"]
    for panel, column in zip(axes[0], ("largest", "over_stable"), strict=True):
        plane.heat_map(panel, means, column, UPDATES)
        panel.plot(1 - diverged.beta, 1 - diverged.gamma, label="diverged", **DIVERGED)
        figure.colorbar(UPDATES, ax=panel, pad=0.02, extend="both")
    axes[0, 0].set_title(r"(a) largest $\|u_n\|_\infty$")
    axes[0, 1].set_title(r"(b) largest $\|u_n\|_\infty$ over $1/\sqrt{1-\beta}$")
    plane.everywhere(axes[1, 0], growth_rate, RATES)
    axes[1, 0].set_title("(c) the paper's rate, $|C|/2$")
    plane.everywhere(axes[1, 1], discrete_growth_rate, RATES)
    axes[1, 1].set_title(r"(d) the exact rate, $\ln\gamma-\frac{1}{2}\ln\beta$")
    for panel in axes.flat:
        plane.near_one(panel)
        plane.boundaries(panel, 1 - np.geomspace(1e-4, 0.999, 300), distances=True)
        panel.label_outer()
    for panel in axes[1]:  # where they hide no measurement
        handles = plane.common_pairs(panel)
    rates: dict[str, Any] = {"label": "growth rate per step", "extend": "both"}
    figure.colorbar(RATES, ax=axes[1], pad=0.01, aspect=20, **rates)
    lines, _ = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles=[*lines, *handles], loc="outside lower center", ncols=3)


def strip(figure: SubFigure, runs: pd.DataFrame) -> None:
    """Draw the pairs in and beyond the strip, their largest max-updates, and how these rise."""
    square, updates, rises = figure.subplots(1, 3, width_ratios=(1.1, 1, 1))
    pairs = runs.drop_duplicates(["beta", "gamma"])
    pairs = pairs.sort_values(["exact_rate", "beta"], ignore_index=True)
    beta = np.linspace(1e-3, 1, 400)
    plane.strip(square, beta)
    plane.boundaries(square, beta)
    square.plot(pairs.beta, pairs.gamma, **MEASURED)
    square.set(xlabel=r"$\beta$", ylabel=r"$\gamma$", xlim=(0, 1), ylim=(0, 1))
    square.set_title("(e) pairs in and beyond the strip")
    rows = pairs.index.to_numpy()
    limit = np.asarray(discrete_max_update_limit(pairs.beta, pairs.gamma))
    bounded = np.isfinite(limit)
    over_seeds(updates, runs, pairs, "largest")
    updates.plot(limit[bounded], rows[bounded], label=r"$D_\infty$", **TICK)
    updates.plot(1 / np.sqrt(1 - pairs.beta), rows, label=r"$1/\sqrt{1-\beta}$", **OPEN)
    updates.set(xlabel=r"largest $\|u_n\|_\infty$", title="(f) against the limits")
    for row in rows[~bounded]:
        updates.text(1, row, r"$\infty$", transform=updates.get_yaxis_transform(), va="center")
    over_seeds(rises, runs, pairs, "later_rise")
    rises.axvline(np.log(2), color="0.75", linewidth=0.8, zorder=0)
    rises.set(xlabel="ln of the rise", title="(g) rise in the second half", xlim=(-0.3, 1.3))
    for row, pair in enumerate(pairs.itertuples()):
        rises.text(0.76, row, f"paper: {pair.paper_rate * pair.n_steps / 2:,.0f}", **NOTE)
    updates.set_yticks(rows, [f"({pair.beta:g}, {pair.gamma:g})" for pair in pairs.itertuples()])
    rises.set_yticks(rows, [])
    for panel in (updates, rises):
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.axhline(bounded.sum() - 0.5, color="0.8", linewidth=0.8)
    handles = [*square.get_legend_handles_labels()[0], *updates.get_legend_handles_labels()[0][-2:]]
    figure.legend(handles=handles, loc="outside lower center", ncols=6)


def over_seeds(axes: Axes, runs: pd.DataFrame, pairs: pd.DataFrame, column: str) -> None:
    """Draw a column of every pair in its row: the mean over seeds, and its interval."""
    means = pairs[["beta", "gamma"]].merge(with_bands(runs, column, ["beta", "gamma"]))
    rows = np.arange(len(means))
    axes.plot(means["mean"], rows, **MEASURED)
    axes.hlines(rows, means.low, means.high, color=MEASURED["color"], linewidth=0.8)
