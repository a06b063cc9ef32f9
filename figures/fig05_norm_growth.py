"""Figure 5: ‖W‖² of query and key matrices under qk-norm, against Eq. (8) and its correction."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from adamct.analysis.norms import norm_predictions
from adamct.plotting.style import TEXT_WIDTH
from adamct.records import Records

READS = ("norm_growth",)
CAPTION = """
Squared norm of sixteen query and key matrices drawn at random (one per head), under qk-norm, which
makes the loss blind to their length, at (β, γ) = (0.999, 0.9), η = 10⁻³, without weight decay or
dropout. Solid blue is measured, dashed orange is Theorem 2's Eq. (8), dotted grey is Eq. (8) with
the factor (1+γ)/(1−γ) before its integral, and thin black is the recursion of ⟨W, m⟩ with the mean
of v. The band runs from the factor that constant gradients would give, 1 + 2ℓₙ (ℓₙ is the mean age
of the gradients in m), to the stationary one.
"""
ALT = (
    "A grid of sixteen panels, one per matrix: the measured squared norm against the step, with "
    "curves of Eq. (8), its corrected form and the recursion."
)

FACTOR = r"$\frac{1+\gamma}{1-\gamma}$"
LOOKS: dict[str, dict[str, Any]] = {
    "measured": {"color": "C0", "ls": "-", "lw": 1.4, "label": "measured"},
    "printed": {"color": "C1", "ls": "--", "lw": 1.1, "label": "Eq. (8)"},
    "corrected": {"color": "0.35", "ls": ":", "lw": 1.2, "label": f"Eq. (8) with {FACTOR}"},
    "recursion": {"color": "#1b1b1b", "ls": "-", "lw": 0.6, "label": "recursion"},
}
BAND: dict[str, Any] = {"color": "0.35", "alpha": 0.15, "linewidth": 0}


def draw(records: Records) -> Figure:
    """Draw ‖W_n‖² of 16 random matrices, a panel each, for Adam at γ = 0.9 without decay."""
    own = records.of(READS[0])
    runs = own.runs
    adam = (runs.query_key_second_moment == "elementwise") & (runs.gamma == 0.9)
    run = next(runs[adam & (runs.weight_decay == 0)].itertuples())
    laws = norm_predictions(own, run)
    n = np.arange(len(laws.measured))
    heads = laws.measured.shape[1]
    chosen = sorted(np.random.default_rng(0).permutation(heads)[:16])
    rows = -(-len(chosen) // 4)
    figure = Figure(figsize=(TEXT_WIDTH, 1.35 * rows + 0.6))
    grid = figure.subplots(rows, 4, sharex=True, sharey=True)
    for axes, head in zip(np.ravel(grid), chosen, strict=True):
        axes.fill_between(n, laws.early[:, head], laws.corrected[:, head], **BAND)
        for law, look in LOOKS.items():
            axes.plot(n, getattr(laws, law)[:, head], **look)
        axes.set_title(f"matrix {head + 1}", loc="center", fontsize=7.5, pad=2)
    for axes in np.atleast_2d(grid)[-1]:
        axes.set_xlabel("step $n$")
    for row in np.atleast_2d(grid):
        row[0].set_ylabel(r"$\|W\|^2$")
    handles: list[Artist] = [Line2D([], [], **look) for look in LOOKS.values()]
    handles.append(Patch(label=rf"$1+2\ell_n$ to {FACTOR}", **BAND))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure
