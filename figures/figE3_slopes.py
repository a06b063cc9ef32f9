"""Figure E3: the growth of Figure 3 in float64 and in a CNN, against both theories."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adamct.analysis.growth import (
    Theory,
    late_steps,
    net_growth,
    slope_ratio,
    slope_table,
)
from adamct.analysis.statistics import with_bands
from adamct.plotting.panels import mark_outside
from adamct.plotting.style import EXACT, LABELS, PAPER, TEXT_WIDTH
from adamct.records import Records

READS = ("max_update_normal_curve", "max_update_float64", "max_update_cnn")
CAPTION = """
The growth of the max-update in B₋ over what the theories predict: in Figure 3's setting, with
float64 optimizer state, and in a CNN on images. (a, b, c) The median 10-step slope of ln ‖uₙ‖∞ over
n = 500 to 1000, over the median of the same differences of ln of the paper's Eq. (5) (open) and of
ln Dₙ (filled), so that the bias correction counts in both; triangles lie beyond the axis. Shaded is
within 1 %. (d) The median over the points: of these slopes, and of the net change of ln ‖uₙ‖∞ from
n ≈ 480 to 980 over that of ln Dₙ (crosses), which is negative where the max-update falls back more
often than it grows. Bars are 95 % intervals over three seeds or more. The CNN has units that never
fire, whose parameters get no gradient: their growth is never reset.
"""
ALT = (
    "Three panels of measured over predicted slope against C, for two theories, close to 1 for the "
    "exact one; below, the medians of three settings with intervals, and the net growth."
)

# Theory → its name, and the look of its markers: open for the paper's, filled for the exact.
THEORIES: dict[Theory, tuple[str, dict[str, Any]]] = {
    "paper": ("slope over that of Eq. (5)", {"color": PAPER["color"], "mfc": "white"}),
    "exact": ("slope over that of $D_n$", {"color": EXACT["color"]}),
}
NET: dict[str, Any] = {"fmt": "x", "color": "#c849a9", "elinewidth": 0.7, "label": "net change"}
SETTINGS = dict(zip(READS, ("GPT, float32", "GPT, float64", "CNN, float64"), strict=True))


def draw(records: Records) -> Figure:
    """Draw (a, b, c) the ratios of the slopes against C, (d) their medians and the net growth."""
    figure = Figure(figsize=(TEXT_WIDTH, 4.6))
    halves: Any = figure.subfigures(2, 1, height_ratios=(1.25, 1))
    upper, lower = halves
    ratios = upper.subplots(1, 3, sharey=True)
    medians = lower.subplots()
    medians.axvline(0, color="0.85", linewidth=0.8, zorder=0)
    medians.axvspan(0.8, 1.25, color="0.96", zorder=-2)
    medians.axvspan(0.99, 1.01, color="0.85", zorder=-1)
    for row, (axes, letter, (experiment, setting)) in enumerate(
        zip(ratios, "abc", SETTINGS.items(), strict=True)
    ):
        own = records.of(experiment)
        own = own.where(own.runs[own.runs.C < 0])
        table = slope_table(own, late_steps(own.runs.n_recorded.min()))
        against_C(axes, table)
        axes.set_title(f"({letter}) {setting}")
        median_of_points(medians, table, net_growth(own), row)
    ratios[0].set_ylabel("measured / predicted slope")
    medians.set_yticks(range(len(SETTINGS)), SETTINGS.values())
    medians.set(ylim=(len(SETTINGS) - 0.5, -0.5), xlabel="measured / predicted")
    medians.set_title("(d) median over the points")
    handles, labels = medians.get_legend_handles_labels()
    lower.legend(handles[:3], labels[:3], loc="outside lower center", ncols=3)
    return figure


def against_C(axes: Axes, table: pd.DataFrame) -> None:
    """Draw measured over predicted slope against C, over seeds."""
    axes.axhspan(0.99, 1.01, color="0.85", zorder=-1)
    axes.set(ylim=(0.8, 1.2), xlabel=LABELS["C"])
    axes.locator_params(axis="x", nbins=4)
    for theory, (_, look) in THEORIES.items():
        ratio = table.assign(ratio=slope_ratio(table, theory))
        means = with_bands(ratio, "ratio", ["C"])
        axes.errorbar(means.C, means["mean"], bars(means), fmt="o", elinewidth=0.7, **look)
        mark_outside(axes, means.C, means["mean"])


def median_of_points(axes: Axes, table: pd.DataFrame, net: pd.DataFrame, row: int) -> None:
    """Draw the medians over the points of a setting, a mean over seeds, in one row."""
    measured = {theory: table.assign(ratio=slope_ratio(table, theory)) for theory in THEORIES} | {
        "net": net.assign(ratio=net.measured / net.exact)
    }
    for offset, (name, each) in zip((-0.15, 0.0, 0.15), measured.items(), strict=True):
        by_seed = each.groupby("seed", as_index=False).ratio.median().assign(all=0)
        means = with_bands(by_seed, "ratio", ["all"])
        look = NET
        if name in THEORIES:
            label, marks = THEORIES[name]
            look = {"fmt": "o", "elinewidth": 0.7, "label": label, **marks}
        axes.errorbar(means["mean"], [row + offset], xerr=bars(means), **look)


def bars(means: pd.DataFrame) -> Any:
    """Return the two lengths of error bars, 0 where there is no interval."""
    return means[["low", "high"]].sub(means["mean"], axis=0).abs().fillna(0).T.to_numpy()
