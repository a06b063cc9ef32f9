"""The columns of the tidy table of runs that a spec fills in."""

from __future__ import annotations

from adamct.config.spec import (
    AnnealedSchedule,
    ConstantSchedule,
    OptimizerSpec,
    RunSpec,
    ScheduleSpec,
)


def spec_columns(spec: RunSpec) -> dict[str, object]:
    """Return the columns of ``runs`` that a spec fills in."""
    return {
        **{f"beta_{i}": beta for i, beta in enumerate(spec.optimizer.betas, start=1)},
        **{f"gamma_{i}": gamma for i, gamma in enumerate(spec.optimizer.gammas, start=1)},
        "lr": spec.optimizer.lr,
        "weight_decay": spec.optimizer.weight_decay,
        "decoupled": spec.optimizer.decoupled,
        "guard": spec.optimizer.guard,
        "state_dtype": spec.optimizer.state_dtype,
        "query_key_second_moment": spec.optimizer.query_key_second_moment,
        **_query_key_columns(spec.optimizer),
        "qk_norm": getattr(spec.task.model, "qk_norm", False),
        "scheme": spec.continuous and spec.continuous.scheme,
        "n_substeps": spec.continuous and spec.continuous.n_substeps,
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


def _query_key_columns(optimizer: OptimizerSpec) -> dict[str, object]:
    """What W_Q and W_K are trained by: their own hyperparameters, or those of all others."""
    own = optimizer.query_key or optimizer
    return {
        "query_key_k": len(own.betas),
        "query_key_lr": own.lr,
        "query_key_weight_decay": own.weight_decay,
        "query_key_fixed_norm": getattr(own, "fixed_norm", False),
    }
