"""Figure 11: Figure 3(a) for the points in B₊ alone, where both theories bound the max-update."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adamct.analysis.statistics import with_bands
from adamct.analysis.violations import log_excess
from adamct.plotting import panels
from adamct.plotting.style import EXACT, PAPER, TEXT_WIDTH, colourbar, colours_by, plain_log
from adamct.records import Records
from adamct.theory import discrete_max_update_bound, max_update_bound

READS = ("max_update_normal_curve",)
CAPTION = """
The points of Figure 3 in B₊, C > 0, where both theories bound the max-update for all time. (a) The
max-update of the two outermost points and the middle one, a mean over seeds with its 95 %
interval as a band (with fewer than three seeds, the mean alone), coloured by C, with Eq. (5)
(dotted) and the exact bound Dₙ (dashed). (b) The max-update over Eq. (5) at every point, a mean
over seeds: above 1 the bound would be broken; half of it is what is called tight. The setting is
that of Figure 3: the normal curve through (0.999, 0.9), a constant η = 10⁻³, no weight decay.
"""
ALT = (
    "Left: max-update against the step for three points of the stable region, below dotted and "
    "dashed curves of the two bounds. Right: the max-update over the paper's bound for all "
    "points, between 0.3 and 1."
)
N_SHOWN = 3
FROM = 10  # steps: before, the bounds of points near C = 0 lie far above all else


def draw(records: Records) -> Figure:
    """Draw (a) ‖u_n‖∞ against n for C > 0 with Eq. (5) and D_n, (b) ‖u_n‖∞ over Eq. (5)."""
    figure = Figure(figsize=(TEXT_WIDTH, 3.4))
    updates, ratios = figure.subplots(1, 2)
    own = records.of(READS[0])
    stable = own.where(own.runs[own.runs.C > 0])
    runs = stable.runs
    pairs = runs.drop_duplicates("C").sort_values("C")
    some = pairs.iloc[np.unique(np.linspace(0, len(pairs) - 1, N_SHOWN).astype(int))]
    max_updates(updates, stable, some)
    over_eq5(ratios, stable)
    for axes in (updates, ratios):
        axes.set(xlabel="$n+1$", xscale="log", yscale="log", xlim=(FROM, runs.n_steps.max()))
        plain_log(axes.xaxis, axes.yaxis)
    updates.set_title("(a) max-update in $\\mathcal{B}_+$ and its bounds")
    ratios.set_title("(b) max-update over Eq. (5)")
    colourbar(figure, ratios, "C", runs)
    return figure


def max_updates(axes: Axes, records: Records, pairs: pd.DataFrame) -> None:
    """Draw ‖u_n‖∞ of some pairs, over seeds, with both bounds."""
    colours = colours_by("C", records.runs)
    n = np.arange(FROM, records.runs.n_steps.max())
    each = records.scalars.merge(records.runs[["run_id", "C"]])
    bands = with_bands(each[each.C.isin(pairs.C)], "max_update", ["C", "n"])
    each_pair: Iterable[Any] = pairs.itertuples()
    for pair in each_pair:
        colour = colours.to_rgba(pair.C)
        for bound, look in ((max_update_bound, PAPER), (discrete_max_update_bound, EXACT)):
            axes.plot(n + 1, bound(n, pair.beta, pair.gamma), **{**look, "color": colour})
        own = bands[bands.C == pair.C]
        axes.plot(own.n + 1, own["mean"], color=colour, linewidth=0.8)
        axes.fill_between(own.n + 1, own.low, own.high, color=colour, alpha=0.25, linewidth=0)
    shown = bands[bands.n >= FROM]
    axes.set_ylim(0.7 * shown["mean"].min(), 1.1 * discrete_top(pairs))
    panels.label_bounds(axes, "Eq. (5), the paper's bound")


def discrete_top(pairs: pd.DataFrame) -> float:
    """Return the largest D_n of some pairs from the first step that is shown."""
    n = np.arange(FROM, 2000)[:, None]
    return float(
        np.max(discrete_max_update_bound(n, pairs.beta.to_numpy(), pairs.gamma.to_numpy()))
    )


def over_eq5(axes: Axes, records: Records) -> None:
    """Draw ‖u_n‖∞ over Eq. (5) of every pair, a mean over seeds; above 1 the bound is broken."""
    colours = colours_by("C", records.runs)
    excess = log_excess(records, max_update_bound).merge(records.runs[["run_id", "C"]])
    means = excess.assign(ratio=np.exp(excess.excess)).groupby(["C", "n"]).ratio.mean()
    for C, ratio in means.groupby(level="C"):
        n = ratio.index.get_level_values("n")
        axes.plot(n + 1, ratio, color=colours.to_rgba(C), linewidth=0.8)
    axes.axhspan(1, 1.3, color="#f7e3df", zorder=0)
    axes.axhline(0.5, color="0.75", linewidth=0.8, zorder=0)
    axes.set(ylim=(0.2, 1.3), ylabel="ratio")
