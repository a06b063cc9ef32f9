"""What a point of an experiment becomes in W&B: identity, config, history and summary.

Everything here is a pure function of the point and its record, so that what is sent
while a run trains and what is sent a year later say the same.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adamct import theory
from adamct.analysis.grids import run_scores
from adamct.analysis.growth import inner_max_update_bound, slope_step, slope_table
from adamct.analysis.losses import best_losses
from adamct.config.spec import RunSpec
from adamct.config.sweep import GridPoint
from adamct.plotting.registry import fed_by
from adamct.records import Records
from adamct.records.columns import spec_columns
from adamct.runs.lines import Line
from adamct.theory.slopes import HALF_WIDTH
from adamct.tracking import names as m
from adamct.train.schedules import lr_factor

Row = dict[str, Any]


BOUNDS = {m.PAPER_BOUND: inner_max_update_bound, m.EXACT_BOUND: theory.discrete_max_update_bound}


@dataclass(frozen=True)
class Identity:
    """How W&B knows a run: arguments of ``wandb.init``.

    Attributes:
        id: what W&B tells runs apart by. Of a point it is the run's name in the store and a digest
            of the point. Points that share a run are one training but several points, and each
            appears, so that every curve of a grid is whole.
        name: what a reader sees.
        group: the experiment, or the figures, at one scale.
        job_type: ``"point"`` of an experiment, or ``"figure"``.
        tags: of a point, figures that the experiment feeds, region, k, strategy.
    """

    id: str
    name: str
    group: str
    job_type: str
    tags: tuple[str, ...]


def run_identity(point: GridPoint) -> Identity:
    """Identify a point in W&B: the same point is always the same W&B run."""
    labels, optimizer, columns = point.labels, point.spec.optimizer, spec_columns(point.spec)
    k, strategy, own = labels["k"], labels["strategy"], optimizer.query_key
    whole = json.dumps([point.experiment, point.scale, labels], sort_keys=True)
    words = [
        # At k = 1 a point with a strategy belongs to that strategy's curve.
        f"k={k} {strategy or 'own levels'}" if k > 1 or strategy else "",
        f"β={labels['beta']:.5g} γ={labels['gamma']:.5g} η={optimizer.lr:.5g}",
        f"λ={optimizer.weight_decay:.5g}" if optimizer.weight_decay else "",
        "" if optimizer.decoupled else "coupled",
        "mean v" if columns["query_key_second_moment"] == "tensor_mean" else "",
        "qk-norm" if columns["qk_norm"] else "",
        columns["scheme"],
        columns["schedule"] if columns["schedule"] != "constant" else "",
        f"W_Q,W_K: k={len(own.betas)} η={own.lr:.5g}" if own else "",
        "fixed norm" if own and own.fixed_norm else "",
        f"seed {labels['seed']}",
    ]
    return Identity(
        id=f"{point.spec.run_id}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}",
        name=" ".join(filter(None, words)),
        group=m.at_scale(point.experiment, point.scale),
        job_type="point",
        tags=(
            *(f"figure {number}" for number in fed_by(point.experiment)),
            *(theory.region(labels["beta"], labels["gamma"]), f"k={k}"),
            *([strategy] if strategy else []),
        ),
    )


def run_config(point: GridPoint) -> dict[str, Any]:
    """Return what W&B filters and groups by: labels, the spec's columns, and the whole spec."""
    C = theory.stability_coefficient(point.labels["beta"], point.labels["gamma"])
    return {
        "experiment": point.experiment,
        "scale": point.scale,
        "run_id": point.spec.run_id,
        **point.labels,
        **spec_columns(point.spec),
        **_finite({m.STABILITY: C}),
        "spec": point.spec.model_dump(mode="json"),
    }


def rows(
    spec: RunSpec, lines: Sequence[Line], start: int = 0, *, complete: bool = True
) -> list[Row]:
    """Return the rows of a record, one a step, each with all that is known of it.

    A row holds the line as it was recorded, the learning rate of its step, and where its max-update
    is recorded: both bounds of the last level (if finite), and the slope if the steps on both sides
    are.

    Args:
        spec: of the run.
        lines: of its record, from step 0 on.
        start: the first step that is wanted.
        complete: no further lines come. Otherwise the last steps, whose slope is still open, are
            left out.

    >>> from adamct.tracking.content import flat
    >>> flat({"n": 3, "train_loss": 2.5, "max_update": [1.0, 1.5]})
    {'n': 3, 'train_loss': 2.5, 'max_update': 1.5, 'max_update/1': 1.0, 'max_update/2': 1.5}
    """
    wanted = lines[start : len(lines) if complete else max(0, len(lines) - HALF_WIDTH)]
    n = start + np.arange(len(wanted))
    around = [math.nan] * HALF_WIDTH
    updates = [*around, *(line.get(m.MAX_UPDATE, around)[-1] for line in lines), *around]
    pair = spec.optimizer.betas[-1], spec.optimizer.gammas[-1]
    derived = {name: bound(n, *pair) for name, bound in BOUNDS.items()}
    derived[m.SLOPE] = theory.log_slope(
        np.arange(len(updates)), updates, at=n + HALF_WIDTH, half_width=HALF_WIDTH
    )
    found = []
    for i, line in enumerate(wanted):
        row = flat(line)
        if line["n"] < spec.n_steps:  # after the last step there is only a score
            lr = spec.optimizer.lr * lr_factor(spec.schedule, line["n"], spec.n_steps)
            row.setdefault(m.LR, lr)
        if m.MAX_UPDATE in line:
            row |= _finite({name: values[i] for name, values in derived.items()})
        found.append(row)
    return found


def flat(line: Line) -> Row:
    """Return a line with each vector as its components; max-update also by its last level.

    Vectors of ``names.NOT_MIRRORED`` are left out.
    """
    row: Row = {}
    for name, value in line.items():
        if not isinstance(value, list):
            row[name] = value
        elif name not in m.NOT_MIRRORED:
            if name == m.MAX_UPDATE:
                row[name] = value[-1]
            if name != m.MAX_UPDATE or len(value) > 1:
                row |= {f"{name}/{i}": part for i, part in enumerate(value, start=1)}
    return row


def summary(point: GridPoint, records: Records) -> dict[str, Any]:
    """Return the values by which a table of points is sorted.

    Args:
        point: of the sweep; its run is over.
        records: of this point alone.
    """
    names = ["run_id", "n", m.TRAIN_LOSS, m.TEST_LOSS, m.TEST_ACCURACY, m.MAX_UPDATE]
    records = Records(records.runs, records.scalars.reindex(columns=names))  # NaN: not recorded
    (run,) = records.runs.to_dict("records")
    losses = records.scalars[m.TRAIN_LOSS]
    values = {
        m.STABILITY: run["C"],
        "rate/paper": run["paper_rate"],
        "rate/exact": run["exact_rate"],
        **_slopes(records, point.spec.n_steps),
        m.BEST_TEST_LOSS: best_losses(records).best.item(),
        m.BEST_TEST_ACCURACY: run_scores(records, "accuracy").test.item(),
        "final/train_loss": [math.nan, *losses[np.isfinite(losses)]][-1],
        "wall_s": math.nan if run["wall_s"] is None else run["wall_s"],
    }
    if run["status"] == "diverged":
        values["diverged_at"] = run["n_recorded"] - 1  # the first step that is not finite
    return _finite(values) | {name: run[name] for name in ("region", "status", "n_recorded")}


def _slopes(records: Records, n_steps: int) -> dict[str, float]:
    """Return the measured slope at the step that figures take, and both predictions."""
    at = slope_step(n_steps)
    n = records.scalars.n[records.scalars[m.MAX_UPDATE].notna()]
    if not {at - HALF_WIDTH, at + HALF_WIDTH} <= set(n):
        return {}
    (row,) = slope_table(records, at).to_dict("records")
    if math.isnan(row["slope"]):
        return {}
    return {
        "at_step/n": at,
        m.SLOPE_AT: row["slope"],
        m.PAPER_SLOPE: row["paper"],
        m.EXACT_SLOPE: row["exact"],
    }


def _finite(values: Mapping[str, Any]) -> dict[str, float]:
    # JSON has no infinities, and no table can be sorted by one.
    finite = {name: value for name, value in values.items() if math.isfinite(value)}
    return {name: v if isinstance(v, int) else float(v) for name, v in finite.items()}
