"""What a point of an experiment becomes in W&B: identity, config, history and summary.

Everything here is a pure function of the point, its record and its outcome, so that a mirror made
while a run trains and one made a year later say the same.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adamct.analysis.growth import HALF_WIDTH, slope_step
from adamct.config.execution import Point
from adamct.config.spec import RunSpec
from adamct.plotting.registry import fed_by
from adamct.records.columns import spec_columns
from adamct.runs.store import Line, Outcome
from adamct.theory import (
    discrete_growth_rate,
    discrete_max_update_bound,
    growth_rate,
    local_slopes,
    log_slope,
    max_update_bound,
    predicted_slope,
    region,
    stability_coefficient,
)
from adamct.theory.domain import Values
from adamct.tracking import names as metrics
from adamct.train.schedules import lr_factor

BOUNDS = {metrics.PAPER_BOUND: max_update_bound, metrics.EXACT_BOUND: discrete_max_update_bound}
PREDICTIONS = {
    metrics.PAPER_SLOPE: max_update_bound,
    metrics.EXACT_SLOPE: discrete_max_update_bound,
}

Row = dict[str, Any]


@dataclass(frozen=True)
class Identity:
    """How W&B knows a point.

    Attributes:
        id: the run's name in the store and a digest of the point. Points that share a run are one
            training but several points, and each appears, so that every curve of a grid is whole.
        name: what a reader sees.
        group: the experiment at one scale.
        tags: figures that the experiment feeds, region, k, strategy.
    """

    id: str
    name: str
    group: str
    tags: tuple[str, ...]


def run_identity(point: Point) -> Identity:
    """Identify a point in W&B: the same point is always the same W&B run."""
    labels, optimizer = point.labels, point.spec.optimizer
    whole = json.dumps([point.experiment, point.scale, labels], sort_keys=True)
    several = labels["k"] > 1 or labels["strategy"]  # at k = 1 a point of every strategy's curve
    named = {"β": labels["beta"], "γ": labels["gamma"], "η": optimizer.lr}
    named |= {"λ": optimizer.weight_decay} if optimizer.weight_decay else {}
    words = [f"k={labels['k']} {labels['strategy'] or 'own levels'}"] if several else []
    words += [f"{name}={value:.5g}" for name, value in named.items()]
    words += [] if optimizer.decoupled else ["coupled"]
    words += _variant(point.spec)
    return Identity(
        id=f"{point.spec.run_id}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}",
        name=" ".join([*words, f"seed {labels['seed']}"]),
        group=metrics.run_group(point.experiment, point.scale),
        tags=(
            *(f"figure {number}" for number in fed_by(point.experiment)),
            str(region(labels["beta"], labels["gamma"])),
            f"k={labels['k']}",
            *([labels["strategy"]] if labels["strategy"] else []),
        ),
    )


def _variant(spec: RunSpec) -> list[str]:
    """Return the words for what some experiments vary beside the optimizer's numbers."""
    columns, own = spec_columns(spec), spec.optimizer.query_key
    words = ["mean v"] if columns["query_key_second_moment"] == "tensor_mean" else []
    words += ["qk-norm"] if columns["qk_norm"] else []
    words += [str(columns["scheme"])] if columns["scheme"] else []
    words += [str(columns["schedule"])] if columns["schedule"] != "constant" else []
    if own is not None:
        held = " held" if own.fixed_norm else ""
        words.append(f"W_Q,W_K: k={len(own.betas)} η={own.lr:.5g}{held}")
    return words


def run_config(point: Point) -> dict[str, Any]:
    """Return what W&B filters and groups by: labels, the spec's columns, and the whole spec."""
    C = stability_coefficient(point.labels["beta"], point.labels["gamma"])
    return {
        metrics.EXPERIMENT: point.experiment,
        metrics.SCALE: point.scale,
        metrics.RUN_ID: point.spec.run_id,
        **point.labels,
        **spec_columns(point.spec),
        **_finite({metrics.STABILITY: C}),
        metrics.SPEC: point.spec.model_dump(mode="json"),
    }


def rows(
    spec: RunSpec, lines: Sequence[Line], start: int = 0, *, complete: bool = True
) -> list[Row]:
    """Return the rows of a record, one a step, each with all that is known of it.

    A row holds the line as it was recorded, the learning rate of its step, both bounds of the last
    level where its max-update is recorded (and the bound finite), and the slope where the steps on
    both sides are.

    Args:
        spec: of the run.
        lines: of its record, from step 0 on.
        start: the first step that is wanted.
        complete: no further lines come. Otherwise steps whose slope is still open are left out.

    >>> from adamct.tracking.content import flat
    >>> flat({"n": 3, "train_loss": 2.5, "max_update": [1.0, 1.5]})
    {'n': 3, 'train_loss': 2.5, 'max_update': 1.5, 'max_update/1': 1.0, 'max_update/2': 1.5}
    """
    open_slopes = 0 if complete or not lines or "max_update" not in lines[-1] else HALF_WIDTH
    wanted = [
        _with_lr(spec, flat(line)) for line in lines[start : max(start, len(lines) - open_slopes)]
    ]
    around = lines[max(0, start - HALF_WIDTH) :]
    measured = {line["n"]: line["max_update"][-1] for line in around if "max_update" in line}
    if not wanted or not measured:
        return wanted
    beta, gamma = spec.optimizer.betas[-1], spec.optimizer.gammas[-1]
    derived = {
        name: dict(zip(measured, _bound(bound, list(measured), beta, gamma), strict=True))
        for name, bound in BOUNDS.items()
        if _says_something(bound, beta, gamma)
    }
    if len(measured) > 2 * HALF_WIDTH:
        centres, slopes = local_slopes(list(measured), list(measured.values()), HALF_WIDTH)
        derived[metrics.SLOPE] = dict(zip(centres.astype(int).tolist(), slopes, strict=True))
    for row in wanted:
        n = row[metrics.STEP]
        row |= _finite({name: values[n] for name, values in derived.items() if n in values})
    return wanted


def _with_lr(spec: RunSpec, row: Row) -> Row:
    n = row[metrics.STEP]
    if metrics.LR in row or n >= spec.n_steps:  # after the last step there is only a score
        return row
    return row | {metrics.LR: spec.optimizer.lr * lr_factor(spec.schedule, n, spec.n_steps)}


def flat(line: Line) -> Row:
    """Return a line with each vector as its components; max-update also by its last level.

    Vectors of ``metrics.NOT_MIRRORED`` are left out.
    """
    row: Row = {}
    for name, value in line.items():
        if name in metrics.NOT_MIRRORED:
            continue
        if not isinstance(value, list):
            row[name] = value
            continue
        if name == metrics.MAX_UPDATE:
            row[name] = value[-1]
        if name != metrics.MAX_UPDATE or len(value) > 1:
            row |= {metrics.component(name, i): part for i, part in enumerate(value, start=1)}
    return row


def summary(
    point: Point, lines: Sequence[Line], outcome: Outcome, wall_s: float | None
) -> dict[str, Any]:
    """Return the values by which a table of points is sorted.

    Args:
        point: of the sweep.
        lines: its whole record.
        outcome: how it ended.
        wall_s: seconds of training, where they are known.
    """
    beta, gamma = point.labels["beta"], point.labels["gamma"]
    values = {
        metrics.STABILITY: stability_coefficient(beta, gamma),
        metrics.PAPER_RATE: growth_rate(beta, gamma),
        metrics.EXACT_RATE: discrete_growth_rate(beta, gamma),
        **_slopes(point.spec, lines),
        metrics.BEST_TEST_LOSS: _best(min, lines, metrics.TEST_LOSS),
        metrics.BEST_TEST_ACCURACY: _best(max, lines, metrics.TEST_ACCURACY),
        metrics.FINAL_TRAIN_LOSS: _last(lines, metrics.TRAIN_LOSS),
        metrics.WALL_S: math.nan if wall_s is None else wall_s,
    }
    diverged = {metrics.DIVERGED_AT: outcome.step - 1} if outcome.status == "diverged" else {}
    return {
        **_finite(values),
        metrics.REGION: str(region(beta, gamma)),
        metrics.STATUS: outcome.status,
        metrics.N_RECORDED: outcome.step,
        **diverged,
    }


def _slopes(spec: RunSpec, lines: Sequence[Line]) -> dict[str, Values]:
    """Return the measured slope at the step that figures take, and both predictions."""
    at = slope_step(spec.n_steps)
    measured = {line["n"]: line["max_update"][-1] for line in lines if "max_update" in line}
    if not {at - HALF_WIDTH, at + HALF_WIDTH} <= set(measured):
        return {}
    beta, gamma = spec.optimizer.betas[-1], spec.optimizer.gammas[-1]
    slopes = {
        metrics.SLOPE_STEP: at,
        metrics.SLOPE_AT: log_slope(list(measured), list(measured.values()), at, HALF_WIDTH),
    }
    for name, bound in PREDICTIONS.items():
        if _says_something(bound, beta, gamma):
            slopes[name] = predicted_slope(at, beta, gamma, bound=bound, half_width=HALF_WIDTH)
    return slopes


def _says_something(bound: Callable[..., Values], beta: float, gamma: float) -> bool:
    # Eq. (5) refuses the edges of the square; D_n is infinite at β = 0 < γ.
    return beta > 0 and (gamma > 0 or bound is discrete_max_update_bound)


def _bound(
    bound: Callable[..., Values], n: Sequence[int], beta: float, gamma: float
) -> list[float]:
    with np.errstate(over="ignore"):
        return np.asarray(bound(n, beta, gamma)).tolist()


def _finite(values: dict[str, Any]) -> dict[str, float]:
    # JSON has no infinities, and no table can be sorted by one.
    return {name: _plain(value) for name, value in values.items() if math.isfinite(value)}


def _plain(value: Any) -> float:
    return value if isinstance(value, int) else float(value)


def _recorded(lines: Sequence[Line], name: str) -> list[float]:
    return [line[name] for line in lines if name in line and math.isfinite(line[name])]


def _best(choose: Callable[..., float], lines: Sequence[Line], name: str) -> float:
    return choose(_recorded(lines, name), default=math.nan)


def _last(lines: Sequence[Line], name: str) -> float:
    return (_recorded(lines, name) or [math.nan])[-1]
