"""Figure 14: the unstable region, with a learning rate annealed by exp(−n|C|/2)."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adamct.analysis.losses import (
    annealed_updates,
    at_default_pair,
    best_at_default_pair,
    best_losses,
    loss_table,
)
from adamct.plotting.loss_panels import best_of_each, mean_and_range
from adamct.plotting.style import LABELS, STABILITY, TEXT_WIDTH, colourbar, colours_by, plain_log
from adamct.records import Records

READS = ("annealed_unstable", "generalization_normal_curve")
CAPTION = """
Points with C < 0 of Figure 3's curve, with the learning rate annealed as η₀ exp(−n|C|/2), so as to
undo the paper's growth rate; η₀ = 10⁻³. (a) The max-update times ηₙ/η₀, which is what moves the
weights, and (b) the max-update itself, under annealing alone. (c) The test loss with warm-up and
cosine decay multiplied by the annealing, beside (0.999, 0.9) without it (blue). (d) The best test
loss against C, annealed (filled) and, at Figure 4's own points in B₋, not annealed (open); where
there are several seeds a point is their mean and a bar their range; the blue line is (0.999, 0.9).
"""
ALT = (
    "Four panels coloured by C: the annealed update and the max-update against the step, "
    "test-loss curves, and best test loss against C, with a blue reference for (0.999, 0.9)."
)

BLUE = STABILITY(1.0)
REFERENCE: dict[str, Any] = {"color": BLUE, "linewidth": 1.6, "label": "(0.999, 0.9)"}
ANNEALED = "annealed_warmup_cosine"  # the schedules with a test loss to compare
NOT_ANNEALED = "warmup_cosine"


def draw(records: Records) -> Figure:
    """Draw (a) η_n‖u_n‖∞/η₀, (b) ‖u_n‖∞, (c) the test loss, (d) the best of it against C."""
    runs = records.runs
    unstable = records.where(runs[runs.C < 0])
    figure = Figure(figsize=(TEXT_WIDTH, 5.2))
    a, b, c, d = figure.subplots(2, 2).flat
    max_updates(a, unstable, scaled=True)
    a.set_title("(a) max-update times the annealed rate")
    max_updates(b, unstable, scaled=False)
    b.set_title("(b) max-update itself")
    losses_against_n(c, unstable, at_default_pair(records))
    c.set_title("(c) test loss, annealed")
    best(d, unstable, best_at_default_pair(records))
    d.set_title("(d) best test loss")
    # Below: among the points its markers would read as measurements.
    handles, _ = d.get_legend_handles_labels()
    figure.legend(handles=handles, loc="outside lower center", ncols=3, title="(c, d)")
    colourbar(figure, (a, b, c, d), "C", unstable.runs)
    return figure


def max_updates(axes: Axes, records: Records, *, scaled: bool) -> None:
    """Draw the max-update of the annealed runs; ``scaled``: times η_n/η₀."""
    colours = colours_by("C", records.runs)
    annealed = records.where(records.runs[records.runs.schedule == "annealed"])
    n, times_rate, update = annealed_updates(annealed)
    for C, values in zip(annealed.runs.C, (times_rate if scaled else update).T, strict=True):
        axes.plot(n, values, color=colours.to_rgba(C), linewidth=0.8)
    name = r"$\eta_n\|u_n\|_\infty/\eta_0$" if scaled else r"$\|u_n\|_\infty$"
    axes.set(yscale="log", xlabel="step $n$", ylabel=name, xlim=(0, records.runs.n_steps.max()))
    if not scaled:
        plain_log(axes.yaxis)


def losses_against_n(axes: Axes, unstable: Records, reference: Records) -> None:
    """Draw the test loss of the runs annealed on top of warm-up and cosine, and of (0.999, 0.9)."""
    losses = loss_table(unstable.where(unstable.runs[unstable.runs.schedule == ANNEALED]))
    colours = colours_by("C", unstable.runs)
    for C in np.unique(losses.C):
        mean_and_range(axes, losses[losses.C == C], color=colours.to_rgba(C))
    mean_and_range(axes, loss_table(reference), **REFERENCE)
    axes.set(xlabel="step $n$", ylabel="test loss", xlim=(0, unstable.runs.n_steps.max()))


def best(axes: Axes, unstable: Records, reference: float) -> None:
    """Draw each pair's best test loss, annealed (filled) or not (open), beside (0.999, 0.9)'s."""
    colours = colours_by("C", unstable.runs)
    for schedule, label in ((ANNEALED, "annealed"), (NOT_ANNEALED, "not annealed")):
        own = best_losses(unstable.where(unstable.runs[unstable.runs.schedule == schedule]))
        best_of_each(axes, own, "best", "C", colours, filled=schedule == ANNEALED, label=label)
    axes.axhline(reference, **REFERENCE)
    axes.set(xlabel=LABELS["C"], ylabel="best test loss")
