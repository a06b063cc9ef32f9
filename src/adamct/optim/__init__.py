"""k-Adam: a torch optimizer, its float64 reference, and its hyperparameter strategies.

- ``kadam``: ``KAdam``, the class; ``groups`` checks its options, ``state`` lays out m and v.
- ``update``: the update of one tensor, a pure function of its scalars; ``scalars``: those;
  ``compiled``: the same function through ``torch.compile``.
- ``reference``: Algorithm 1, line by line.
- ``strategies``: (β̃, γ̃) → (β_1…β_k), (γ_1…γ_k).

Pairs are (β, γ) as in the paper; torch writes ``betas=(γ, β)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adamct.lazy import lazy

if TYPE_CHECKING:
    from adamct.optim.groups import level_decays as level_decays
    from adamct.optim.kadam import KAdam as KAdam
    from adamct.optim.reference import ReferenceState as ReferenceState
    from adamct.optim.reference import reference_state as reference_state
    from adamct.optim.reference import reference_step as reference_step
    from adamct.optim.strategies import STRATEGIES as STRATEGIES
    from adamct.optim.strategies import strategy_hyperparameters as strategy_hyperparameters

# Loaded on first use: a strategy's decays must not pay for torch.
_LAZY = {
    "KAdam": "adamct.optim.kadam",
    "ReferenceState": "adamct.optim.reference",
    "STRATEGIES": "adamct.optim.strategies",
    "level_decays": "adamct.optim.groups",
    "reference_state": "adamct.optim.reference",
    "reference_step": "adamct.optim.reference",
    "strategy_hyperparameters": "adamct.optim.strategies",
}
__all__ = [
    "STRATEGIES",
    "KAdam",
    "ReferenceState",
    "level_decays",
    "reference_state",
    "reference_step",
    "strategy_hyperparameters",
]

__getattr__, __dir__ = lazy(__name__, _LAZY)
