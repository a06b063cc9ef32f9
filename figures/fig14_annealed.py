"""Figure 14: the unstable region, with a learning rate annealed by exp(−n|C|/2)."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adamct.analysis.losses import (
    ANNEALED,
    NOT_ANNEALED,
    annealed_updates,
    at_default_pair,
    best_losses,
    loss_table,
)
from adamct.analysis.statistics import mean_and_ends
from adamct.plotting.loss_panels import loss_curve, mean_of_each
from adamct.plotting.seed_bands import over_seeds
from adamct.plotting.style import LABELS, STABILITY, TEXT_WIDTH, colourbar, colours_by, plain_log
from adamct.records import Records

READS = ("annealed_unstable", "generalization_normal_curve")
CAPTION = """
Points with C < 0 of Figure 3's curve, with the learning rate annealed as η₀ exp(−n|C|/2), so as to
undo the paper's growth rate; η₀ = 10⁻³. (a) The max-update times ηₙ/η₀, which is what moves the
weights, and (b) the max-update itself, under annealing alone. (c) The test loss with warm-up and
cosine decay multiplied by the annealing, beside (0.999, 0.9) without it (blue). (d) The best test
loss against C, with the annealing (filled) and at the same points without (open); the blue line is
(0.999, 0.9). Lines and markers are means over seeds, in (a) and (b) of the logarithm, bands and
bars their 95 % intervals (t); with fewer than three seeds there are none, and a line is a seed.
Verdicts compare runs of one seed, and can be sharper than the bars. At laptop scale the text is
documentation of Python, not C4.
"""
ALT = (
    "Four panels coloured by C: the annealed update and the max-update against the step, "
    "test-loss curves, and best test loss against C with and without annealing, with a blue "
    "reference for (0.999, 0.9)."
)

REFERENCE: dict[str, Any] = {"color": STABILITY(1.0), "linewidth": 1.6, "label": "(0.999, 0.9)"}


def draw(records: Records) -> Figure:
    """Draw (a) η_n‖u_n‖∞/η₀, (b) ‖u_n‖∞, (c) the test loss, (d) the best of it against C."""
    unstable, curve = map(records.of, READS)
    default = at_default_pair(curve)
    figure = Figure(figsize=(TEXT_WIDTH, 5.2))
    a, b, c, d = figure.subplots(2, 2).flat
    max_updates(a, unstable, scaled=True)
    a.set_title("(a) max-update times the annealed rate")
    max_updates(b, unstable, scaled=False)
    b.set_title("(b) max-update itself")
    losses_against_n(c, unstable, default)
    c.set_title("(c) test loss, annealed")
    best(d, unstable, default)
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
    values = times_rate if scaled else update
    for C in np.unique(annealed.runs.C):
        own = values[:, annealed.runs.C == C]
        over_seeds(axes, n, own, log=True, color=colours.to_rgba(C), linewidth=0.9)
    name = r"$\eta_n\|u_n\|_\infty/\eta_0$" if scaled else r"$\|u_n\|_\infty$"
    axes.set(yscale="log", xlabel="step $n$", ylabel=name, xlim=(0, records.runs.n_steps.max()))
    if not scaled:
        plain_log(axes.yaxis)


def losses_against_n(axes: Axes, unstable: Records, default: Records) -> None:
    """Draw the test loss of the runs annealed on top of warm-up and cosine, and of (0.999, 0.9)."""
    losses = loss_table(unstable.where(unstable.runs[unstable.runs.schedule == ANNEALED]))
    colours = colours_by("C", unstable.runs)
    for C in np.unique(losses.C):
        loss_curve(axes, losses[losses.C == C], color=colours.to_rgba(C))
    loss_curve(axes, loss_table(default), **REFERENCE)
    axes.set(xlabel="step $n$", ylabel="test loss", xlim=(0, unstable.runs.n_steps.max()))


def best(axes: Axes, unstable: Records, default: Records) -> None:
    """Draw each pair's best test loss, annealed (filled) or not (open), beside (0.999, 0.9)'s."""
    colours = colours_by("C", unstable.runs)
    table = best_losses(unstable)
    for schedule, label in ((ANNEALED, "annealed"), (NOT_ANNEALED, "not annealed")):
        own = table[table.schedule == schedule]
        mean_of_each(axes, own, "best", "C", colours, filled=schedule == ANNEALED, label=label)
    [mean], [low], [high] = mean_and_ends(best_losses(default).best.to_numpy()[None])
    axes.axhline(mean, **REFERENCE)
    axes.axhspan(low, high, color=REFERENCE["color"], alpha=0.15, linewidth=0)
    axes.set(xlabel=LABELS["C"], ylabel="best test loss")
