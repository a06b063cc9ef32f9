"""Figure E2: growth of ‖W‖² over Eq. (8)'s, against γ: the factor that Theorem 2 misses."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from adamct.claims.norm import laws_of
from adamct.plotting.style import EXACT, PAPER, TEXT_WIDTH
from adamct.records import Records
from adamct.theory import memory_factor

READS = ("norm_growth",)

KINDS = {"elementwise": ("$v$ elementwise (Adam)", "C1"), "tensor_mean": ("coarse-grained", "C0")}


def draw(records: Records) -> Figure:
    """Draw the ratio of every head at the last step, with (1+γ)/(1−γ) and 1 + 2ℓ_N."""
    own = records.of(READS[0])
    figure = Figure(figsize=(0.62 * TEXT_WIDTH, 3.4))
    axes = figure.subplots()
    gamma = np.linspace(0, max(0.96, own.runs.gamma.max()), 300)
    n_steps = int(own.runs.n_steps.min())
    axes.axhline(1.0, label="Eq. (8)", **PAPER)
    axes.plot(gamma, memory_factor(gamma), label=r"$(1+\gamma)/(1-\gamma)$", **EXACT)
    for kind, (label, colour) in KINDS.items():
        shift = -0.004 if kind == "elementwise" else 0.004
        for position, run in enumerate(
            own.runs[own.runs.query_key_second_moment == kind].itertuples()
        ):
            ratio = laws_of(own, run).ratio("printed")[-1]
            axes.scatter(
                np.full(len(ratio), run.gamma + shift),
                ratio,
                s=6,
                alpha=0.5,
                linewidths=0,
                color=colour,
                label=label if position == 0 else None,
            )
    axes.set(
        yscale="log",
        xlabel=r"$\gamma$",
        ylabel=rf"growth of $\|W\|^2$ over Eq. (8)'s at $n={n_steps}$",
    )
    axes.legend()
    return figure
