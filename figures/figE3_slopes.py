"""Figure E3: measured against predicted growth, for both theories and both state precisions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from adamct.analysis.growth import (
    CLEARLY_UNSTABLE,
    Theory,
    rate_errors,
    slope_error,
    slope_step,
    slope_table,
)
from adamct.analysis.statistics import with_interval
from adamct.plotting.panels import mark_outside
from adamct.plotting.style import EXACT, PAPER, TEXT_WIDTH, plain_numbers
from adamct.records import Records
from adamct.theory.slopes import RATE_TOLERANCE

READS = ("max_update_normal_curve", "max_update_float64")
CAPTION = """
Both theories against the growth rates of Figure 3 in B₋, with float32 (circles) and float64
(squares) optimizer state. Open markers compare with ln of the paper's Eq. (5), filled ones with ln
Dₙ, each by the same finite difference at the same step, so that the bias correction counts in
both. (a) Measured against predicted slope. (b) The median relative error with its 95 % bootstrap
interval. (c, d) The relative error of each point against C; points in the grey band grow at
the predicted rate, and those far from it were falling back at this very step.
"""
ALT = (
    "Four panels: measured against predicted slopes around a diagonal, median relative errors "
    "with intervals for two theories and two precisions, and the relative errors against C for "
    "either precision."
)

# Theory → its name, and the look of its markers: open for the paper's, filled for the exact.
THEORIES: dict[Theory, tuple[str, dict[str, Any]]] = {
    "paper": ("Eq. (5), the paper", {"edgecolors": PAPER["color"], "facecolors": "none"}),
    "exact": ("$D_n$, exact", {"facecolors": EXACT["color"], "linewidths": 0}),
}
STATES = {"float32": "o", "float64": "s"}
NOTE: dict[str, Any] = {"ha": "right", "fontsize": 7, "color": "#555555"}


def draw(records: Records) -> Figure:
    """Draw (a) the parity, (b) the median relative error, (c, d) the relative errors."""
    at = slope_step(records.runs.n_steps.min())
    slopes = {state: measured(records, state, at) for state in STATES}
    figure = Figure(figsize=(TEXT_WIDTH, 5.6))
    (measured_against_predicted, medians), below = figure.subplots(2, 2)
    parity(measured_against_predicted, slopes, at)
    median_errors(medians, slopes)
    for axes, letter, (state, table) in zip(below, "cd", slopes.items(), strict=True):
        relative_errors(axes, table, STATES[state])
        axes.set_title(f"({letter}) relative error, {state} state")
    handles, _ = measured_against_predicted.get_legend_handles_labels()
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def measured(records: Records, state: str, at: int) -> pd.DataFrame:
    """Return the slopes in B₋, measured and predicted, one row a run."""
    runs = records.runs
    return slope_table(records.where(runs[(runs.C < 0) & (runs.state_dtype == state)]), at)


def parity(axes: Axes, slopes: dict[str, pd.DataFrame], at: int) -> None:
    """Draw the measured slope against either prediction."""
    top = max(float(table[theory].max()) for table in slopes.values() for theory in THEORIES)
    axes.set(xlim=(0, 1.06 * top), ylim=(-0.3 * top, 1.06 * top))
    axes.plot([0, top], [0, top], color="0.75", linewidth=0.8, zorder=0)
    for state, table in slopes.items():
        for theory, (name, look) in THEORIES.items():
            marks: dict[str, Any] = {"marker": STATES[state], "label": f"{name}, {state}", **look}
            axes.scatter(table[theory], table.slope, s=13, **marks)
        mark_outside(axes, table.exact, table.slope)
    axes.set(xlabel="predicted slope", ylabel=rf"slope of $\ln\|u_n\|_\infty$ at $n={at}$")
    axes.set_title("(a) parity")


def relative_errors(axes: Axes, table: pd.DataFrame, marker: str) -> None:
    """Draw measured over predicted, less 1, against C, with the band of the predicted rate."""
    axes.axhline(0, color="0.75", linewidth=0.8, zorder=0)
    axes.axhspan(-RATE_TOLERANCE, RATE_TOLERANCE, color="0.94", zorder=-1)
    for theory, (_, look) in THEORIES.items():
        error = slope_error(table, theory)
        axes.scatter(table.C, error, s=13, marker=marker, clip_on=False, **look)
    axes.set_yscale("symlog", linthresh=1e-5, linscale=0.5)
    axes.yaxis.set_major_locator(FixedLocator([-10, -0.1, -1e-3, 0, 1e-3, 0.1, 10]))
    axes.yaxis.set_major_formatter(plain_numbers())
    axes.locator_params(axis="x", nbins=6)
    axes.set(ylim=(-300, 300), xlabel=r"$C(\beta,\gamma)$", ylabel="measured / predicted − 1")
    band = f"predicted rate: within ±{100 * RATE_TOLERANCE:g} %"
    axes.annotate(band, (0.99, 0.6), xycoords="axes fraction", **NOTE)
    axes.annotate("not at the predicted rate", (0.99, 0.04), xycoords="axes fraction", **NOTE)


def median_errors(axes: Axes, slopes: dict[str, pd.DataFrame]) -> None:
    """Draw the median of the absolute relative error with its bootstrap interval."""
    rows = [(theory, state) for theory in THEORIES for state in STATES]
    for row, (theory, state) in enumerate(rows):
        errors = rate_errors(slopes[state], theory)
        errors = errors[~np.isnan(errors)]
        if errors.size == 0:
            continue
        median, interval = with_interval(errors)
        axes.plot(interval, [row, row], color=EXACT["color"], linewidth=1)
        axes.scatter(median, row, s=20, marker=STATES[state], zorder=3, **THEORIES[theory][1])
        place: dict[str, Any] = {"textcoords": "offset points", "ha": "center"}
        axes.annotate(f"{median:.2g}", (median, row), (0, 7), **place)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [f"{THEORIES[theory][0]}\n{state}" for theory, state in rows])
    axes.set(ylim=(len(rows) - 0.5, -0.5), xlabel="median relative error, 95 % interval")
    axes.set_title(f"(b) median error, points with $C<{CLEARLY_UNSTABLE}$")
