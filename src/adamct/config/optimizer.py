"""The optimizer, as configured and in canonical form: each option is declared once, and built.

An option of ``KAdam`` that is a field of :class:`KAdamOptions` can be configured, is part of the
spec, is handed to ``KAdam`` and stands in the table of runs, under one name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from adamct.config.frozen import Beta, Frozen, Gamma, Lax

if TYPE_CHECKING:
    from adamct.models.network import Network
    from adamct.optim import KAdam

Betas = Annotated[tuple[Beta, ...], Lax]  # (β_1, …, β_k); torch's betas[1] at k = 1
Gammas = Annotated[tuple[Gamma, ...], Lax]  # (γ_1, …, γ_k); torch's betas[0] at k = 1


# (strategy, k, decoupled, lr, weight_decay): an optimizer at one point of its grid
Setting = Annotated[tuple[str | None, int, bool, float, float], Lax]


class Levels(Frozen):
    """The decays of every level i = 1…k; k = 1 is Adam."""

    betas: Betas
    gammas: Gammas

    @model_validator(mode="after")
    def _come_in_pairs(self) -> Levels:
        if len(self.betas) != len(self.gammas) or not self.betas:
            raise ValueError(
                f"{len(self.betas)} betas and {len(self.gammas)} gammas; every level i = 1…k "
                "(k ≥ 1) needs one β_i and one γ_i"
            )
        return self


class QueryKeySpec(Levels):
    """W_Q and W_K of every head, by hyperparameters of their own (Section 4.2).

    With ``fixed_norm`` each head's matrix is brought back to its initial norm after every step:
    under qk-norm that leaves the network as it is, and takes away what its norm does to its
    updates.
    """

    lr: float = Field(gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    fixed_norm: bool = False


class KAdamOptions(Frozen):
    """Options of ``KAdam``, under its own names."""

    lr: float = Field(gt=0)
    eps: float = Field(default=1e-30, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    decoupled: bool = True
    guard: bool = False
    state_dtype: Literal["float32", "float64"] = "float32"


class OptimizerOptions(KAdamOptions):
    """What the configured and the canonical form say alike."""

    # Of W_Q and W_K; "tensor_mean" is Assumption 2: v_i averaged over each head's matrix.
    query_key_second_moment: Literal["elementwise", "tensor_mean"] = "elementwise"
    query_key: QueryKeySpec | None = None  # None: as all other parameters

    def options(self) -> dict[str, Any]:
        """Return the fields that both forms share."""
        return {name: getattr(self, name) for name in OptimizerOptions.model_fields}


class OptimizerConfig(OptimizerOptions):
    """k-Adam as configured: a strategy and its pair, or explicit levels."""

    k: int = Field(ge=1)
    strategy: str | None
    beta: Beta | None
    gamma: Gamma | None
    level_betas: Betas | None
    level_gammas: Gammas | None

    def at(self, setting: Setting | None) -> OptimizerConfig:
        """Return this with the values of a setting; explicit levels stay with their own label."""
        if setting is None:
            return self
        names = ("strategy", "k", "decoupled", "lr", "weight_decay")
        values: dict[str, Any] = dict(zip(names, setting, strict=True))
        if values["strategy"] != self.strategy:
            values |= {"level_betas": None, "level_gammas": None}
        return OptimizerConfig(**self.model_dump() | values)


class OptimizerSpec(Levels, OptimizerOptions):
    """k-Adam in canonical form: the decays (β_1…β_k) and (γ_1…γ_k)."""

    @model_validator(mode="before")
    @classmethod
    def _canonical(cls, values: object) -> object:
        # Without decay, coupled and decoupled are one run.
        if not isinstance(values, dict) or values.get("weight_decay"):
            return values
        own = values.get("query_key")
        decay = own.get("weight_decay") if isinstance(own, dict) else own and own.weight_decay
        return values if decay else {**values, "decoupled": True}

    def build(
        self, model: Network, compiled: bool | None = False, track_max_update: bool = True
    ) -> KAdam:
        """Return the optimizer of a model's parameters."""
        import torch

        from adamct.optim import KAdam

        options = {name: getattr(self, name) for name in KAdamOptions.model_fields}
        return KAdam(
            self._groups(model),
            level_betas=self.betas,
            level_gammas=self.gammas,
            compiled=compiled,
            track_max_update=track_max_update,
            **options | {"state_dtype": getattr(torch, self.state_dtype)},
        )

    def _groups(self, model: Network) -> list[dict[str, Any]]:
        if self.query_key_second_moment == "elementwise" and self.query_key is None:
            return [{"params": list(model.parameters())}]
        own = [W for _, W in model.query_key_parameters()]
        others = [p for p in model.parameters() if not any(p is W for W in own)]
        group: dict[str, Any] = {"params": own, "second_moment": self.query_key_second_moment}
        if self.query_key is not None:
            group |= {
                "lr": self.query_key.lr,
                "level_betas": self.query_key.betas,
                "level_gammas": self.query_key.gammas,
                "weight_decay": self.query_key.weight_decay,
            }
        return [{"params": others}, group]
