"""Figure 3: the max-update against both bounds, and its growth rate against both theories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adamct.analysis.growth import (
    Theory,
    late_steps,
    net_growth,
    slope_ratio,
    slope_step,
    slope_table,
)
from adamct.analysis.statistics import with_bands
from adamct.plotting import panels
from adamct.plotting.style import EXACT, LABELS, PAPER, TEXT_WIDTH
from adamct.records import Records

READS = ("max_update_normal_curve",)
CAPTION = """
The largest component of Adam's update along the normal curve through (0.999, 0.9), at a constant η
= 10⁻³ without weight decay. (a) The max-update of one seed, coloured by C, with the paper's bound,
Eq. (5) (dotted), and the exact bound Dₙ (dashed) of every fourth point: tight in B₊, a factor of
thousands above where C is most negative. (b) Its slope, the median of the 10-step slopes of ln
‖uₙ‖∞ over n = 500 to 1000: that of the rising flanks (biased upwards where nothing grows). Light
marks are single slopes at the paper's n = 1000, triangles those beyond the axis, crosses the net
slope from n ≈ 480 to 980, falls included. (c) The median slope over that of either theory in B₋:
shaded is within 1 % and within [0.8, 1.25]. (d) The points; C = 0 (dotted) all but coincides with
γ² = β (dashed). Bars are 95 % intervals over three seeds or more.
"""
ALT = (
    "Top: max-update against the step on a logarithmic axis, red sawteeth where C is negative, "
    "blue flat curves where it is positive, and the points in the (β, γ) plane. Bottom: growth "
    "rate against C, and measured over predicted rate for two theories."
)

# Theory → its name, and the look of its markers: open for the paper's, filled for the exact.
MARKS: dict[Theory, tuple[str, dict[str, Any]]] = {
    "half_C": ("of $|C|/2$, the paper's", {"color": PAPER["color"], "mfc": "white"}),
    "exact": (r"of $\ln D_n$'s slope, exact", {"color": EXACT["color"]}),
}
SINGLE: dict[str, Any] = {"color": "0.72", "s": 5, "zorder": 1, "linewidths": 0}
NET: dict[str, Any] = {"marker": "x", "color": "#c849a9", "linestyle": "", "markersize": 3.5}


def draw(records: Records) -> Figure:
    """Draw (a) ‖u_n‖∞ against n, (b) its slopes against C, (c) over theory, (d) the points."""
    own = records.of(READS[0])
    runs = own.runs
    figure = Figure(figsize=(TEXT_WIDTH, 5.8))
    halves: Any = figure.subfigures(2, 1, height_ratios=(1.2, 1))
    upper, lower = halves
    curves, chosen = upper.subplots(1, 2, width_ratios=(2.4, 1))
    slopes, ratios = lower.subplots(1, 2)
    panels.max_update_curves(curves, own.where(runs[runs.seed == runs.seed.min()]))
    curves.set_title("(a) max-update and its bounds")
    table = slope_table(own, late_steps(runs.n_recorded.min()))
    slopes_against_C(slopes, own, table)
    slopes.set_title("(b) growth rate")
    ratios_against_C(ratios, table[table.C < 0])
    ratios.set_title("(c) measured over predicted slope")
    panels.pairs(chosen, own)
    chosen.locator_params(axis="x", nbins=4)
    chosen.set_title("(d) the points")
    return figure


def slopes_against_C(axes: Axes, records: Records, table: pd.DataFrame) -> None:
    """Draw the robust slope against C with its theories, single slopes, and the net slope."""
    at = slope_step(records.runs.n_recorded.min())
    axes.axvline(0, color="0.85", linewidth=0.8, zorder=0)
    line = np.array([table.C.min(), 0, table.C.max()])
    axes.plot(line, np.maximum(0, -line / 2), label=r"$|C|/2$ (paper)", **PAPER)
    exact = table.groupby("C").exact.first()
    axes.plot(exact.index, exact, label=r"slope of $\ln D_n$ (exact)", **EXACT)
    span = float(exact.max()) or 1e-3
    axes.set(xlabel=LABELS["C"], ylim=(-0.6 * span, 1.45 * span))
    axes.set_ylabel(r"slope $\mathrm{d}\ln\|u_n\|_\infty/\mathrm{d}n$")
    single = slope_table(records, at)
    axes.scatter(single.C, single.slope, label=f"at $n={at}$ alone", **SINGLE)
    panels.mark_outside(axes, single.C, single.slope)
    net = with_bands(net_growth(records), "measured", ["C"])
    axes.plot(net.C, net["mean"], label="net", **NET)
    with_bars(axes, table, "slope", color="#1b1b1b", label="median")
    axes.legend(loc="upper right")


def ratios_against_C(axes: Axes, table: pd.DataFrame) -> None:
    """Draw the robust slope over that of either theory, against C."""
    axes.axhspan(0.8, 1.25, color="0.96", zorder=-2)
    axes.axhspan(0.99, 1.01, color="0.85", zorder=-1)
    axes.set(xlabel=LABELS["C"], ylabel="ratio", ylim=(0.6, 1.4))
    for theory, (label, look) in MARKS.items():
        ratio = table.assign(ratio=slope_ratio(table, theory))
        with_bars(axes, ratio, "ratio", label=label, **look)
        means = with_bands(ratio, "ratio", ["C"])
        panels.mark_outside(axes, means.C, means["mean"])
    axes.legend(loc="upper left")


def with_bars(axes: Axes, table: pd.DataFrame, column: str, **look: Any) -> None:
    """Draw a column against C: its mean over seeds, with the 95 % interval as a bar."""
    means = with_bands(table, column, ["C"])
    bars = means[["low", "high"]].sub(means["mean"], axis=0).abs().fillna(0).T.to_numpy()
    axes.errorbar(means.C, means["mean"], bars, fmt="o", elinewidth=0.7, **look)
