"""Figure 7: the max-update on the boundary C = 0, against √n and against D_n."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from adamct.analysis.violations import log_excess
from adamct.plotting.panels import label_bounds, mark_outside
from adamct.plotting.style import EXACT, PAPER, TEXT_WIDTH, colourbar, colours_by, plain_log
from adamct.records import Records
from adamct.theory import discrete_max_update_bound as exact_bound
from adamct.theory import discrete_max_update_limit, max_update_bound
from adamct.theory.domain import Values

READS = ("max_update_boundary",)
CAPTION = """
Points on the boundary C = 0, from β = 0.7 to 0.999, at a constant η = 10⁻³ without weight decay.
(a) The max-update, coloured by β, with Eq. (5), which grows like √n there (dotted), and the exact
bound Dₙ (dashed), which does not: its limit 1/√(1−β) is marked at the right edge. Bounds are drawn
for three of the points. (b) Measured over Dₙ and (c) measured over Eq. (5): in the shaded part the
bound is broken. Eq. (5) comes from continuous time and starts at 0, while every Adam starts with
an update of 1. Upright triangles lie beyond the axis: in (a) the limit at β = 0.999, in (c) the
first step, at which Eq. (5) is 0.
"""
ALT = (
    "Left: max-update against the step on logarithmic axes with both bounds. Right: measured "
    "values over each bound, with the region above 1 shaded."
)
BOUNDS_OF = 3  # draw the bounds of so many points only, so that they stay readable

LABEL: dict[str, Any] = {"ha": "right", "fontsize": 7}


def draw(records: Records) -> Figure:
    """Draw (a) ‖u_n‖∞ and the bounds, (b) ‖u_n‖∞ over D_n, (c) ‖u_n‖∞ over Eq. (5)."""
    own = records.of(*READS)
    figure = Figure(figsize=(TEXT_WIDTH, 4.4))
    panels = figure.subplot_mosaic("ab;ac", width_ratios=(1.25, 1))
    whole, upper, lower = panels.values()
    max_update(whole, own)
    whole.set_title("(a) max-update and its bounds")
    over_bound(upper, own, exact_bound)
    upper.set_title("(b) max-update over $D_n$")
    over_bound(lower, own, max_update_bound)
    lower.set_title("(c) max-update over Eq. (5)")
    for axes in (whole, upper, lower):
        axes.set(xscale="log", yscale="log", xlim=(1, own.runs.n_steps.max()), xlabel="$n+1$")
        plain_log(axes.xaxis, axes.yaxis)
    upper.set_xlabel("")
    colourbar(figure, (upper, lower), "beta", own.runs)
    return figure


def max_update(axes: Axes, records: Records) -> None:
    """Draw ‖u_n‖∞ of every point, and Eq. (5), D_n and D_∞ of some."""
    runs = records.runs.sort_values("beta")
    colours = colours_by("beta", runs)
    n = np.arange(1, runs.n_steps.max())
    some = runs.iloc[np.unique(np.linspace(0, len(runs) - 1, BOUNDS_OF).astype(int))]
    top = 0.0
    for run in some.itertuples():
        for bound, look in ((max_update_bound, PAPER), (exact_bound, EXACT)):
            line = bound(n, run.beta, run.gamma)
            axes.plot(n + 1, line, **{**look, "color": colours.to_rgba(run.beta)})
            top = max(top, 1.4 * float(line.max()))
    axes.set_ylim(0.4, top)
    limits = discrete_max_update_limit(some.beta, some.gamma)
    seen = limits < top
    end = np.full(len(some), runs.n_steps.max())
    look = {"marker": "<", "s": 14, "clip_on": False, "zorder": 3}
    axes.scatter(end[seen], limits[seen], c=colours.to_rgba(some.beta[seen]), **look)
    mark_outside(axes, end, limits)
    for value in limits[~seen]:
        axes.annotate(f"{value:.1f}", (end[0], top), (-6, -4), textcoords="offset points", **LABEL)
    for run in runs.itertuples():
        steps, values = records.series(run.run_id, "max_update")
        axes.plot(steps + 1, values, linewidth=0.8, color=colours.to_rgba(run.beta))
    label = r"$D_\infty=1/\sqrt{1-\beta}$"
    limit = Line2D([], [], color="#444444", linestyle="", marker="<", label=label)
    label_bounds(axes, r"Eq. (5), the paper's $\sqrt{n}$", limit)


def over_bound(axes: Axes, records: Records, bound: Callable[..., Values]) -> None:
    """Draw ‖u_n‖∞ over a bound against n + 1, coloured by β; above 1 the bound is broken."""
    runs = records.runs.sort_values("beta")
    colours = colours_by("beta", runs)
    axes.axhspan(1, 2, color="#f7e3df", zorder=0)
    place: dict[str, Any] = {"xycoords": "axes fraction", "va": "top", "ha": "right", "fontsize": 7}
    axes.annotate("bound broken", (0.98, 0.97), **place)
    axes.set(ylim=(0.05, 2), ylabel="ratio")
    excess = log_excess(records, bound)
    for run in runs.itertuples():
        own = excess[excess.run_id == run.run_id]
        over = np.exp(own.excess)
        axes.plot(own.n + 1, over, linewidth=0.8, color=colours.to_rgba(run.beta))
        mark_outside(axes, own.n + 1, over)
