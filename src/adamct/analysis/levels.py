"""The levels of k-Adam: how their max-updates compare, and what each takes from the one before."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from adamct.optim import STRATEGIES, strategy_hyperparameters
from adamct.optim.reference import reference_state, reference_step
from adamct.records import Records
from adamct.theory import stability_coefficient

SETTLED = 250  # steps after which averages of the longest memory (0.999) have filled by a fifth
PAIR = (0.999, 0.9)  # (β̃, γ̃) of Section 4.3
PAPERS = ("inverse_exp", "exp", "scaled", "naive")  # the strategies of Section 4.3


def last_over_first(records: Records) -> pd.DataFrame:
    """Return how much larger the applied max-update is than that of the first level.

    Args:
        records: of runs with k > 1 and every level's max-update.

    Returns:
        One row a run: ``strategy, k, seed, ratio``: the median over n ≥ ``SETTLED`` of
        ‖u_n^(k)‖∞ over that of ‖u_n^(1)‖∞.
    """
    late = records.scalars[records.scalars.n >= SETTLED]
    medians = late.groupby("run_id").median().loc[records.runs.run_id]
    # Of the last level, whose update is applied, ``max_update`` is the copy.
    ratio = (medians.max_update / medians.max_update_1).to_numpy()
    return records.runs[["strategy", "k", "seed"]].assign(ratio=ratio)


def outside_stable_region(strategies: Iterable[str], ks: Iterable[int]) -> tuple[int, float]:
    """Count the (β_i, γ_i) of some strategies outside B₊, C(β_i, γ_i) > 0, and find the least C.

    >>> outside_stable_region(["scaled"], [1, 2])[0]
    0
    """
    ks = tuple(ks)
    levels = [strategy_hyperparameters(name, k, *PAIR) for name in strategies for k in ks]
    betas, gammas = (np.concatenate([level[i] for level in levels]) for i in (0, 1))
    C = np.asarray(stability_coefficient(betas, gammas))
    return int((C <= 0).sum()), float(C.min())


def scale_dependence(ks: Iterable[int], *, n_steps: int = 200, seed: int = 0) -> float:
    """Return how far the update of any level depends on a constant before what it is given.

    Level i is Adam's normalization of what level i−1 hands on: m^(i) is linear in that and √v^(i)
    too, so that a constant before m^(i−1), such as its prefactor (1−γ_1)⋯(1−γ_{i−1}), cancels.
    Each level is run on the updates of the one before, and on a multiple of them.

    Args:
        ks: numbers of levels, under every strategy.
        n_steps: of random gradients whose size varies over decades.
        seed: of them.

    Returns:
        The largest relative difference, over strategies, levels, factors and steps.
    """
    rng = np.random.default_rng(seed)
    gradients = rng.normal(size=(n_steps, 8)) * 10 ** rng.uniform(-4, 0, (n_steps, 1))
    worst = 0.0
    for strategy in STRATEGIES:
        for k in ks:
            updates = gradients
            for beta, gamma in zip(*strategy_hyperparameters(strategy, k, *PAIR), strict=True):
                of_one = _normalized(updates, beta, gamma)
                for factor in (1 - beta, 1 - gamma, 1e6):
                    other = _normalized(factor * updates, beta, gamma)
                    worst = max(worst, float(np.abs(other - of_one).max() / np.abs(of_one).max()))
                updates = of_one
    return worst


def _normalized(inputs: np.ndarray, beta: float, gamma: float) -> np.ndarray:
    """Return Adam's normalization of some inputs, A_{γ,β} of Section 4.3, by the reference."""
    theta, updates = np.zeros(inputs.shape[1]), []
    state = reference_state(theta, k=1)
    for each in inputs:
        _, state, (update,) = reference_step(
            theta, each, state, lr=0.0, betas=[beta], gammas=[gamma]
        )
        updates.append(update)
    return np.array(updates)

