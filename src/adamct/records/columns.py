"""The columns of the tidy table of runs that a spec fills in."""

from __future__ import annotations

from typing import Any

from adamct.config.spec import (
    AnnealedSchedule,
    ConstantSchedule,
    ContinuousSpec,
    RunSpec,
    ScheduleSpec,
)


def spec_columns(spec: RunSpec) -> dict[str, Any]:
    """Return the columns of ``runs`` that a spec fills in.

    Options of the optimizer and of Equation (4) stand under their own names, as do those of the
    model; the levels' decays as ``beta_1 … gamma_k``.
    """
    optimizer, continuous = spec.optimizer, spec.continuous
    own = optimizer.query_key or optimizer  # what W_Q and W_K are trained by
    return {
        **{f"beta_{i}": beta for i, beta in enumerate(optimizer.betas, start=1)},
        **{f"gamma_{i}": gamma for i, gamma in enumerate(optimizer.gammas, start=1)},
        **optimizer.model_dump(exclude={"betas", "gammas", "query_key"}),
        "query_key_k": len(own.betas),
        "query_key_lr": own.lr,
        "query_key_weight_decay": own.weight_decay,
        "query_key_fixed_norm": getattr(own, "fixed_norm", False),
        "qk_norm": False,  # of models that have no such option
        **spec.task.model.model_dump(exclude={"kind"}),
        **dict.fromkeys(ContinuousSpec.model_fields),
        **(continuous.model_dump() if continuous else {}),
        "schedule": _schedule_name(spec.schedule),
        "n_steps": spec.n_steps,
        "corpus": spec.task.data.corpus,
        "data_sha256": spec.task.data.sha256,
    }


def _schedule_name(schedule: ScheduleSpec) -> str:
    """Name a schedule as its file in conf/schedule is named."""
    if isinstance(schedule, AnnealedSchedule):
        on_top = "" if isinstance(schedule.base, ConstantSchedule) else f"_{schedule.base.kind}"
        return schedule.kind + on_top
    return schedule.kind
