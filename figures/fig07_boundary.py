"""Figure 7: the max-update on the boundary C = 0, against √n and against D_n."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from adamct.analysis.growth import growth_powers
from adamct.analysis.statistics import with_bands
from adamct.analysis.violations import log_excess
from adamct.plotting.panels import label_bounds, mark_outside
from adamct.plotting.style import (
    EXACT,
    LABELS,
    PAPER,
    TEXT_WIDTH,
    colourbar,
    colours_by,
    plain_log,
)
from adamct.records import Records
from adamct.theory import discrete_max_update_bound as exact_bound
from adamct.theory import discrete_max_update_limit, max_update_bound
from adamct.theory.domain import Values

READS = ("max_update_boundary",)
CAPTION = """
Points on the boundary C = 0, from β = 0.7 to 0.999, at a constant η = 10⁻³ without weight decay.
(a) The max-update of three points, a mean over seeds with its 95 % interval as a band, coloured by
β, with Eq. (5), which grows like √n there (dotted), and the exact bound Dₙ (dashed), which does
not: its limit 1/√(1−β) is marked at the right edge. (b) The power p of ‖uₙ‖∞ ∝ nᵖ over the second
half of the steps, with 95 % intervals over three seeds or more: bounded is 0, √n would be 1/2.
(c) The max-update over Dₙ and (d) over Eq. (5), means over seeds: in the shaded part the bound is
broken. Eq. (5) comes from continuous time and starts at 0, while every Adam starts with an update
of 1. Upright triangles lie beyond the axis.
"""
ALT = (
    "Four panels: max-update against the step on logarithmic axes with both bounds; fitted powers "
    "of n around 0; and measured values over each bound, with the region above 1 shaded."
)
SHOWN = 3  # of so many points, so that bands and bounds stay readable

LABEL: dict[str, Any] = {"ha": "right", "fontsize": 7}


def draw(records: Records) -> Figure:
    """Draw (a) ‖u_n‖∞ and the bounds, (b) its power of n, (c, d) ‖u_n‖∞ over D_n and Eq. (5)."""
    own = records.of(*READS)
    figure = Figure(figsize=(TEXT_WIDTH, 5))
    panels = figure.subplots(2, 2)
    (whole, powers), (over_exact, over_paper) = panels
    max_update(whole, own)
    whole.set_title("(a) max-update and its bounds")
    fitted_powers(powers, own)
    powers.set_title(r"(b) fitted power of $n$: $\sqrt{n}$ is ½, bounded is 0")
    over_bound(over_exact, own, exact_bound)
    over_exact.set_title("(c) max-update over $D_n$")
    over_bound(over_paper, own, max_update_bound)
    over_paper.set_title("(d) max-update over Eq. (5)")
    for axes in (whole, over_exact, over_paper):
        axes.set(xscale="log", yscale="log", xlim=(1, own.runs.n_steps.max()), xlabel="$n+1$")
        plain_log(axes.xaxis, axes.yaxis)
    colourbar(figure, list(panels.flat), "beta", own.runs)
    return figure


def max_update(axes: Axes, records: Records) -> None:
    """Draw ‖u_n‖∞ of some points, over seeds, with Eq. (5), D_n and D_∞."""
    runs = records.runs.drop_duplicates("beta").sort_values("beta")
    colours = colours_by("beta", runs)
    n = np.arange(1, runs.n_steps.max())
    some = runs.iloc[np.unique(np.linspace(0, len(runs) - 1, SHOWN).astype(int))]
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
    each = records.scalars.merge(records.runs[["run_id", "beta"]])
    for beta, band in with_bands(each, "max_update", ["beta", "n"]).groupby("beta"):
        if beta in set(some.beta):
            colour = colours.to_rgba(np.array(beta))
            axes.plot(band.n + 1, band["mean"], linewidth=0.8, color=colour)
            axes.fill_between(band.n + 1, band.low, band.high, color=colour, alpha=0.25, lw=0)
    label = r"$D_\infty=1/\sqrt{1-\beta}$"
    limit = Line2D([], [], color="#444444", linestyle="", marker="<", label=label)
    label_bounds(axes, r"Eq. (5), the paper's $\sqrt{n}$", limit)


def over_bound(axes: Axes, records: Records, bound: Callable[..., Values]) -> None:
    """Draw ‖u_n‖∞ over a bound against n + 1, coloured by β; above 1 the bound is broken."""
    colours = colours_by("beta", records.runs)
    axes.axhspan(1, 2, color="#f7e3df", zorder=0)
    place: dict[str, Any] = {"xycoords": "axes fraction", "va": "top", "ha": "right", "fontsize": 7}
    axes.annotate("bound broken", (0.98, 0.97), **place)
    axes.set(ylim=(0.05, 2), ylabel="ratio")
    excess = log_excess(records, bound).merge(records.runs[["run_id", "beta"]])
    means = excess.assign(over=np.exp(excess.excess)).groupby(["beta", "n"]).over.mean()
    for beta, over in means.groupby(level="beta"):
        n = over.index.get_level_values("n")
        axes.plot(n + 1, over, linewidth=0.8, color=colours.to_rgba(beta))
        mark_outside(axes, n + 1, over)


def fitted_powers(axes: Axes, records: Records) -> None:
    """Draw p of ‖u_n‖∞ ∝ n^p against β, over seeds."""
    table = records.runs.assign(power=growth_powers(records)[1])
    means = with_bands(table, "power", ["beta"])
    for power in (0.0, 0.5):
        axes.axhline(power, color="0.75", linewidth=0.8, zorder=0)
    bars = means[["low", "high"]].sub(means["mean"], axis=0).abs().fillna(0).T.to_numpy()
    axes.errorbar(means.beta, means["mean"], bars, fmt="o", color="#1b1b1b", elinewidth=0.7)
    axes.set(xlabel=LABELS["beta"], ylabel="$p$", ylim=(min(-0.75, means["mean"].min()), 0.75))
