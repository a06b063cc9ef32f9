"""Figure 1: the continuous-time trajectory of Equation (4) against Adam's discrete steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adamct.analysis.trajectories import relative_error, scheme_differences
from adamct.plotting.panels import paired_paths
from adamct.plotting.seed_bands import over_seeds
from adamct.plotting.style import TEXT_WIDTH
from adamct.records import Records

READS = ("trajectory", "trajectory_learning_rate")
CAPTION = """
Adam's discrete steps beside the solution of Eq. (4), started from the same weights and fed the
same batches, at (β, γ) = (0.999, 0.9), η = 10⁻³ and λ = 0, without dropout. (a) Sixteen parameters
drawn at random from one seed's run, ordered by how far they move, on one axis in each row: solid
lines are the discrete run, dashed lines the equation solved by Euler's scheme as in the paper. (b)
The distance between the two over all parameters, relative to how far training has moved them, for
the paper's scheme and, at smaller η, for one of higher order; dotted is by how much these two
schemes differ at η = 10⁻³. (c) The same with the gradients of the discrete steps in place of the
equation's own: before n = 1/(1−γ) the error is the same at every η. Means over seeds with 95 %
intervals. Of the correlation of the two displacements the verdicts tell.
"""
ALT = (
    "Left: a grid of sixteen panels, each a solid and a dashed curve of a parameter's displacement "
    "against the step. Right, two panels: curves of the relative distance between discrete and "
    "continuous trajectories, one per learning rate; and the same, lower, given the discrete run's "
    "gradients."
)

COLOURS = ("C0", "C1", "C3")  # from the largest learning rate to the smallest
PERCENT = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


def draw(records: Records) -> Figure:
    """Draw (a) 16 random parameters, (b) the error over all, (c) that for given gradients."""
    own, rates = records.of(READS[0]), records.of(READS[1])
    figure = Figure(figsize=(TEXT_WIDTH, 4.6))
    halves: Any = figure.subfigures(1, 2, width_ratios=(1.35, 1))
    euler = own.where(own.runs[own.runs.scheme == "euler"])
    papers = euler.runs.run_id.iloc[0]
    n, discrete = own.vectors(papers, "sampled_parameters")
    _, continuous = own.vectors(papers, "continuous_sampled_parameters")
    title = r"(a) 16 random parameters, $\theta_i(t_n)-\theta_i(0)$"
    labels = ("discrete", "Eq. (4), Euler")
    paired_paths(halves[0], n, discrete, continuous, labels=labels, title=title)
    errors, given = halves[1].subplots(2, 1, sharex=True, sharey=True)
    by_lr = sorted(rates.runs.groupby("lr"), key=lambda pair: -float(str(pair[0])))
    for colour, (lr, runs) in zip(COLOURS, by_lr, strict=True):
        same = rates.where(runs)
        first = colour == COLOURS[0]
        label = rf"$\eta={lr:g}$" + (", Euler" if first else "")
        look = {"color": colour, "label": label, "linewidth": 1.2}
        _draw_error(errors, euler if first else same, "continuous_gap", **look)
        _draw_error(given, same, "driven_gap", color=colour, linewidth=1.2)
    look = {"color": "0.35", "linestyle": ":", "label": "of two schemes"}
    over_seeds(errors, n[1:], scheme_differences(own), log=True, **look)
    errors.set_title("(b) error over all parameters")
    given.set(title="(c) given the gradients of the steps", xlabel="step $n$")
    for axes in (errors, given):
        axes.set(yscale="log", ylabel=r"$\|\theta(t_n)-\theta_n\|\,/\,\|\theta_n-\theta_0\|$")
        axes.set_yticks(PERCENT, [f"{100 * share:g} %" for share in PERCENT])
        axes.minorticks_off()
        axes.set_ylim(bottom=0.005)
    halves[1].legend(*errors.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _draw_error(axes: Axes, records: Records, name: str, **look: Any) -> None:
    n, error = relative_error(records, name)
    over_seeds(axes, np.asarray(n), error, log=True, **look)
