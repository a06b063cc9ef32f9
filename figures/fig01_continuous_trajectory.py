"""Figure 1: the continuous-time trajectory of Equation (4) against Adam's discrete steps."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adamct.analysis.trajectories import relative_error
from adamct.plotting.panels import paired_paths
from adamct.plotting.style import TEXT_WIDTH
from adamct.records import Records

READS = ("trajectory", "trajectory_learning_rate")
CAPTION = """
Adam's discrete steps beside the solution of Eq. (4), started from the same weights and fed the
same batches, at (β, γ) = (0.999, 0.9), η = 10⁻³ and without dropout. (a) Sixteen parameters drawn
at random, ordered by how far they move, on one axis in each row: solid lines are the discrete run,
dashed lines the equation solved by Euler's scheme as in the paper. (b) The distance between the two
over all parameters, relative to how far training has moved them: Euler without weight decay λ
(solid) and with it (dashed); Eq. (4) given the gradients of the discrete steps instead of its own
(dash-dotted); and a scheme of higher order at smaller and smaller η (dotted), at which the two
should meet.
"""
ALT = (
    "Left: a grid of sixteen panels, each a solid and a dashed curve of a parameter's displacement "
    "against the step. "
    "Right: curves of the relative distance between discrete and continuous trajectories, one "
    "per learning rate and weight decay, and one, lower, given the discrete run's gradients."
)


def draw(records: Records) -> Figure:
    """Draw (a) 16 random parameters, (b) the error over all; for smaller η, and given gradients."""
    own = records.of(READS[0])
    figure = Figure(figsize=(TEXT_WIDTH, 4.4))
    halves: Any = figure.subfigures(1, 2, width_ratios=(1.45, 1))
    papers = own.runs[(own.runs.scheme == "euler") & (own.runs.weight_decay == 0)].iloc[0]
    n, discrete = own.vectors(papers.run_id, "sampled_parameters")
    _, continuous = own.vectors(papers.run_id, "continuous_sampled_parameters")
    title = r"(a) 16 random parameters, $\theta_i(t_n)-\theta_i(0)$"
    labels = ("discrete", "Eq. (4), Euler")
    paired_paths(halves[0], n, discrete, continuous, labels=labels, title=title)
    errors = halves[1].subplots()
    euler = own.runs[own.runs.scheme == "euler"]
    for run in euler.drop_duplicates("weight_decay").sort_values("weight_decay").itertuples():
        label = rf"Euler, $\eta={run.lr:g}$, $\lambda={run.weight_decay:g}$"
        # Dashed, since the two lie on each other.
        decays = {"color": "C1", "linestyle": "--"} if run.weight_decay else {"color": "C0"}
        _draw_error(errors, own, run, label=label, **decays)
    rates = records.of(READS[1])
    slower = rates.runs[rates.runs.lr < papers.lr].drop_duplicates("lr")
    for i, run in enumerate(slower.sort_values("lr", ascending=False).itertuples()):
        label = rf"exponential, $\eta={run.lr:g}$"
        _draw_error(errors, rates, run, color=f"C{3 + i}", linestyle=":", label=label)
    given = rf"given the gradients of the steps, $\eta={papers.lr:g}$"
    _draw_error(errors, own, papers, "driven_gap", color="0.2", linestyle="-.", label=given)
    errors.set(title="(b) error over all parameters", xlabel="step $n$", yscale="log")
    errors.set_ylabel(r"$\|\theta(t_n)-\theta_n\|\,/\,\|\theta_n-\theta_0\|$")
    errors.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5], ["2 %", "5 %", "10 %", "20 %", "50 %"])
    errors.minorticks_off()
    halves[1].legend(*errors.get_legend_handles_labels(), loc="outside lower right")
    return figure


def _draw_error(
    axes: Axes, records: Records, run: Any, name: str = "continuous_gap", **look: Any
) -> None:
    own = records.where(records.runs[records.runs.run_id == run.run_id])
    axes.plot(*relative_error(own, name), linewidth=1.2, **look)
