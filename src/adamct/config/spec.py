"""Frozen specifications: what a run is, exactly, and the name that follows from it.

A :class:`RunSpec` holds everything that decides the numbers of a run, and nothing else: the same
spec gives the same record, whoever asks for it. Hyperparameters stand in their canonical form (the
decays of every level rather than a strategy's name), so that runs that coincide have one spec and
are trained once. What decides only how numbers round is an
:class:`~adamct.config.execution.Execution`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Frozen(BaseModel):
    """Base of all specs: immutable, no unknown keys, no infinities or NaNs."""

    # Strict: a seed of true or "3" is a mistake, not 1 or 3. Sequences come from YAML as lists, and
    # paths as strings, so those fields alone say Lax.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


Lax = Field(strict=False)


def checked_decay(decay: float) -> float:
    """Return a decay (β or γ) that lies in [0, 1); refuse any other."""
    if not 0 <= decay < 1:
        raise ValueError(
            f"received {decay!r}, expected a decay in [0, 1): at 1 the average would never see a "
            "gradient, beyond it would grow without one"
        )
    return decay


def check_levels(betas: tuple[float, ...], gammas: tuple[float, ...]) -> None:
    """Refuse decays that do not come in pairs, one a level."""
    if len(betas) != len(gammas) or not betas:
        raise ValueError(
            f"{len(betas)} betas and {len(gammas)} gammas; every level i = 1…k (k ≥ 1) needs one "
            "β_i and one γ_i"
        )


class GPTSpec(Frozen):
    """Architecture of the decoder-only transformer; the vocabulary comes from the data."""

    kind: Literal["gpt"]
    n_layer: int = Field(ge=1)
    n_head: int = Field(ge=1)
    d_model: int = Field(ge=1)
    block_size: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)
    bias: bool = False
    tied: bool = True
    qk_norm: bool = False

    @model_validator(mode="after")
    def _heads_divide_width(self) -> GPTSpec:
        if self.d_model % self.n_head:
            raise ValueError(
                f"d_model = {self.d_model} is no multiple of n_head = {self.n_head}; "
                "every head needs the same width"
            )
        if self.qk_norm and self.bias:
            raise ValueError(
                "qk_norm and bias are both true: a biased query is not scale-invariant in W_Q; "
                "set bias to false"
            )
        return self


class CNNSpec(Frozen):
    """Architecture of the CNN; the size of the pictures and the classes come from the data."""

    kind: Literal["cnn"]
    width: float = Field(default=1.0, gt=0)  # factor on the channels of every hidden layer
    batch_norm: bool = False


class TextData(Frozen):
    """A token corpus, identified by the hash of its tokens and vocabulary."""

    kind: Literal["text"]
    corpus: Literal["pydoc_topics", "shakespeare", "c4"]
    # Share of the train split, its end, that is held out to select on beside the test split.
    validation_fraction: float = Field(default=0.0, ge=0, lt=1)
    vocab_size: int | None = None  # filled in at composition, from the corpus itself
    sha256: str | None = None  # likewise; None only where a spec is composed without its data


class AugmentationSpec(Frozen):
    """Random crop after padding by so many pixels, and random horizontal flip."""

    padding: int = Field(ge=0)
    flip: bool


class ImageData(Frozen):
    """Labelled pictures, identified by the hash of all their splits."""

    kind: Literal["images"]
    corpus: Literal["digits", "cifar10"]
    augmentation: AugmentationSpec | None = None
    # Share of every class of the train split that is held out to select on beside the test split.
    validation_fraction: float = Field(default=0.0, ge=0, lt=1)
    sha256: str | None = None  # as for text


class TaskSpec(Frozen):
    """Model, data and batch size; the loss is the model's own."""

    model: Annotated[GPTSpec | CNNSpec, Field(discriminator="kind")]
    data: Annotated[TextData | ImageData, Field(discriminator="kind")]
    batch_size: int = Field(ge=1)

    @model_validator(mode="after")
    def _model_takes_data(self) -> TaskSpec:
        takes = {"gpt": "text", "cnn": "images"}[self.model.kind]
        if self.data.kind != takes:
            raise ValueError(
                f"model.kind = {self.model.kind!r} takes data of kind {takes!r}, received "
                f"{self.data.kind!r} ({self.data.corpus}); choose another task"
            )
        return self


class QueryKeySpec(Frozen):
    """W_Q and W_K of every head, by hyperparameters of their own (Section 4.2).

    With ``fixed_norm`` each head's matrix is brought back to its initial norm after every step:
    under qk-norm that leaves the network as it is, and takes away what its norm does to its
    updates.
    """

    lr: float = Field(gt=0)
    betas: Annotated[tuple[float, ...], Lax]
    gammas: Annotated[tuple[float, ...], Lax]
    weight_decay: float = Field(default=0.0, ge=0)
    fixed_norm: bool = False

    @field_validator("betas", "gammas")
    @classmethod
    def _decays_in_range(cls, decays: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(map(checked_decay, decays))

    @model_validator(mode="after")
    def _levels_match(self) -> QueryKeySpec:
        check_levels(self.betas, self.gammas)
        return self


class OptimizerSpec(Frozen):
    """k-Adam in canonical form: the decays (β_1…β_k) and (γ_1…γ_k); k = 1 is Adam."""

    lr: float = Field(gt=0)
    betas: Annotated[tuple[float, ...], Lax]  # (β_1, …, β_k); torch's betas[1] at k = 1
    gammas: Annotated[tuple[float, ...], Lax]  # (γ_1, …, γ_k); torch's betas[0] at k = 1
    eps: float = Field(default=1e-30, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    decoupled: bool = True
    guard: bool = False
    state_dtype: Literal["float32", "float64"] = "float32"
    # Of W_Q and W_K; "tensor_mean" is Assumption 2: v_i averaged over each head's matrix.
    query_key_second_moment: Literal["elementwise", "tensor_mean"] = "elementwise"
    query_key: QueryKeySpec | None = None  # None: as all other parameters

    @field_validator("betas", "gammas")
    @classmethod
    def _decays_in_range(cls, decays: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(map(checked_decay, decays))

    @model_validator(mode="before")
    @classmethod
    def _canonical(cls, values: object) -> object:
        # Without decay, coupled and decoupled are one run.
        if not isinstance(values, dict) or values.get("weight_decay"):
            return values
        own = values.get("query_key")
        decay = own.get("weight_decay") if isinstance(own, dict) else own and own.weight_decay
        return values if decay else {**values, "decoupled": True}

    @model_validator(mode="after")
    def _levels_match(self) -> OptimizerSpec:
        check_levels(self.betas, self.gammas)
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

    Text is scored over ``n_batches`` fixed batches; pictures over the whole of each split, once.
    """

    every: int = Field(ge=1)
    n_batches: int | None = Field(default=None, ge=1)


# The functions of these names are in train/observables.py.
Observable = Literal[
    "train_loss",
    "max_update",
    "lr",
    "head_squared_updates",
    "head_mean_second_moments",
    "head_squared_gradients",
    "head_squared_turns",
    "final_inner_products",
    "head_squared_norms",
    "query_key_sample",
    "head_samples",
    "sampled_parameters",
    "continuous_sampled_parameters",
    "displacement",
    "continuous_displacement",
    "continuous_gap",
    "driven_gap",
    "continuous_correlation",
]


OF_THE_TWIN = ("displacement", "driven_gap")  # beside those named continuous_…
OF_THE_HEADS = ("query_key_sample", "final_inner_products")  # beside those named head_…


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
            f"dropout = {getattr(model, 'dropout', 0)}": getattr(model, "dropout", 0) > 0,
            "batch norm": getattr(model, "batch_norm", False),
        }
        if found := [what for what, is_outside in outside.items() if is_outside]:
            raise ValueError(
                f"continuous: Equation (4) is solved for AdamW (k = 1) with (beta, gamma) in "
                f"(0, 1), a constant learning rate and no dropout; received {', '.join(found)}; "
                "change that, or set continuous=null"
            )
        return self

    @model_validator(mode="after")
    def _observables_have_what_they_look_at(self) -> RunSpec:
        beside = [o for o in self.observe if o.startswith("continuous_") or o in OF_THE_TWIN]
        if beside and self.continuous is None:
            raise ValueError(
                f"observe has {', '.join(beside)}, which look at Equation (4) beside the steps; "
                "set continuous={scheme: exponential, n_substeps: 1}, or leave them out"
            )
        heads: list[str] = [o for o in self.observe if o.startswith("head_") or o in OF_THE_HEADS]
        if self.optimizer.query_key is not None:
            heads.append("optimizer.query_key")
        if self.optimizer.query_key_second_moment != "elementwise":
            heads.append("optimizer.query_key_second_moment")
        if heads and self.task.model.kind != "gpt":
            raise ValueError(
                f"{', '.join(heads)} with a model of kind {self.task.model.kind!r}: only a GPT has "
                "query and key matrices; leave them out, or choose another task"
            )
        return self

    @model_validator(mode="after")
    def _evaluation_fits_data(self) -> RunSpec:
        if self.evaluation is not None:
            n_batches, kind = self.evaluation.n_batches, self.task.data.kind
            if (n_batches is None) != (kind == "images"):
                raise ValueError(
                    f"evaluation.n_batches = {n_batches} for {kind}: text needs a number of "
                    "batches, and pictures take none, since the whole split is scored"
                )
        return self

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
        unknown: dict[str, None] = {"sha256": None}
        if isinstance(data, TextData):
            unknown["vocab_size"] = None
        task = self.task.model_copy(update={"data": data.model_copy(update=unknown)})
        return self.model_copy(update={"task": task})
