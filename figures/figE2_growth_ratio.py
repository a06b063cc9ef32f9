"""Figure E2: growth of ‖W‖² over Eq. (8)'s, against γ, and what it means for the direction."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adamct.analysis.directions import (
    CORRECTED,
    FIXED,
    PRINTED,
    WINDOW,
    angles_to_adam,
    by_kind,
    speed_ratio,
)
from adamct.analysis.norms import norm_and_average, norm_predictions
from adamct.plotting.style import EXACT, PAPER, TEXT_WIDTH
from adamct.records import Records
from adamct.theory import memory_factor

READS = ("norm_growth", "norm_equilibrium", "direction")
CAPTION = """
What Theorem 2 leaves out. (a) Growth of ‖W‖² of every query and key matrix over the growth that
Eq. (8) gives, at the last step, against γ: with Adam's own v, and with v coarse-grained as the
theorem assumes. Dotted is Eq. (8) itself, dashed is (1+γ)/(1−γ), the memory of the first-moment
average. (b) With a strong weight decay, once it has erased the start: ‖W‖² over the moving average
of ‖u‖² that Section 4.2 reads it as, in the median over matrices, for two values of γ; dashed is
the same factor. (c) How fast a matrix's direction turns under Adam, over its speed under what
Section 4.2 puts in the place of the normalization: 2-Adam with γ₂ = 0 at a fixed norm, at the rate
printed and at that over the square root of the factor; grey is Adam at a fixed norm. A line a seed,
medians over matrices. (d) The angle between the two. qk-norm, β = 0.999, Adam's η = 10⁻³; 2-Adam
has its own. In (c, d) γ = 0.9, v is coarse-grained, and W_Q and W_K decay by 10 under Adam.
"""
ALT = (
    "Above, ratios of measured to predicted growth against γ as scattered points around two "
    "theoretical curves, and ratios of norm and moving average against the step with dashed "
    "levels. Below, ratios of speeds and angles between directions against the step."
)

# Colours of (c, d), none of which has a meaning in (a, b), and of (a, b).
TURNS = {PRINTED: "C3", CORRECTED: "#0f9fa6", FIXED: "0.35"}
FACTOR = r"$(1+\gamma)/(1-\gamma)$"
KINDS = {"elementwise": ("$v$ elementwise (Adam)", "C1"), "tensor_mean": ("coarse-grained", "C0")}


def draw(records: Records) -> Figure:
    """Draw growth over Eq. (8)'s, ‖W‖² over a moving average, and how Ŵ turns against 2-Adam."""
    own = _finished(records.of(READS[0]), "run_id")
    figure = Figure(figsize=(TEXT_WIDTH, 6.2))
    (axes, balance), (speed, angle) = figure.subplots(2, 2)
    gamma = np.linspace(0, max(0.96, own.runs.gamma.max()), 300)
    n_steps = int(own.runs.n_steps.min())
    axes.axhline(1.0, label="Eq. (8)", **PAPER)
    axes.plot(gamma, memory_factor(gamma), label=FACTOR, **EXACT)
    for kind, (label, colour) in KINDS.items():
        look: dict[str, Any] = {"s": 6, "alpha": 0.5, "linewidths": 0, "color": colour}
        look["label"] = label
        shift = -0.004 if kind == "elementwise" else 0.004
        for run in own.runs[own.runs.query_key_second_moment == kind].itertuples():
            ratio = norm_predictions(own, run).ratio("printed")[-1]
            axes.scatter(np.full(len(ratio), run.gamma + shift), ratio, **look)
            look["label"] = None  # one entry in the legend
    axes.set(yscale="log", xlabel=r"$\gamma$", title="(a) early growth")
    axes.set_ylabel(rf"growth of $\|W\|^2$ over Eq. (8)'s at $n={n_steps}$")
    axes.legend()
    rest = _finished(records.of(READS[1]), "run_id")
    for run in rest.runs.itertuples():
        _draw_balance(balance, rest, run)
    for label, colour in KINDS.values():
        balance.plot([], [], color=colour, label=label)
    balance.plot([], [], label=FACTOR, **EXACT)
    title = rf"(b) in equilibrium, $\lambda={rest.runs.weight_decay.iloc[0]:g}$"
    balance.set(yscale="log", xlabel="step $n$", title=title)
    balance.set_ylabel(r"median $\|W\|^2$ over the average of $\|u\|^2$")
    balance.legend(loc="center")
    _draw_directions(speed, angle, _finished(records.of(READS[2]), "seed"))
    handles, _ = speed.get_legend_handles_labels()
    place: dict[str, Any] = {"loc": "outside lower center", "ncols": len(handles)}
    figure.legend(handles=handles, title="(c, d): Adam against", **place)
    return figure


def _finished(records: Records, column: str) -> Records:
    """Leave out each run, or each seed, of which a run diverged: its series end too early."""
    runs = records.runs
    diverged = runs[column][runs.status == "diverged"]
    return records.where(runs[~runs[column].isin(diverged)])


def _draw_directions(speed: Axes, angle: Axes, records: Records) -> None:
    """Draw speed under Adam over the other's, and angle: medians over the heads of each seed."""
    for kind, colour in TURNS.items():
        for position, (adam, others) in enumerate(by_kind(records)):
            look: dict[str, Any] = {"color": colour, "linewidth": 1.0}
            look["label"] = None if position else kind
            ratio = speed_ratio(records, adam, others[kind])
            middle = WINDOW * (np.arange(len(ratio)) + 0.5)
            speed.plot(middle, np.median(ratio, axis=1), **look)
            n, between = angles_to_adam(records, adam, others[kind])
            angle.plot(n, np.median(between, axis=1), **look)
    speed.axhline(1.0, color="0.6", linewidth=0.8, zorder=0)
    speed.set(yscale="log", xlabel="step $n$", ylabel=r"speed of $\hat W$ under Adam over …")
    speed.set_yticks([0.25, 0.5, 1, 2, 4], ["0.25", "0.5", "1", "2", "4"])
    speed.minorticks_off()
    speed.set_title(r"(c) how fast $\hat W$ turns")
    angle.set(xlabel="step $n$", ylabel="angle between the two, degrees", ylim=(0, 100))
    angle.set_title(r"(d) directions $\hat W$ under Adam and …")


def _draw_balance(axes: Axes, records: Records, run: Any) -> None:
    norms, average = norm_and_average(records, run)
    n = np.arange(run.n_steps + 1)[-len(norms) :]
    colour = KINDS[run.query_key_second_moment][1]
    axes.plot(n, np.median(norms / average, axis=1), color=colour)
    axes.axhline(memory_factor(run.gamma), **EXACT)
    at = 1, memory_factor(run.gamma)
    place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "ha": "right"}
    place |= {"xytext": (0, 3), "textcoords": "offset points"}
    axes.annotate(rf"$\gamma={run.gamma:g}$", at, **place)
