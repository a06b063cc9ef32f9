"""k-Adam: a torch optimizer, its float64 reference, and its hyperparameter strategies.

- ``kadam``: ``KAdam``, the class; ``groups`` checks its options, ``state`` lays out m and v.
- ``update``: the update of one tensor, a pure function of its scalars; ``scalars``: those;
  ``compiled``: the same function through ``torch.compile``.
- ``reference``: Algorithm 1, line by line.
- ``strategies``: (β̃, γ̃) → (β_1…β_k), (γ_1…γ_k).

Pairs are (β, γ) as in the paper; torch writes ``betas=(γ, β)``.
"""

from adamct.optim.groups import level_decays
from adamct.optim.kadam import KAdam
from adamct.optim.reference import ReferenceState, reference_state, reference_step
from adamct.optim.strategies import STRATEGIES, strategy_hyperparameters

__all__ = [
    "STRATEGIES",
    "KAdam",
    "ReferenceState",
    "level_decays",
    "reference_state",
    "reference_step",
    "strategy_hyperparameters",
]
