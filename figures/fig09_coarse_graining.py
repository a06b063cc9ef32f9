"""Figure 9: query and key parameters with Adam's v and with its mean over each matrix."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from adamct.plotting.style import TEXT_WIDTH
from adamct.records import Records

READS = ("coarse_graining",)
CAPTION = """
Assumption 2: two runs from the same weights on the same batches, one with Adam's own v (solid),
one with v replaced, in every query and key matrix, by its mean over that matrix (dashed). qk-norm
is on, (β, γ) = (0.999, 0.9), η = 10⁻³, no dropout. (a) Sixteen parameters of those matrices drawn
at random. (b) How far parameters have moved by the last step in either run; on the grey diagonal
both moved alike.
"""
ALT = (
    "Left: sixteen pairs of solid and dashed parameter trajectories. Right: a scatter plot of "
    "displacements with and without coarse-graining around a diagonal."
)

KINDS = ("elementwise", "tensor_mean")


def draw(records: Records) -> Figure:
    """Draw (a) 16 random parameters in both, (b) the displacements of all sampled ones."""
    own = records.of(READS[0])
    run_ids = (
        own.runs.drop_duplicates("query_key_second_moment")
        .set_index("query_key_second_moment")
        .run_id
    )
    n, _ = own.vectors(run_ids[KINDS[0]], "query_key_sample")
    elementwise, coarse = (own.vectors(run_ids[kind], "query_key_sample")[1] for kind in KINDS)
    figure = Figure(figsize=(TEXT_WIDTH, 3.3))
    paths, ends = figure.subplots(1, 2, width_ratios=(1.5, 1))
    for i in range(16):
        paths.plot(n, elementwise[:, i], color=f"C{i % 8}", linewidth=0.9)
        paths.plot(n, coarse[:, i], color=f"C{i % 8}", linewidth=1.2, linestyle="--")
    paths.set(xlabel="step $n$", ylabel="parameter")
    paths.set_title("(a) 16 random query and key parameters", loc="left")
    handles = [
        Line2D([], [], color="0.2", label="$v$ elementwise (Adam)"),
        Line2D([], [], color="0.2", linestyle="--", label="$v$ coarse-grained"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    moved = np.stack([elementwise[-1] - elementwise[0], coarse[-1] - coarse[0]])
    limit = 1.05 * np.abs(moved).max()
    ends.plot([-limit, limit], [-limit, limit], color="0.8", linewidth=0.8)
    ends.scatter(*moved, s=5, color="C0")
    ends.set(
        xlabel="displacement, $v$ elementwise",
        ylabel="displacement, $v$ coarse-grained",
        xlim=(-limit, limit),
        ylim=(-limit, limit),
    )
    ends.set_title(f"(b) {moved.shape[1]} of them, at $n={n[-1]}$", loc="left")
    return figure
