"""Configuration → points: the pair, the levels, the schedule and the data's identity, resolved."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from adamct.config.execution import TrackerSpec, WandbTracker
from adamct.config.optimizer import OptimizerConfig, OptimizerSpec
from adamct.config.schema import Config, ConfigurationError, CurveConfig, explain
from adamct.config.spec import AnnealedSchedule, Data, RunSpec, ScheduleSpec, identity_of
from adamct.config.sweep import GridPoint, Sweep
from adamct.optim import strategy_hyperparameters
from adamct.theory import Curve, growth_rate, level_curve, normal_curve, stability_coefficient


def resolve(values: object, with_data: bool) -> Sweep:
    """Derive the one point of a composed configuration, as a sweep of its own.

    Args:
        values: the configuration as plain values, Hydra's own node left out.
        with_data: open the data, to refuse what is missing and to name the run by it.

    Raises:
        ConfigurationError: for a value that cannot work, with the key and the remedy.
    """
    try:
        config = Config.model_validate(values)
        pair = _pair(config)
        configured = config.optimizer.at(config.setting)
        optimizer = _optimizer(configured, pair)
        task, on_cpu = config.task, config.execution.device == "cpu"
        if with_data:
            data = _identified(task.data, config.data_dir, config.cache_dir)
            task = task.model_copy(update={"data": data})
        spec = RunSpec(
            task=task,
            optimizer=optimizer,
            schedule=_schedule(config.schedule, pair),
            n_steps=config.n_steps,
            seed=config.seed,
            observe=config.observe,
            evaluation=config.evaluation,
            continuous=config.continuous,
            precision=config.precision,
            dropout_generator="cpu" if on_cpu and getattr(task.model, "dropout", False) else "cuda",
        )
    except ValidationError as error:
        raise ConfigurationError(explain(error)) from error
    labels = {
        "beta": pair[0],
        "gamma": pair[1],
        "k": len(optimizer.betas),
        "strategy": configured.strategy,
        "point": config.point,
        "seed": config.seed,
    }
    return Sweep(
        points=(GridPoint(config.experiment_name or "single", config.scale, labels, spec),),
        execution=config.execution,
        runs_dir=config.runs_dir,
        data_dir=config.data_dir,
        cache_dir=config.cache_dir,
        tracker=_tracker(config.tracker),
        question=config.question or "",
        paper=config.paper or "",
        reference_omits=config.reference_omits,
        reference_rounds=config.reference_rounds,
    )


def _tracker(tracker: TrackerSpec) -> WandbTracker | None:
    """Return what mirrors; nothing does where W&B is switched off (``WANDB_MODE=disabled``)."""
    if not isinstance(tracker, WandbTracker) or tracker.mode == "disabled":
        return None
    return tracker


def _pair(config: Config) -> tuple[float, float]:
    """Return (β, γ): of the curve's point, or `pair`, or the optimizer's own."""
    beta, gamma = config.optimizer.beta, config.optimizer.gamma
    given = [n for n, v in (("curve", config.curve), ("pair", config.pair)) if v is not None]
    if len(given) == 2 or (given and (beta is not None or gamma is not None)):
        raise ConfigurationError(
            f"{given[0]} gives (beta, gamma), but pair = {config.pair}, optimizer.beta = {beta} "
            f"and optimizer.gamma = {gamma}; set the others to null, or {given[0]}=null"
        )
    if config.pair is not None:
        return config.pair
    if config.curve is None:
        if beta is None or gamma is None:
            raise ConfigurationError(
                f"optimizer.beta = {beta} and optimizer.gamma = {gamma}, and no curve is given; "
                "set both, or give a pair, or a curve and a point"
            )
        return beta, gamma
    curve = config.curve
    if config.point is None or not 0 <= config.point < curve.n_points:
        raise ConfigurationError(
            f"point = {config.point}, expected one of 0 … {curve.n_points - 1}: "
            f"the curve has {curve.n_points} points"
        )
    betas, gammas = _sample(curve)
    return betas[config.point], gammas[config.point]


@lru_cache
def _sample(config: CurveConfig) -> tuple[tuple[float, ...], tuple[float, ...]]:
    try:
        betas, gammas = _curve(config).sample(config.n_points, *config.section)
    except ValueError as error:
        raise ConfigurationError(f"curve.section = {list(config.section)}: {error}") from error
    return tuple(map(float, betas)), tuple(map(float, gammas))


def _curve(config: CurveConfig) -> Curve:
    if config.level is not None:
        return level_curve(config.level)
    assert config.through is not None  # as CurveConfig checks
    if config.kind == "normal":
        return normal_curve(*config.through)
    return level_curve(float(stability_coefficient(*config.through)))


def _schedule(schedule: ScheduleSpec, pair: tuple[float, float]) -> ScheduleSpec:
    """Fill in the rate of Eq. (19), which depends on the pair."""
    if not isinstance(schedule, AnnealedSchedule) or schedule.rate is not None:
        return schedule
    rate = float(growth_rate(*pair))
    if not math.isfinite(rate):
        raise ConfigurationError(
            f"schedule: Eq. (19) anneals at |C|/2, which is {rate} at (beta, gamma) = {pair}; "
            "choose a pair inside (0, 1), or give schedule.rate"
        )
    return schedule.model_copy(update={"rate": rate})


def _optimizer(config: OptimizerConfig, pair: tuple[float, float]) -> OptimizerSpec:
    if config.level_betas is not None or config.level_gammas is not None:
        betas, gammas = config.level_betas or (), config.level_gammas or ()
    elif config.k == 1 and config.strategy is None:
        betas, gammas = (pair[0],), (pair[1],)
    else:
        try:
            betas, gammas = strategy_hyperparameters(str(config.strategy), config.k, *pair)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"optimizer: {error}") from error
    return OptimizerSpec(betas=betas, gammas=gammas, **config.options())


@lru_cache
def _identified(data: Data, data_dir: Path | None, cache_dir: Path) -> Data:
    """Fill in what a spec says of its data beyond their name, from the data themselves."""
    opened = data.open(data_dir, cache_dir)
    return data.model_copy(update={name: getattr(opened, name) for name in identity_of(data)})
