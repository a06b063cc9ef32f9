"""Figure 5: ‖W‖² of query and key matrices under qk-norm, against Eq. (8) and its correction."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from adamct.analysis.norms import all_norm_predictions, growth_ratio
from adamct.plotting.seed_bands import over_seeds
from adamct.plotting.style import TEXT_WIDTH, plain_log
from adamct.records import Records
from adamct.theory import NormLaws, memory_factor

READS = ("norm_growth",)
CAPTION = """
Squared norm of query and key matrices (one per head) under qk-norm, which makes the loss blind to
their length, at (β, γ) = (0.999, 0.9), η = 10⁻³ and λ = 0, without dropout. (a) Four matrices drawn
at random, of one seed, over the paper's 100 steps: measured; Theorem 2's Eq. (8); Eq. (8) with the
factor (1+γ)/(1−γ) before its integral; and the recursion of ⟨W, m⟩ with the mean of v. The band
runs from the factor that constant gradients would give, 1 + 2ℓₙ (ℓₙ is the mean age of the
gradients in m), to the stationary one. (b) Growth of ‖W‖² in windows of 10 steps over that of
Eq. (8): medians over the heads, means over seeds with 95 % intervals. (c) Growth up to n over that
of two laws that are exact where v is coarse-grained: the recursion, and Eq. (8) at γ = 0; and the
recursion for Adam's own v, from the smallest to the largest of all heads and seeds.
"""
ALT = (
    "Four panels of the measured squared norm of a matrix against the step, with curves of Eq. "
    "(8), its corrected form and the recursion. Below, ratios of measured to predicted growth "
    "against the step, with levels for Eq. (8) and its correction."
)

FACTOR = r"$\frac{1+\gamma}{1-\gamma}$"
LOOKS: dict[str, dict[str, Any]] = {
    "measured": {"color": "C0", "ls": "-", "lw": 1.4, "label": "measured"},
    "printed": {"color": "C1", "ls": "--", "lw": 1.1, "label": "Eq. (8)"},
    "corrected": {"color": "0.35", "ls": ":", "lw": 1.2, "label": f"Eq. (8) with {FACTOR}"},
    "recursion": {"color": "#1b1b1b", "ls": "-", "lw": 0.6, "label": "recursion"},
}
BAND: dict[str, Any] = {"color": "0.35", "alpha": 0.15, "linewidth": 0}
PAPERS_STEPS = 100
WINDOW = 10
SMALLEST = 5  # steps of growth, below which single gradients make it


def draw(records: Records) -> Figure:
    """Draw (a) ‖W_n‖² of four matrices, (b) growth over Eq. (8)'s, (c) over exact laws."""
    own = records.of(READS[0])
    own = own.where(own.runs[own.runs.weight_decay == 0].sort_values("seed"))
    adam = all_norm_predictions(own, query_key_second_moment="elementwise", gamma=0.9)
    figure = Figure(figsize=(TEXT_WIDTH, 4.6))
    axes = figure.subplot_mosaic("abcd;eeff", height_ratios=(1, 1.25))
    matrices = [axes[name] for name in "abcd"]
    _draw_matrices(matrices, adam[0])
    _draw_windows(axes["e"], adam)
    _draw_exact_laws(axes["f"], own, adam)
    handles = [*matrices[0].get_lines(), Patch(label=rf"$1+2\ell_n$ to {FACTOR}", **BAND)]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _draw_matrices(panels: list[Axes], laws: NormLaws) -> None:
    heads = laws.measured.shape[1]
    chosen = sorted(np.random.default_rng(0).permutation(heads)[: len(panels)])
    stop = min(PAPERS_STEPS + 1, len(laws.measured))
    n = np.arange(stop)
    for axes, head in zip(panels, chosen, strict=True):
        axes.fill_between(n, laws.early[:stop, head], laws.corrected[:stop, head], **BAND)
        for law, look in LOOKS.items():
            axes.plot(n, getattr(laws, law)[:stop, head], **look)
        axes.set_title(f"matrix {head + 1}", loc="center", fontsize=7.5)
        axes.set_xlabel("step $n$")
        axes.sharey(panels[0])
        axes.tick_params(labelleft=axes is panels[0])
    panels[0].set_title("(a)", loc="left")
    panels[0].set_ylabel(r"$\|W\|^2$")


def _draw_windows(axes: Axes, found: list[NormLaws]) -> None:
    """Draw growth over Eq. (8)'s in windows, with what the laws say of it."""
    starts = range(0, len(found[0].measured) - WINDOW, WINDOW)
    ratios = [
        [np.median(growth_ratio(laws, "printed", n, n + WINDOW)) for laws in found] for n in starts
    ]
    middle = np.array(starts) + WINDOW / 2
    over_seeds(axes, middle, np.array(ratios), color="C0", linewidth=1.4)
    n = np.arange(len(found[0].measured))
    axes.axhline(1, **LOOKS["printed"])
    axes.axhline(memory_factor(0.9), **LOOKS["corrected"])
    axes.plot(n, memory_factor(0.9, n), color="0.35", linewidth=0.8)
    axes.annotate(
        r"$1+2\ell_n$", (12, memory_factor(0.9, 12)), xytext=(6, -8), textcoords="offset points"
    )
    axes.set(yscale="log", xlabel="step $n$", title="(b) in windows of 10 steps")
    axes.set_ylabel(r"growth of $\|W\|^2$ over Eq. (8)'s")
    plain_log(axes.yaxis)


def _draw_exact_laws(axes: Axes, records: Records, adam: list[NormLaws]) -> None:
    coarse: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
        "recursion, coarse-grained": ("recursion", {"gamma": 0.9}, {"color": "#1b1b1b"}),
        r"Eq. (8), coarse-grained, $\gamma=0$": (
            "printed", {"gamma": 0.0}, {"color": "C1", "linestyle": "--"},
        ),
    }  # fmt: skip
    ratios = np.concatenate([laws.ratio("recursion") for laws in adam], axis=1)[SMALLEST - 1 :]
    n = np.arange(SMALLEST, SMALLEST + len(ratios))
    axes.fill_between(n, ratios.min(axis=1), ratios.max(axis=1), color="C0", alpha=0.2, linewidth=0)
    axes.plot(n, np.median(ratios, axis=1), color="C0", label="recursion, Adam's own $v$")
    for label, (law, columns, look) in coarse.items():
        found = all_norm_predictions(records, query_key_second_moment="tensor_mean", **columns)
        ratio = np.concatenate([laws.ratio(law) for laws in found], axis=1)[SMALLEST - 1 :]
        axes.plot(n, np.median(ratio, axis=1), label=label, **look)
    axes.set(xlabel="step $n$", ylabel="growth over the law's", title="(c) over exact laws")
    axes.legend(loc="lower right")
