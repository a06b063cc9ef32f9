"""Figure 9: query and key parameters with Adam's v and with its mean over each matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from adamct.analysis.trajectories import displacements
from adamct.plotting.panels import paired_paths
from adamct.plotting.style import TEXT_WIDTH
from adamct.records import Records

READS = ("coarse_graining",)
CAPTION = """
Assumption 2: two runs from the same weights on the same batches, one with Adam's own v (solid),
one with v replaced, in every query and key matrix, by its mean over that matrix (dashed). qk-norm
is on, (β, γ) = (0.999, 0.9), η = 10⁻³, no dropout. (a) Displacement of sixteen parameters of those
matrices drawn at random, ordered by how far they move, on one axis in each row. (b) How far such
parameters have moved by the last step in either run; on the grey diagonal both moved alike.
"""
ALT = (
    "Left: a grid of sixteen panels, each a solid and a dashed parameter trajectory. Right: a "
    "scatter plot of displacements with and without coarse-graining around a diagonal."
)

KINDS = ("elementwise", "tensor_mean")


def draw(records: Records) -> Figure:
    """Draw (a) 16 random parameters in both, (b) the displacements of all sampled ones."""
    own = records.of(READS[0])
    run_ids = own.runs.groupby("query_key_second_moment").run_id.first()
    n, _ = own.vectors(run_ids[KINDS[0]], "query_key_sample")
    moved = [displacements(own, run_ids[kind], "query_key_sample") for kind in KINDS]
    figure = Figure(figsize=(TEXT_WIDTH, 3.7))
    halves: Any = figure.subfigures(1, 2, width_ratios=(1.3, 1))
    labels = ("$v$ elementwise (Adam)", "$v$ coarse-grained")
    title = "(a) displacement of 16 random query and key parameters"
    paired_paths(halves[0], n, *(paths[:, :16] for paths in moved), labels=labels, title=title)
    ends = halves[1].subplots()
    last = np.stack([paths[-1] for paths in moved])
    limit = 1.05 * np.abs(last).max()
    ends.plot([-limit, limit], [-limit, limit], color="0.8", linewidth=0.8)
    ends.scatter(*last, s=5, color="C0")
    ends.set(xlim=(-limit, limit), ylim=(-limit, limit))
    ends.set(xlabel="displacement, $v$ elementwise", ylabel="displacement, $v$ coarse-grained")
    ends.set_title(f"(b) {last.shape[1]} such parameters, at $n={n[-1]}$")
    return figure
