"""Hydra configuration → specs; the only module that imports Hydra.

Configuration crosses one border here, once: below it, everything is typed, frozen and checked.
:func:`compose_cells` reads a sweep exactly as ``scripts/run.py -m`` will launch it, so that the
door, the figures and the tests all speak of the same runs.
"""

from __future__ import annotations

import copy
import difflib
import itertools
import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from pydantic import Field, ValidationError, field_validator, model_validator

from adamct.data import open_corpus, open_images
from adamct.optim import strategy_hyperparameters
from adamct.spec import (
    AnnealedSchedule,
    Cell,
    ContinuousSpec,
    EvaluationSpec,
    Execution,
    Frozen,
    ImageData,
    Lax,
    Observable,
    OptimizerSpec,
    RunSpec,
    ScheduleSpec,
    TaskSpec,
    TextData,
    checked_decay,
)
from adamct.theory import (
    Curve,
    growth_rate,
    level_curve,
    normal_curve,
    stability_coefficient,
)

CONF_DIR = Path(__file__).resolve().parents[2] / "conf"

Scale = Literal["smoke", "laptop", "paper"]
SCALES: tuple[str, ...] = get_args(Scale)


class ConfigurationError(ValueError):
    """What was asked for cannot work; the message names the key, the value and the remedy."""


class CurveConfig(Frozen):
    """A section of a normal curve, or of a level curve given by a point or by its level."""

    kind: Literal["normal", "level"]
    through: Annotated[tuple[float, float] | None, Lax] = None  # (β₀, γ₀)
    level: float | None = None  # C = level
    section: Annotated[tuple[float, float], Lax]  # β from … to
    n_points: int = Field(ge=1)

    @model_validator(mode="after")
    def _one_way_to_name_it(self) -> CurveConfig:
        if (self.through is None) == (self.level is None):
            raise ValueError("give the curve by `through` (a pair) or by `level`, not both")
        if self.kind == "normal" and self.through is None:
            raise ValueError("a normal curve is given by `through`: a pair (beta, gamma)")
        return self


class OptimizerConfig(Frozen):
    """k-Adam as configured: a strategy and its pair, or explicit levels."""

    k: int = Field(ge=1)
    strategy: str | None
    lr: float = Field(gt=0)
    beta: float | None
    gamma: float | None
    level_betas: Annotated[tuple[float, ...] | None, Lax]
    level_gammas: Annotated[tuple[float, ...] | None, Lax]
    eps: float = Field(ge=0)
    weight_decay: float = Field(ge=0)
    decoupled: bool
    guard: bool
    state_dtype: Literal["float32", "float64"]
    query_key_second_moment: Literal["elementwise", "tensor_mean"] = "elementwise"

    @field_validator("beta", "gamma")
    @classmethod
    def _in_range(cls, decay: float | None) -> float | None:
        return decay if decay is None else checked_decay(decay)

    @field_validator("level_betas", "level_gammas")
    @classmethod
    def _each_in_range(cls, decays: tuple[float, ...] | None) -> tuple[float, ...] | None:
        return decays if decays is None else tuple(map(checked_decay, decays))


class Config(Frozen):
    """The whole of a composed configuration, Hydra's own node aside."""

    scale: Scale
    task: TaskSpec
    optimizer: OptimizerConfig
    schedule: ScheduleSpec
    execution: Execution
    experiment_name: str | None
    sizes: dict[Scale, dict[str, Any]] | None
    curve: CurveConfig | None
    point: int | None
    pair: Annotated[tuple[float, float] | None, Lax]
    n_steps: int
    seed: int
    n_seeds: int = Field(ge=1)
    observe: Annotated[tuple[Observable, ...], Lax]
    evaluation: EvaluationSpec | None
    continuous: ContinuousSpec | None
    runs_dir: Annotated[Path, Lax]
    data_dir: Annotated[Path | None, Lax]
    cache_dir: Annotated[Path, Lax]

    @field_validator("pair")
    @classmethod
    def _decays(cls, pair: tuple[float, float] | None) -> tuple[float, float] | None:
        return pair if pair is None else (checked_decay(pair[0]), checked_decay(pair[1]))


def compose_cells(
    overrides: Sequence[str], *, sweep: bool = True, with_data: bool = True
) -> list[Cell]:
    """Compose every cell of a sweep, in the order in which Hydra launches them.

    Args:
        overrides: as on the command line: ``["experiment=max_update_normal_curve", "seed=0,1"]``.
        sweep: expand the sweep (``-m``); otherwise compose the one run that the overrides name.
        with_data: open each cell's data, to refuse what is missing and to name the run by it.
            Without, the specs have no ``run_id``.

    Raises:
        ConfigurationError: for a value that cannot work, with the key and the remedy.
    """
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    fixed = {o.key_or_group: o.input_line or "" for o in parsed if not o.is_sweep_override()}
    swept = [o for o in parsed if o.is_sweep_override()]
    if swept and not sweep:
        raise ConfigurationError(
            f"{swept[0].input_line!r} is a sweep; call with -m (--multirun) to launch it"
        )
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        base = compose("config", list(fixed.values()), return_hydra_config=True)
        ranges = _own_ranges(base, skip=set(fixed)) if sweep else {}
        ranges |= {o.key_or_group: _choices(o) for o in swept}
        # Groups change the composition itself; every other key changes values in its result.
        groups = {key: ranges.pop(key) for key in list(ranges) if _is_group(key)}
        cells = []
        for picks in itertools.product(*groups.values()):
            chosen = [f"{key}={pick}" for key, pick in zip(groups, picks, strict=True)]
            base = _own_part(compose("config", [*fixed.values(), *chosen]))
            for values in itertools.product(*ranges.values()):
                pairs = zip(ranges, values, strict=True)
                cells.append(_cell(_with_values(base, pairs), with_data))
    if not cells:
        empty = [key for key, choices in {**groups, **ranges}.items() if not choices]
        raise ConfigurationError(f"the sweep has no runs: {', '.join(empty)} ranges over nothing")
    return cells


def cell_from_config(cfg: DictConfig) -> Cell:
    """Compose the cell of one Hydra job, from the configuration that Hydra hands it."""
    return _cell(cfg, with_data=True)


def experiment_names() -> list[str]:
    """Names of the experiments in ``conf/experiment``, sorted."""
    return sorted(path.stem for path in (CONF_DIR / "experiment").glob("*.yaml"))


# ------------------------------------------------------------------------------------ sweeps


def _is_group(key: str) -> bool:
    return (CONF_DIR / key).is_dir()


def _choices(override: Override) -> list[str]:
    swept = override.is_sweep_override()
    return list(map(str, override.sweep_string_iterator() if swept else [override.value()]))


def _own_ranges(base: DictConfig, skip: set[str]) -> dict[str, list[str]]:
    """Return the ranges that the experiment sweeps itself, less those that were overridden."""
    parser = OverridesParser.create()
    params = base.hydra.sweeper.params or {}
    overrides = [parser.parse_override(f"{key}={params[key]}") for key in params if key not in skip]
    return {o.key_or_group: _choices(o) for o in overrides}


def _own_part(cfg: DictConfig) -> DictConfig:
    """Return the configuration without Hydra's own node, the larger part of it."""
    if "hydra" not in cfg:
        return cfg
    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])


def _with_values(base: DictConfig, pairs: Iterable[tuple[str, str]]) -> DictConfig:
    cfg = copy.deepcopy(base)
    parser = OverridesParser.create()
    for key, text in pairs:
        OmegaConf.update(cfg, key, parser.parse_override(f"{key}={text}").value(), force_add=True)
    return cfg


# ------------------------------------------------------------------------------------ one cell


def _cell(cfg: DictConfig, with_data: bool) -> Cell:
    try:
        values = OmegaConf.to_container(_own_part(cfg), resolve=True, throw_on_missing=True)
        config = Config.model_validate(values)
        pair = _pair(config)
        optimizer = _optimizer(config.optimizer, pair)
        spec = RunSpec(
            task=_with_data_identity(config) if with_data else config.task,
            optimizer=optimizer,
            schedule=_schedule(config.schedule, pair),
            n_steps=config.n_steps,
            seed=config.seed,
            observe=config.observe,
            evaluation=config.evaluation,
            continuous=config.continuous,
        )
    except ValidationError as error:
        raise ConfigurationError(_explain(error)) from error
    labels = {
        "beta": pair[0],
        "gamma": pair[1],
        "k": len(optimizer.betas),
        "strategy": config.optimizer.strategy,
        "point": config.point,
        "seed": config.seed,
    }
    return Cell(
        experiment=config.experiment_name or "single",
        scale=config.scale,
        labels=labels,
        spec=spec,
        execution=config.execution,
        runs_dir=config.runs_dir,
        data_dir=config.data_dir,
        cache_dir=config.cache_dir,
    )


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
    assert config.through is not None  # CurveConfig sees to it
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
    return OptimizerSpec(
        lr=config.lr,
        betas=betas,
        gammas=gammas,
        eps=config.eps,
        weight_decay=config.weight_decay,
        decoupled=config.decoupled,
        guard=config.guard,
        state_dtype=config.state_dtype,
        query_key_second_moment=config.query_key_second_moment,
    )


@lru_cache
def _identity(
    data: TextData | ImageData, data_dir: Path | None, cache_dir: Path
) -> dict[str, int | str]:
    """Return what a spec says of its data beyond their name."""
    if isinstance(data, ImageData):
        images = open_images(
            data.corpus, source=data_dir, prepared=cache_dir, held_out=data.validation_fraction
        )
        return {"sha256": images.sha256}
    corpus = open_corpus(data.corpus, source=data_dir, prepared=cache_dir)
    return {"vocab_size": corpus.vocab_size, "sha256": corpus.sha256}


def _with_data_identity(config: Config) -> TaskSpec:
    data = config.task.data
    identity = _identity(data, config.data_dir, config.cache_dir)
    return config.task.model_copy(update={"data": data.model_copy(update=identity)})


# ------------------------------------------------------------------------------------ errors


def _explain(error: ValidationError) -> str:
    """One line a fault: the key as it is written in YAML, what it held, what would do."""
    lines = []
    for fault in error.errors():
        # Where one of several kinds is meant, pydantic names the kind as if it were a key.
        key = ".".join(str(part) for part in fault["loc"] if part not in _kinds())
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            message = f"unknown key{_suggestion(fault['loc'])}"
            lines.append(f"{key}: {message}")
        elif fault["type"] == "value_error":
            lines.append(f"{key}: {message}" if key else message)
        else:
            lines.append(f"{key} = {fault['input']!r}: {message}")
    return "\n".join(lines)


def _kinds() -> set[str]:
    fields = [model.model_fields.get("kind") for model in Frozen.__subclasses__()]
    return {kind for field in fields if field for kind in get_args(field.annotation)}


def _suggestion(location: tuple[int | str, ...]) -> str:
    known = {name for model in Frozen.__subclasses__() for name in model.model_fields}
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else "; remove it"
