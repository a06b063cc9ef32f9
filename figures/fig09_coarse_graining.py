"""Figure 9: query and key parameters with Adam's v and with its mean over each matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adamct.analysis.trajectories import coarse_graining_differences, displacements
from adamct.plotting.panels import PAIR, paired_paths
from adamct.plotting.seed_bands import over_seeds
from adamct.plotting.style import TEXT_WIDTH, plain_log
from adamct.records import Records

READS = ("coarse_graining",)
CAPTION = """
Assumption 2: two runs from the same weights on the same batches, one with Adam's own v (solid),
one with v replaced, in every query and key matrix, by its mean over that matrix (dashed). qk-norm
is on, (β, γ) = (0.999, 0.9), η = 10⁻³, no dropout. (a) Displacement of sixteen parameters of those
matrices drawn at random, in one seed, ordered by how far they move, on one axis in each row. (b)
The distance between the two over all sampled parameters, relative to how far the first has moved
them; grey is a control, the same runs with an η that is larger by 1 %: what it differs by beyond
that, training has made of it. (c) The training loss of both. Means over seeds with 95 % intervals.
"""
ALT = (
    "Left: a grid of sixteen panels, each a solid and a dashed parameter trajectory. Right: "
    "relative differences between the two, and of a control, rising with the step; and two curves "
    "of the training loss that lie on each other."
)

KINDS = ("elementwise", "tensor_mean")
LABELS = ("$v$ elementwise (Adam)", "$v$ coarse-grained")


def draw(records: Records) -> Figure:
    """Draw (a) 16 random parameters in both, (b) differences and a control, (c) losses."""
    own = records.of(READS[0])
    figure = Figure(figsize=(TEXT_WIDTH, 4.4))
    halves: Any = figure.subfigures(1, 2, width_ratios=(1.35, 1))
    plain = own.where(own.runs[own.runs.lr == own.runs.lr.min()].sort_values("seed"))
    run_ids = plain.runs.groupby("query_key_second_moment").run_id.first()
    n, _ = plain.vectors(run_ids[KINDS[0]], "query_key_sample")
    paths = [displacements(plain, run_ids[kind], "query_key_sample")[:, :16] for kind in KINDS]
    title = "(a) displacement of 16 random query and key parameters"
    paired_paths(halves[0], n, *paths, labels=LABELS, title=title)
    apart, loss = halves[1].subplots(2, 1, sharex=True)
    _draw_differences(apart, own)
    for kind, label, look in zip(KINDS, LABELS, PAIR, strict=True):
        runs = plain.runs[plain.runs.query_key_second_moment == kind]
        steps, losses = plain.where(runs).matrix("train_loss")
        over_seeds(loss, steps, losses, label=label, **look)
    loss.set(title="(c) training loss", xlabel="step $n$", ylabel="nats a token")
    loss.legend(loc="upper right")
    return figure


def _draw_differences(axes: Axes, records: Records) -> None:
    pairs = [
        coarse_graining_differences(records.where(runs)) for _, runs in records.runs.groupby("seed")
    ]
    coarse, control = np.array(pairs).transpose(1, 2, 0)
    n = np.arange(1, len(coarse) + 1)
    over_seeds(axes, n, coarse, log=True, color="C0", label="$v$ coarse-grained")
    over_seeds(axes, n, control, log=True, color="0.5", label=r"control: $\eta$ larger by 1 %")
    axes.set(title="(b) relative difference", yscale="log")
    plain_log(axes.yaxis)
    axes.legend(loc="lower right")
