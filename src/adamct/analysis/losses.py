"""Test losses along a curve of (β, γ), and the updates of annealed runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from adamct.records import Records


def first_third(n_steps: Any) -> Any:
    """Return the last step that counts as early in training, of numbers of steps or an array."""
    return n_steps / 3


def loss_table(records: Records) -> pd.DataFrame:
    """Return one row per run and evaluation, where the test loss is finite.

    Returns:
        ``run_id, n, test_loss, beta, gamma, C, n_steps``.
    """
    table = records.scalars[["run_id", "n", "test_loss"]].merge(
        records.runs[["run_id", "beta", "gamma", "C", "n_steps"]], on="run_id"
    )
    return table[np.isfinite(table.test_loss)]


def best_losses(records: Records) -> pd.DataFrame:
    """Return the best test losses of every run.

    Returns:
        One row a run: ``beta, gamma, C``; the best test loss in the first third of the steps
        (``early``) and in all (``best``). A run that diverged counts with what it reached before.
    """
    losses = loss_table(records)
    early = losses[losses.n <= first_third(losses.n_steps)]
    lowest = pd.DataFrame(
        {
            "early": early.groupby("run_id").test_loss.min(),
            "best": losses.groupby("run_id").test_loss.min(),
        }
    )
    return records.runs[["run_id", "beta", "gamma", "C"]].join(lowest, on="run_id")


def best_losses_by_point(records: Records) -> pd.DataFrame:
    """Return the mean over seeds of :func:`best_losses`, one row per (β, γ), in order of C."""
    best = best_losses(records)
    means = best.groupby(["beta", "gamma", "C"], as_index=False)[["early", "best"]].mean()
    return means.sort_values("C", ignore_index=True)


def spearman(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Rank correlation of two samples; 0 where one is constant, as a resample of one point is.

    >>> spearman(np.array([1, 2, 3]), np.array([1.0, 4.0, 9.0])).item()
    1.0
    """
    n = x.shape[axis]
    x, y = (rankdata(sample, axis=axis) - (n + 1) / 2 for sample in (x, y))

    def covariance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return (one * other).sum(axis=axis) * (1 / (n - 1))  # rounded as np.corrcoef rounds it

    scales = np.sqrt(covariance(x, x)), np.sqrt(covariance(y, y))
    known = (scales[0] > 0) & (scales[1] > 0)
    with np.errstate(invalid="ignore"):
        return np.where(known, covariance(x, y) / scales[0] / scales[1], 0.0)


def steepness(C: np.ndarray, loss: np.ndarray) -> float:
    """Return by how much a loss rises per unit of −C, by least squares; 0 at one C alone."""
    return float(-np.polyfit(C, loss, 1)[0]) if np.ptp(C) else 0.0


def relative_spread(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return the standard deviation over the mean."""
    return np.std(values, axis=axis, ddof=1) / np.mean(values, axis=axis)


def at_default_pair(records: Records) -> Records:
    """Return the runs at (β, γ) = (0.999, 0.9), annealed ones left out."""
    runs = records.runs
    is_default = (runs.beta == 0.999) & (runs.gamma == 0.9)
    return records.where(runs[is_default & ~runs.schedule.str.startswith("annealed")])


def best_at_default_pair(records: Records) -> float:
    """Return the best test loss of :func:`at_default_pair`, the mean over seeds; NaN for none."""
    return float(best_losses(at_default_pair(records)).best.mean())


def annealed_updates(records: Records) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return n, η_n‖u_n‖∞/η_0 and ‖u_n‖∞, (steps, runs)."""
    n, update = records.matrix("max_update")
    _, lr = records.matrix("lr")
    return n, update * lr / lr[0], update
