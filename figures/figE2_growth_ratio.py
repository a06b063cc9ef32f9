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
from adamct.analysis.norms import growth_by_gamma, norm_and_average
from adamct.analysis.statistics import student
from adamct.plotting.seed_bands import over_seeds
from adamct.plotting.style import EXACT, PAPER, TEXT_WIDTH, plain_log
from adamct.records import Records
from adamct.theory import memory_factor

READS = ("norm_growth", "norm_equilibrium", "direction")
CAPTION = """
What Theorem 2 leaves out, under qk-norm at β = 0.999, η = 10⁻³: medians over matrices, means over
seeds with 95 % intervals. (a) Growth of ‖W‖² over Eq. (8)'s in the last quarter of the steps,
against γ, with Adam's own v and with v coarse-grained. Dotted is Eq. (8), dashed (1+γ)/(1−γ). (b)
In equilibrium: ‖W‖² over the moving average of ‖u‖² that Section 4.2 reads it as, and over that
factor. (c) How fast a matrix turns under Adam, over its speed under what Section 4.2 puts in the
place of the normalization: 2-Adam with γ₂ = 0 at a fixed norm, at the rate printed and at that over
the root of the factor; and Adam at a fixed norm. (d) The angle between the two. γ = 0.9 and v is
coarse-grained in (c, d). Why λ = 2 in (b) and 10 in (c, d): the average forgets in 1/(2ηλ) steps,
at the usual λ = 0.01 in 50,000, so that in the paper's 20,000 it is a plain sum.
"""
ALT = (
    "Above, ratios of measured to predicted growth against γ as points with error bars around a "
    "theoretical curve, and ratios of norm and moving average against the step near 1. Below, "
    "ratios of speeds and angles between directions against the step."
)

# Colours of (c, d), none of which has a meaning in (a, b), and of (a, b).
TURNS = {PRINTED: "C3", CORRECTED: "#0f9fa6", FIXED: "0.35"}
FACTOR = r"$(1+\gamma)/(1-\gamma)$"
KINDS = {"elementwise": ("$v$ elementwise (Adam)", "C1"), "tensor_mean": ("coarse-grained", "C0")}


def draw(records: Records) -> Figure:
    """Draw growth over Eq. (8)'s, ‖W‖² over a moving average, and how Ŵ turns against 2-Adam."""
    figure = Figure(figsize=(TEXT_WIDTH, 6.2))
    (growth, balance), (speed, angle) = figure.subplots(2, 2)
    _draw_growth(growth, _finished(records.of(READS[0]), "seed"))
    _draw_balance(balance, _finished(records.of(READS[1]), "seed"))
    _draw_directions(speed, angle, _finished(records.of(READS[2]), "seed"))
    handles, _ = speed.get_legend_handles_labels()
    place: dict[str, Any] = {"loc": "outside lower center", "ncols": len(handles)}
    figure.legend(handles=handles, title="(c, d): Adam against", **place)
    return figure


def _finished(records: Records, column: str) -> Records:
    """Leave out each seed of which a run diverged: its series end too early."""
    runs = records.runs
    diverged = runs[column][runs.status == "diverged"]
    return records.where(runs[~runs[column].isin(diverged)])


def _draw_growth(axes: Axes, records: Records) -> None:
    n_steps = int(records.runs.n_steps.min())
    window = n_steps - n_steps // 4, n_steps
    gamma = np.linspace(0, max(0.96, records.runs.gamma.max()), 300)
    axes.axhline(1.0, label="Eq. (8)", **PAPER)
    axes.plot(gamma, memory_factor(gamma), label=FACTOR, **EXACT)
    for shift, (kind, (label, colour)) in zip((-0.006, 0.006), KINDS.items(), strict=True):
        table = growth_by_gamma(records, kind, *window)
        ratios = table.to_numpy()
        mean = ratios.mean(axis=1)
        ends = [student(row) or (row.mean(), row.mean()) for row in ratios]
        bars = np.abs(np.transpose(ends) - mean)
        look: dict[str, Any] = {"fmt": "o", "markersize": 3, "capsize": 2, "color": colour}
        axes.errorbar(table.index + shift, mean, bars, label=label, **look)
    axes.set(yscale="log", xlabel=r"$\gamma$")
    axes.set_title(rf"(a) growth of $\|W\|^2$, $n={window[0]}$ to {window[1]}")
    axes.set_ylabel("over the growth by Eq. (8)")
    plain_log(axes.yaxis)
    axes.legend()


def _draw_balance(axes: Axes, records: Records) -> None:
    """Draw the median ratio of norm and average, over the factor that is expected."""
    for gamma, dash in ((0.0, ":"), (0.9, "-")):
        for kind, (label, colour) in KINDS.items():
            runs = records.runs[records.runs.gamma == gamma]
            curves = []
            for run in runs[runs.query_key_second_moment == kind].itertuples():
                norms, average = norm_and_average(records, run)
                curves.append(np.median(norms / average, axis=1) / memory_factor(gamma))
                n = np.arange(run.n_steps + 1)[-len(norms) :]
            look: dict[str, Any] = {"color": colour, "linestyle": dash}
            over_seeds(axes, n, np.transpose(curves), label=rf"$\gamma={gamma:g}$, {label}", **look)
    axes.axhline(1.0, color="0.6", linewidth=0.8, zorder=0)
    axes.set(xlabel="step $n$", ylim=(0, 1.6))
    axes.set_title(rf"(b) in equilibrium, $\lambda={records.runs.weight_decay.iloc[0]:g}$")
    axes.set_ylabel(r"$\|W\|^2$ over factor times average")
    axes.legend(loc="lower left")


def _draw_directions(speed: Axes, angle: Axes, records: Records) -> None:
    """Draw speed under Adam over the other's, and angle: medians over the heads of each seed."""
    for kind, colour in TURNS.items():
        look: dict[str, Any] = {"color": colour, "label": kind}
        ratios, between = [], []
        for adam, others in by_kind(records):
            ratios.append(np.median(speed_ratio(records, adam, others[kind]), axis=1))
            n, angles = angles_to_adam(records, adam, others[kind])
            between.append(np.median(angles, axis=1))
        middle = WINDOW * (np.arange(len(ratios[0])) + 0.5)
        over_seeds(speed, middle, np.transpose(ratios), log=True, **look)
        over_seeds(angle, n, np.transpose(between), **look)
    speed.axhline(1.0, color="0.6", linewidth=0.8, zorder=0)
    speed.set(yscale="log", xlabel="step $n$", ylabel=r"speed of $\hat W$ under Adam over …")
    speed.set_yticks([0.25, 0.5, 1, 2, 4], ["0.25", "0.5", "1", "2", "4"])
    speed.minorticks_off()
    speed.set_title(r"(c) how fast $\hat W$ turns")
    angle.set(xlabel="step $n$", ylabel="angle between the two, degrees", ylim=(0, 100))
    angle.set_title(r"(d) directions $\hat W$ under Adam and …")
