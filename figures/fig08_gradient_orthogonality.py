"""Figure 8: query and key matrices at the end of training against all earlier gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from adamct.analysis.directions import final_products
from adamct.plotting.style import TEXT_WIDTH
from adamct.records import Records

READS = ("gradient_orthogonality",)
CAPTION = """
The weights W_N of each query and key matrix at the end of training against the gradients of all
earlier steps, at (β, γ) = (0.999, 0.9), η = 10⁻³, without dropout; (a) with qk-norm, (b) without.
Above, the size of the inner product against the step; below, its cosine against the number of
steps that are left, since gradients change in size. Thin blue lines are single matrices, black is
their median. Assumption 1 needs the product to be negligible for as many steps before the end as
the first-moment average remembers.
"""
ALT = (
    "Four panels, with qk-norm on the left and without on the right: inner products of final "
    "weights and earlier gradients against the step, and their cosines against the steps left, "
    "on logarithmic vertical axes."
)

MATRIX: dict[str, Any] = {"color": "C0", "linewidth": 0.3, "alpha": 0.3}
MEDIAN: dict[str, Any] = {"color": "#1b1b1b", "linewidth": 0.8}


def draw(records: Records) -> Figure:
    """Draw, with and without qk-norm, abs⟨W_N, g_n⟩ against n, and its cosine against N − n."""
    own = records.of(READS[0])
    figure = Figure(figsize=(TEXT_WIDTH, 4.8))
    grid = figure.subplots(2, 2, sharex="row", sharey="row")
    for column, (qk_norm, title) in enumerate(((True, "(a) with qk-norm"), (False, "(b) without"))):
        run_id = own.runs.run_id[own.runs.qk_norm == qk_norm].iloc[0]
        n, products, cosines = final_products(own, run_id)
        for row, (x, values) in enumerate(((n, products), (len(n) - n, cosines))):
            grid[row][column].plot(x, values, rasterized=True, **MATRIX)
            grid[row][column].plot(x, np.median(values, axis=1), **MEDIAN)
        grid[0][column].set(title=title, xlabel="step $n$")
        grid[1][column].set(xlabel="steps before the end, $N-n$")
    for row, label in zip(grid, (r"|\langle W_N, g_n\rangle|", r"|\cos(W_N, g_n)|"), strict=True):
        row[0].set(ylabel=f"${label}$", yscale="log", ylim=_limits(row))
    grid[1][0].set(xscale="log")
    grid[1][0].invert_xaxis()
    handles = [
        Line2D([], [], label="a query or key matrix", **MATRIX),
        Line2D([], [], label="median", **MEDIAN),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _limits(row: np.ndarray) -> tuple[float, float]:
    """Leave out the few products that are 0 by chance."""
    values = np.concatenate([line.get_ydata() for axes in row for line in axes.lines])
    positive = values[values > 0]
    return float(np.quantile(positive, 0.005)), float(2 * positive.max())
