"""k-Adam: a torch optimizer, its float64 reference, and its hyperparameter strategies.

- ``kadam``: ``KAdam``, the class; ``options``: how its options are checked, and what is refused.
- ``state``: m and v in memory, and as a ``state_dict`` brings them.
- ``update``: the update of one tensor, a pure function, and the scalars of a step; ``compiled``:
  the same function through ``torch.compile``.
- ``reference``: Algorithm 1, line by line.
- ``strategies``: (β̃, γ̃) → (β_1…β_k), (γ_1…γ_k).

Pairs are (β, γ) as in the paper; torch writes ``betas=(γ, β)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adamct.optim.reference import ReferenceState, reference_state, reference_step
from adamct.optim.strategies import STRATEGIES, level_decays, strategy_hyperparameters

if TYPE_CHECKING:
    from adamct.optim.kadam import KAdam

__all__ = [
    "STRATEGIES",
    "KAdam",
    "ReferenceState",
    "level_decays",
    "reference_state",
    "reference_step",
    "strategy_hyperparameters",
]


def __getattr__(name: str) -> object:
    if name == "KAdam":  # alone here in importing torch, which a strategy's decays do not need
        from adamct.optim.kadam import KAdam

        return KAdam
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
