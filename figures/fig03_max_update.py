"""Figure 3: the max-update against both bounds, and its growth rate against both theories."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adamct.analysis.growth import CLEARLY_UNSTABLE, slope_step, slope_table
from adamct.plotting import panels
from adamct.plotting.style import EXACT, LABELS, PAPER, colours_by
from adamct.records import Records

READS = ("max_update_normal_curve",)
CAPTION = f"""
The largest component of Adam's update along the normal curve through (0.999, 0.9), from just inside
γ < 1 to well inside B₊, at a constant η = 10⁻³ without weight decay. (a) The max-update at every
step, coloured by C, before the paper's bound, Eq. (5) (dotted), and the exact bound Dₙ (dashed),
which are drawn for every fourth point. (b) Its growth rate, the slope of ln ‖uₙ‖∞ at one late step,
against C: dotted is the paper's |C|/2, dashed the slope of ln Dₙ. Triangles mark slopes outside the
axis; at the lower end the max-update was just falling back. The verdicts' median error is over the
points with C < −{-CLEARLY_UNSTABLE:g} alone: a max-update that has just fallen back grows at no
such rate, and nearer to C = 0 it falls back before it has grown. (c) Where the points lie; on
these axes C = 0 (dotted) all but coincides with γ² = β (dashed).
"""
ALT = (
    "Top: max-update against the step on a logarithmic axis, red curves rising exponentially "
    "where C is negative and blue ones where it is positive, each below its bounds. Bottom: "
    "growth rate against C, and the points in the (β, γ) plane."
)


def draw(records: Records) -> Figure:
    """Draw (a) ‖u_n‖∞ against n, (b) its slope at n = 1000 against C, (c) the points."""
    own = records.of(READS[0])
    figure, (curves, slopes, chosen) = panels.one_above_two()
    panels.max_update_curves(curves, own)
    curves.set_title("(a) max-update and its bounds")
    slopes_against_C(slopes, own, at=slope_step(own.runs.n_steps.min()))
    slopes.set_title("(b) growth rate")
    panels.pairs(chosen, own)
    chosen.set_title("(c) the points")
    return figure


def slopes_against_C(axes: Axes, records: Records, *, at: int) -> None:
    """Draw the slope of ln ‖u_n‖∞ at one step against C, with the slopes of both theories."""
    runs = records.runs.sort_values("C")
    colours = colours_by("C", runs)
    table = slope_table(records.where(runs), at)
    C, slopes, exact = (table[name].to_numpy() for name in ("C", "slope", "exact"))
    axes.axvline(0, color="0.85", linewidth=0.8, zorder=0)
    line = np.array([C.min(), 0, C.max()])
    axes.plot(line, np.maximum(0, -line / 2), label=r"$|C|/2$ (paper)", **PAPER)
    axes.plot(C, exact, label=r"slope of $\ln D_n$ (exact)", **EXACT)
    axes.scatter(C, slopes, c=colours.to_rgba(C), s=11, zorder=3, label="measured")
    span = float(np.nanmax(exact)) or 1e-3
    axes.set(xlabel=LABELS["C"], ylim=(-0.6 * span, 1.45 * span))
    axes.set_ylabel(rf"slope $\mathrm{{d}}\ln\|u_n\|_\infty/\mathrm{{d}}n$ at $n={at}$")
    panels.mark_outside(axes, C, slopes)
    axes.legend(loc="upper right")
