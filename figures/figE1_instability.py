"""Figure E1: where in the (β, γ) square the max-update grows, and where either theory says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator

from adamct.analysis.growth import exponential_growth, median_slope
from adamct.plotting import plane, style
from adamct.plotting.style import EXACT, PAPER, growth_colours
from adamct.records import Records
from adamct.theory import discrete_growth_rate, discrete_max_update_limit, growth_rate
from adamct.theory.slopes import RATE_TOLERANCE

READS = ("instability_map", "instability_strip")
CAPTION = f"""
Where in the (β, γ) square Adam's max-update grows; the axes are logarithmic in 1 − β and 1 − γ,
with (1, 1) at the upper right. Measured: (a) the share of steps on which it grows at the predicted
rate, within {100 * RATE_TOLERANCE:g} %, and (b) its median slope; a cross is a run that diverged.
Predicted: (c) the paper's rate |C|/2 and (d) the exact rate ln γ − ½ ln β. Dotted is C = 0, dashed
γ² = β. (e) to (g) take pairs in and just beyond the strip between the two: where they lie, their
largest max-update against its exact limit D∞ (bars), and their median slope against the exact
(bars) and the paper's rate (open). η = 10⁻³, float64 optimizer state.
"""
ALT = (
    "Four heat maps of growth over the (β, γ) square, two measured and two predicted, with both "
    "boundaries; below them three panels for single pairs of (β, γ) in and beyond the strip "
    "between the boundaries."
)

SHARES = growth_colours(0, 1, unknown=plane.STABLE["facecolor"])
RATES = growth_colours(2e-3, 1, log=True)
MEASURED: dict[str, Any] = {"color": "#d1495b", "marker": "o", "linestyle": "", "label": "measured"}
TICK: dict[str, Any] = {"color": EXACT["color"], "marker": "|", "markersize": 9, "linestyle": ""}
OPEN: dict[str, Any] = {"color": PAPER["color"], "marker": "o", "linestyle": "", "mfc": "none"}

DIVERGED: dict[str, Any] = {"marker": "x", "markersize": 3, "color": "black", "linestyle": ""}


def draw(records: Records) -> Figure:
    """Draw (a, b) the measured growth, (c, d) both theories' rates, (e, f, g) the strip."""
    figure = Figure(figsize=(style.TEXT_WIDTH, 9))
    halves: Any = figure.subfigures(2, 1, height_ratios=(2.2, 1))
    maps(halves[0], measured(records.of("instability_map")))
    pairs = measured(records.of("instability_strip"))
    strip(halves[1], pairs.sort_values(["exact_rate", "beta"], ignore_index=True))
    return figure


def measured(records: Records) -> pd.DataFrame:
    """Return the runs with their share of growing steps, median slope and largest max-update."""
    series = [records.series(run_id, "max_update") for run_id in records.runs.run_id]
    return records.runs.assign(
        share=exponential_growth(records).share,
        slope=[median_slope(n, values, first=n.max() / 2) for n, values in series],
        largest=[values.max() for _, values in series],
    )


def maps(figure: SubFigure, runs: pd.DataFrame) -> None:
    """Draw the four maps on axes of 1 − β and 1 − γ, near (1, 1) at the upper right."""
    axes = figure.subplots(2, 2, sharex=True, sharey=True)
    plane.heat_map(axes[0, 0], runs, "share", SHARES)
    axes[0, 0].set_title("(a) measured: share of growing steps")
    plane.heat_map(axes[0, 1], runs, "slope", RATES)
    axes[0, 1].set_title("(b) measured: median slope")
    diverged = runs[runs.status == "diverged"]
    for panel in axes[0]:
        panel.plot(1 - diverged.beta, 1 - diverged.gamma, label="diverged", **DIVERGED)
    plane.everywhere(axes[1, 0], growth_rate, RATES)
    axes[1, 0].set_title("(c) the paper's rate, $|C|/2$")
    plane.everywhere(axes[1, 1], discrete_growth_rate, RATES)
    axes[1, 1].set_title(r"(d) the exact rate, $\ln\gamma-\frac{1}{2}\ln\beta$")
    for panel in axes.flat:
        plane.near_one(panel)
        plane.boundaries(panel, 1 - np.geomspace(1e-4, 0.999, 300), distances=True)
        handles = plane.common_pairs(panel)
        panel.label_outer()
    figure.colorbar(SHARES, ax=axes[0, 0], pad=0.02)
    rates: dict[str, Any] = {"label": "growth rate per step", "extend": "both"}
    figure.colorbar(RATES, ax=axes[:, 1], pad=0.02, aspect=40, **rates)
    lines, _ = axes[0, 0].get_legend_handles_labels()
    unknown = Patch(label="(a): $C>0$, no growth rate", **plane.STABLE)
    figure.legend(handles=[unknown, *lines, *handles], loc="outside lower center", ncols=3)


def strip(figure: SubFigure, runs: pd.DataFrame) -> None:
    """Draw the pairs in and beyond the strip, their largest max-updates, and their slopes."""
    square, updates, rates = figure.subplots(1, 3, width_ratios=(1.1, 1, 1))
    beta = np.linspace(1e-3, 1, 400)
    plane.strip(square, beta)
    plane.boundaries(square, beta)
    square.plot(runs.beta, runs.gamma, **MEASURED)
    square.set(xlabel=r"$\beta$", ylabel=r"$\gamma$", xlim=(0, 1), ylim=(0, 1))
    square.set_title("(e) pairs in and beyond the strip")
    rows = runs.index.to_numpy()
    limit = np.asarray(discrete_max_update_limit(runs.beta, runs.gamma))
    bounded = np.isfinite(limit)
    updates.plot(runs.largest, rows, **MEASURED)
    updates.plot(limit[bounded], rows[bounded], label=r"$D_\infty$, exact rate", **TICK)
    updates.set(xscale="log", xlabel=r"largest $\|u_n\|_\infty$", title=r"(f) against $D_\infty$")
    style.plain_log(updates.xaxis)
    for row in rows[~bounded]:
        updates.text(1, row, r"$\infty$", transform=updates.get_yaxis_transform(), va="center")
    rates.plot(runs.slope, rows, **MEASURED)
    rates.plot(runs.exact_rate, rows, **TICK)
    rates.plot(runs.paper_rate, rows, label="paper's rate", **OPEN)
    rates.set_xscale("symlog", linthresh=1e-2)
    rates.xaxis.set_major_locator(FixedLocator([-0.1, -0.01, 0, 0.01, 0.1, 1, 10]))
    rates.xaxis.set_major_formatter(style.plain_numbers())
    rates.set(xlabel="median slope per step", title="(g) against both rates")
    updates.set_yticks(rows, [f"({run.beta:g}, {run.gamma:g})" for run in runs.itertuples()])
    rates.set_yticks(rows, [])
    for panel in (updates, rates):
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.axhline(bounded.sum() - 0.5, color="0.8", linewidth=0.8)
    handles = [panel.get_legend_handles_labels()[0] for panel in (square, updates, rates)]
    handles = handles[0][:1] + handles[1] + handles[2][-1:]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
