"""The composed configuration, typed and checked: what YAML may say, and how errors are explained.

Values of configuration cross into the program here, once.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, model_validator

from adamct.config.execution import Execution, TrackerSpec
from adamct.config.frozen import Frozen, Lax, Pair
from adamct.config.observables import Observable
from adamct.config.optimizer import OptimizerConfig, Setting
from adamct.config.spec import ContinuousSpec, EvaluationSpec, Precision, ScheduleSpec, TaskSpec
from adamct.files import ExpectedError

CONF_DIR = Path(__file__).resolve().parents[3] / "conf"

Scale = Literal["smoke", "laptop", "paper"]
SCALES: tuple[str, ...] = get_args(Scale)


class ConfigurationError(ExpectedError):
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


class Config(Frozen):
    """The whole of a composed configuration, Hydra's own node aside."""

    scale: Scale
    task: TaskSpec
    optimizer: OptimizerConfig
    schedule: ScheduleSpec
    execution: Execution
    tracker: TrackerSpec
    experiment_name: str | None
    question: str | None
    paper: str | None
    reference_omits: Annotated[tuple[str, ...], Lax]
    reference_rounds: bool
    sizes: dict[Scale, dict[str, Any]] | None
    curve: CurveConfig | None
    point: int | None
    pair: Pair | None
    setting: Setting | None
    n_steps: int
    seed: int
    seeds: str
    observe: Annotated[tuple[Observable, ...], Lax]
    evaluation: EvaluationSpec | None
    continuous: ContinuousSpec | None
    precision: Precision
    runs_dir: Annotated[Path, Lax]
    data_dir: Annotated[Path | None, Lax]
    cache_dir: Annotated[Path, Lax]


def explain(invalid: ValidationError) -> str:
    """One line an error: the key as it is written in YAML, its value, what would do."""
    lines = []
    for error in invalid.errors():
        # Where one of several kinds is meant, pydantic names the kind as if it were a key.
        key = ".".join(str(part) for part in error["loc"] if part not in _kinds())
        message = error["msg"].removeprefix("Value error, ")
        if error["type"] == "extra_forbidden":
            message = f"unknown key{_suggestion(error['loc'])}"
        elif key and error["type"] != "value_error":
            key += f" = {error['input']!r}"
        lines.append(f"{key}: {message}" if key else message)
    return "\n".join(lines)


def _kinds() -> set[str]:
    fields = [model.model_fields.get("kind") for model in Frozen.descendants()]
    return {kind for field in fields if field for kind in get_args(field.annotation)}


def _suggestion(location: tuple[int | str, ...]) -> str:
    known = {name for model in Frozen.descendants() for name in model.model_fields}
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else "; remove it"
