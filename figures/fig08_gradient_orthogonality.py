"""Figure 8: query and key matrices at the end of training against all earlier gradients."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adamct.analysis.directions import final_products
from adamct.analysis.norms import dropped_over_kept
from adamct.plotting.panels import one_above_two
from adamct.records import Records
from adamct.theory import memory_factor

READS = ("gradient_orthogonality", "norm_growth")
CAPTION = """
Query and key matrices (one per head) at the end of training against the gradients of all earlier
steps, with and without qk-norm, at (β, γ) = (0.999, 0.9), η = 10⁻³, without dropout. Lines are
medians, bands run from the tenth to the ninetieth percentile, over the heads of all seeds and,
in windows, over steps. (a) The size of the inner product of the last weights and the gradient of
step n. (b) Its cosine, since gradients change in size, against the number of steps that are left.
(c) What this leaves out of Theorem 2, in runs from the start: −2⟨W, u⟩, which Assumption 1
neglects, over η‖u‖², which the theorem keeps. It would be 0 (dashed); what the first-moment average
remembers makes it 2γ/(1−γ) (dotted).
"""
ALT = (
    "Three panels of bands around median curves: inner products of final weights and earlier "
    "gradients against the step, and their cosines against the steps left, with and without "
    "qk-norm on logarithmic axes; and a ratio that lies near 18 instead of at 0."
)

KINDS = {True: ("with qk-norm", "C0"), False: ("without", "C1")}
WINDOW = 20  # steps, of (a) and (c)
PERCENTILES = (10, 50, 90)


def draw(records: Records) -> Figure:
    """Draw abs⟨W_N, g_n⟩ against n, its cosine against N − n, and dropped over kept."""
    ends, starts = records.of(READS[0]), records.of(READS[1])
    figure, (products, cosines, ratio) = one_above_two()
    for qk_norm, (label, colour) in KINDS.items():
        n, inner, cosine = final_products(ends, qk_norm=qk_norm)
        _band(products, n, inner, _even(len(n)), color=colour, label=label)
        left = len(n) - n[::-1]
        _band(cosines, left, cosine[::-1], _geometric(len(n)), color=colour, label=label)
    products.set(title="(a) inner product", xlabel="step $n$", yscale="log")
    products.set_ylabel(r"$|\langle W_N, g_n\rangle|$")
    products.legend(loc="lower left")
    cosines.set(
        title="(b) cosine", xlabel="steps before the end, $N-n$", xscale="log", yscale="log"
    )
    cosines.set_ylabel(r"$|\cos(W_N, g_n)|$")
    cosines.invert_xaxis()
    runs = starts.runs[(starts.runs.gamma == 0.9) & (starts.runs.weight_decay == 0)]
    adam = runs[runs.query_key_second_moment == "elementwise"].itertuples()
    values = np.concatenate([dropped_over_kept(starts, run) for run in adam], axis=1)
    n = np.arange(len(values))
    _band(ratio, n, values, _even(len(n)), color="C0")
    ratio.axhline(0, color="0.35", linestyle="--", label="Assumption 1")
    ratio.axhline(
        memory_factor(0.9) - 1, color="0.35", linestyle=":", label=r"$2\gamma/(1-\gamma)$"
    )
    ratio.set(title="(c) dropped over kept", xlabel="step $n$")
    ratio.set_ylabel(r"$-2\langle W, u\rangle \,/\, \eta\|u\|^2$")
    ratio.legend(loc="upper right")
    return figure


def _even(n_steps: int) -> np.ndarray:
    """Return where windows of steps begin, and the end of the last."""
    return np.unique(np.append(np.arange(0, n_steps, min(WINDOW, n_steps // 4)), n_steps))


def _geometric(n_steps: int) -> np.ndarray:
    """Return where windows begin that grow in proportion to the steps, and the end of the last."""
    return np.unique(np.append(np.geomspace(1, n_steps, 25).astype(int) - 1, n_steps))


def _band(axes: Axes, x: np.ndarray, values: np.ndarray, edges: np.ndarray, **look: Any) -> None:
    """Draw percentiles of values (steps, heads) in windows of the steps."""
    windows = [slice(*ends) for ends in pairwise(edges)]
    low, middle, high = np.transpose([np.percentile(values[own], PERCENTILES) for own in windows])
    at = [x[own].mean() for own in windows]
    axes.plot(at, middle, **look)
    axes.fill_between(at, low, high, color=look["color"], alpha=0.15, linewidth=0)
