"""The levels of k-Adam: how their max-updates compare, and what each takes from the one before."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from adamct.optim import STRATEGIES, strategy_hyperparameters
from adamct.optim.reference import reference_state, reference_step
from adamct.records import Records
from adamct.theory import stability_coefficient

PAIR = (0.999, 0.9)  # (β̃, γ̃) of Section 4.3
PAPERS = ("inverse_exp", "exp", "scaled", "naive")  # the strategies of Section 4.3


def late_max_updates(records: Records) -> pd.DataFrame:
    """Return the typical max-update of every level, once averages have filled.

    Args:
        records: of runs with every level's max-update.

    Returns:
        One row a run and level: ``strategy, k, seed, level, max_update``: the median of
        ‖u_n^(i)‖∞ over the second half of the steps.
    """
    steps = _of_levels(records)
    late = steps[steps.n >= steps.n_steps / 2]
    keys = ["strategy", "k", "seed", "level"]
    return late.groupby(keys, sort=False).max_update.median().reset_index()


def largest_max_updates(records: Records) -> pd.DataFrame:
    """Return the largest max-update of every level up to each step.

    Returns:
        One row a run, level and step: ``strategy, k, seed, level, n, max_update``.
    """
    steps = _of_levels(records).sort_values("n", kind="stable")
    keys = ["strategy", "k", "seed", "level"]
    return steps.assign(max_update=steps.groupby(keys).max_update.cummax())


def last_over_first(records: Records) -> pd.DataFrame:
    """Return how much larger the applied max-update is than that of the first level.

    Returns:
        One row a run: ``strategy, k, seed, ratio``, of :func:`late_max_updates`.
    """
    table = late_max_updates(records).set_index(["strategy", "k", "seed"])
    first, last = (
        table[table.level == level].max_update for level in (1, table.index.get_level_values("k"))
    )
    return (last / first).rename("ratio").reset_index()


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


def scale_dependence(ks: Iterable[int], *, n_steps: int = 60, seed: int = 0) -> float:
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


def _of_levels(records: Records) -> pd.DataFrame:
    """Return one row a run, level and step, with the level's max-update."""
    runs = records.runs[["run_id", "strategy", "k", "seed", "n_steps"]]
    names = {f"max_update_{level}": level for level in range(1, int(runs.k.max()) + 1)}
    columns = records.scalars[["run_id", "n", *names]].rename(columns=names)
    table = columns.melt(["run_id", "n"], var_name="level", value_name="max_update").dropna()
    return table.merge(runs, on="run_id")
