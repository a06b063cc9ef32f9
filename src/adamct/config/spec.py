"""Frozen specifications: what a run is, exactly, and the name that follows from it.

A :class:`RunSpec` holds everything that decides the numbers of a run beyond rounding, and nothing
else. Hyperparameters stand in their canonical form (the decays of every level rather than a
strategy's name), so that runs that coincide have one spec and are trained once.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field, model_validator

from adamct.config import observables
from adamct.config.architectures import Architecture
from adamct.config.data_sets import ImageData, TextData
from adamct.config.frozen import Frozen, Lax
from adamct.config.observables import Observable
from adamct.config.optimizer import OptimizerSpec

Data = TextData | ImageData

Precision = Literal["float32", "tf32", "bfloat16"]


def identity_of(data: Data) -> set[str]:
    """Return the fields that tell data from others of their name, filled in at composition."""
    return {"sha256", "vocab_size"} & type(data).model_fields.keys()


class TaskSpec(Frozen):
    """Model, data and batch size; the loss is the model's own."""

    model: Architecture
    data: Annotated[Data, Field(discriminator="kind")]
    batch_size: int = Field(ge=1)

    @model_validator(mode="after")
    def _model_takes_data(self) -> TaskSpec:
        if self.data.kind != self.model.takes:
            raise ValueError(
                f"model.kind = {self.model.kind!r} takes data of kind {self.model.takes!r}, "
                f"received {self.data.kind!r} ({self.data.corpus}); choose another task"
            )
        return self


class ConstantSchedule(Frozen):
    """η_n = η."""

    kind: Literal["constant"]


class WarmupCosineSchedule(Frozen):
    """Linear warm-up over ``warmup_steps``, then a cosine down to ``final_fraction``·η."""

    kind: Literal["warmup_cosine"]
    warmup_steps: int = Field(ge=0)
    final_fraction: float = Field(ge=0, le=1)


BaseSchedule = Annotated[ConstantSchedule | WarmupCosineSchedule, Field(discriminator="kind")]


class AnnealedSchedule(Frozen):
    """Eq. (19): η_n = η₀ exp(−n·rate) on top of another schedule; rate = |C|/2 where C < 0."""

    kind: Literal["annealed"]
    base: BaseSchedule
    rate: float | None = Field(default=None, ge=0)  # filled in at composition, from (β, γ)


ScheduleSpec = Annotated[
    ConstantSchedule | WarmupCosineSchedule | AnnealedSchedule, Field(discriminator="kind")
]


class EvaluationSpec(Frozen):
    """Scores on the held-out splits, every ``every`` steps.

    Text is scored over ``n_batches`` fixed batches; images over the whole of each split, once.
    """

    every: int = Field(ge=1)
    n_batches: int | None = Field(default=None, ge=1)


class ContinuousSpec(Frozen):
    """Equation (4) solved beside the discrete steps: same initialization, same batches."""

    scheme: Literal["euler", "exponential"]
    n_substeps: int = Field(ge=1)  # K of Appendix I: Δt = η/K
    psi0: Literal["rest", "sign"] = "rest"


class RunSpec(Frozen):
    """Everything that decides the numbers of one run."""

    # Raised whenever the same spec would give other numbers than before (a default changed, a
    # model computes otherwise), so that no record made by older code is taken for one of the new.
    format: Literal[1] = 1
    task: TaskSpec
    optimizer: OptimizerSpec
    schedule: ScheduleSpec
    n_steps: int = Field(ge=1)
    seed: int = Field(ge=0)
    observe: Annotated[tuple[Observable, ...], Lax]
    evaluation: EvaluationSpec | None = None
    continuous: ContinuousSpec | None = None
    # Of matrix products and convolutions. Parameters, the optimizer's state, the softmax of the
    # loss and the loss are float32 or better in each.
    precision: Precision = "float32"
    # Where the masks of dropout are drawn: a CPU and a GPU draw others from one seed.
    dropout_generator: Literal["cuda", "cpu"] = "cuda"

    @model_validator(mode="after")
    def _generator_draws_masks(self) -> RunSpec:
        if self.dropout_generator == "cpu" and not self.dropout:
            raise ValueError(
                "dropout_generator = 'cpu' for a model without dropout: leave it out, so that a "
                "run has one name"
            )
        return self

    @model_validator(mode="after")
    def _equation_4_covers_it(self) -> RunSpec:
        if self.continuous is None:
            return self
        optimizer, model = self.optimizer, self.task.model
        beta, gamma = optimizer.betas[-1], optimizer.gammas[-1]
        outside = {
            f"k = {len(optimizer.betas)}": len(optimizer.betas) > 1,
            f"(beta, gamma) = ({beta}, {gamma})": not (beta > 0 and gamma > 0),
            "coupled weight decay": not optimizer.decoupled,
            "a tensor mean for v": optimizer.query_key_second_moment != "elementwise",
            "queries and keys on their own": optimizer.query_key is not None,
            f"a schedule of kind {self.schedule.kind!r}": self.schedule.kind != "constant",
            f"dropout = {self.dropout}": self.dropout > 0,
            "batch norm": getattr(model, "batch_norm", False),
            f"precision = {self.precision!r}": self.precision != "float32",
        }
        if found := [what for what, is_outside in outside.items() if is_outside]:
            raise ValueError(
                f"continuous: Equation (4) is solved for AdamW (k = 1) with (beta, gamma) in "
                f"(0, 1), a constant learning rate and no dropout, in float32; received "
                f"{', '.join(found)}; "
                "change that, or set continuous=null"
            )
        return self

    @model_validator(mode="after")
    def _observables_have_what_they_need(self) -> RunSpec:
        if self.continuous is None and (beside := self._needing("ode")):
            raise ValueError(
                f"observe has {', '.join(beside)}, which look at Equation (4) beside the steps; "
                "set continuous={scheme: exponential, n_substeps: 1}, or leave them out"
            )
        heads = self._needing("heads")
        if self.optimizer.query_key is not None:
            heads.append("optimizer.query_key")
        if self.optimizer.query_key_second_moment != "elementwise":
            heads.append("optimizer.query_key_second_moment")
        if heads and not self.task.model.has_heads:
            raise ValueError(
                f"{', '.join(heads)} with a model of kind {self.task.model.kind!r}: only a GPT has "
                "query and key matrices; leave them out, or choose another task"
            )
        return self

    def _needing(self, need: observables.Need) -> list[str]:
        return [name for name in self.observe if need in observables.needs([name])]

    @model_validator(mode="after")
    def _evaluation_fits_data(self) -> RunSpec:
        if self.evaluation is not None:
            n_batches, kind = self.evaluation.n_batches, self.task.data.kind
            if (n_batches is None) != (kind == "images"):
                raise ValueError(
                    f"evaluation.n_batches = {n_batches} for {kind}: text needs a number of "
                    "batches, and images take none, since the whole split is scored"
                )
        return self

    @property
    def needs(self) -> frozenset[observables.Need]:
        """What the observables need of the run, together."""
        return observables.needs(self.observe)

    @property
    def dropout(self) -> float:
        """Of the model; 0 where it has none."""
        return float(getattr(self.task.model, "dropout", 0.0))

    @property
    def run_id(self) -> str:
        """Name of the run: the first 16 hex digits of the SHA-256 of its canonical JSON.

        Floats enter with all their digits, so that neighbouring points of a sweep never share a
        name. Raises ``ValueError`` for a spec composed without its data: which tokens it would
        train on is then unknown.
        """
        if self.task.data.sha256 is None:
            raise ValueError(
                f"the spec on {self.task.data.corpus!r} was composed without its data, so it "
                "names no run; compose it with the data at hand"
            )
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()[:16]

    def canonical_json(self) -> str:
        """One line of JSON: keys sorted, floats as their shortest exact decimal.

        Fields at their defaults are left out, so that a new option, off by default, leaves the
        names of the runs that do without it as they were.
        """
        values = self.model_dump(mode="json", exclude_defaults=True) | {"format": self.format}
        return json.dumps(values, sort_keys=True, separators=(",", ":"))

    def without_data(self) -> RunSpec:
        """Return the spec as it is composed without its data: it names no tokens and no run."""
        data = self.task.data
        unknown = data.model_copy(update=dict.fromkeys(identity_of(data)))
        task = self.task.model_copy(update={"data": unknown})
        return self.model_copy(update={"task": task})
