"""Test losses along a curve of (β, γ), and the updates of annealed runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from adamct.records import Records

POINT = ["run_id", "seed", "beta", "gamma", "C", "schedule"]
ANNEALED, NOT_ANNEALED = "annealed_warmup_cosine", "warmup_cosine"  # the schedules to compare


def first_third(n_steps: Any) -> Any:
    """Return the last step that counts as early in training, of numbers of steps or an array."""
    return n_steps / 3


def loss_table(records: Records) -> pd.DataFrame:
    """Return one row per run and evaluation, where the test loss is finite.

    Returns:
        ``run_id, n, test_loss, seed, beta, gamma, C, schedule, n_steps``.
    """
    runs = records.runs[[*POINT, "n_steps"]]
    table = records.scalars[["run_id", "n", "test_loss"]].merge(runs, on="run_id")
    return table[np.isfinite(table.test_loss)]


def best_losses(records: Records) -> pd.DataFrame:
    """Return the best test losses of every run, and how fast it fell.

    Returns:
        One row a run: ``run_id, seed, beta, gamma, C, schedule``; the best test loss in the first
        third of the steps (``early``) and in all (``best``); the area under the test loss in the
        first third, per step (``area``): the mean of its evaluations there, without the one
        before training. The smaller it is, the faster the run generalizes. A run that diverged
        counts with what it reached before; one that ended within the first third has no area (NaN).
    """
    runs, losses = records.runs, loss_table(records)
    early = losses[losses.n <= first_third(losses.n_steps)]
    by_run = pd.DataFrame(
        {
            "early": early.groupby("run_id").test_loss.min(),
            "best": losses.groupby("run_id").test_loss.min(),
            "area": early[early.n > 0].groupby("run_id").test_loss.mean(),
        }
    )
    table = runs[POINT].join(by_run, on="run_id")
    table.loc[runs.n_recorded < first_third(runs.n_steps), "area"] = np.nan
    return table


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Return the rank correlation of two samples; NaN where one is constant or has a NaN.

    >>> spearman(np.array([1, 2, 3]), np.array([1.0, 4.0, 9.0]))
    1.0
    """
    x, y = (rankdata(sample) - (len(sample) + 1) / 2 for sample in (x, y))
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale > 0 else np.nan


def steepness(C: np.ndarray, loss: np.ndarray) -> float:
    """Return by how much a loss rises per unit of −C, by least squares."""
    return float(-np.polyfit(C, loss, 1)[0])


def relative_spread(values: ArrayLike) -> float:
    """Return the standard deviation over the mean."""
    values = np.asarray(values, dtype=float)
    return float(values.std(ddof=1) / values.mean())


def at_default_pair(records: Records) -> Records:
    """Return the runs at (β, γ) = (0.999, 0.9), annealed ones left out."""
    runs = records.runs
    is_default = (runs.beta == 0.999) & (runs.gamma == 0.9)
    return records.where(runs[is_default & ~runs.schedule.str.startswith("annealed")])


def annealed_updates(records: Records) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return n, η_n‖u_n‖∞/η_0 and ‖u_n‖∞, (steps, runs)."""
    n, update = records.matrix("max_update")
    _, lr = records.matrix("lr")
    return n, update * lr / lr[0], update


def annealing_cost(records: Records) -> pd.Series:
    """Return by how much annealing raises the best test loss, in nats.

    Both runs of a pair share its (β, γ), its seed, warm-up and cosine; one is annealed on top.

    Args:
        records: of both schedules, at the same points.

    Returns:
        By ``C`` and ``seed``.
    """
    best = best_losses(records)
    table = best.pivot(index=["C", "seed"], columns="schedule", values="best")
    return table[ANNEALED] - table[NOT_ANNEALED]
