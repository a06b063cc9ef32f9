"""Norms of scale-invariant weights: measured, predicted, and as a moving average of ‖u‖²."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from adamct.records import Records
from adamct.theory import NormLaws, norm_laws, squared_norm_growth


def norm_predictions(records: Records, run: Any) -> NormLaws:
    """Evaluate all that predicts ‖W‖² on one run of ``norm_growth``, over its heads.

    Args:
        records: that hold the run.
        run: its row of ``records.runs``, as a named tuple.
    """
    names = ("head_squared_norms", "head_squared_updates", "head_mean_second_moments")
    return norm_laws(
        *(records.vectors(run.run_id, name)[1] for name in names),
        lr=run.lr,
        beta=run.beta,
        gamma=run.gamma,
        weight_decay=run.weight_decay,
    )


def all_norm_predictions(records: Records, **columns: Any) -> list[NormLaws]:
    """Evaluate :func:`norm_predictions` on the runs whose columns have the given values."""
    runs = records.runs
    for name, value in columns.items():
        runs = runs[runs[name] == value]
    return [norm_predictions(records, run) for run in runs.itertuples()]


def growth_ratio(laws: NormLaws, law: str, start: int, stop: int) -> np.ndarray:
    """Return the growth of ‖W‖² from one step to another over a law's, (heads,).

    Growth is what ‖W_n‖² has gained beside ‖W_0‖² e^{−2λt}.

    Args:
        laws: measured and predicted.
        law: the name of the prediction, an attribute of ``NormLaws``.
        start: a step; 0 takes in what comes before m has filled.
        stop: a later one.
    """
    grown, predicted = (
        np.subtract(*(values - laws.decayed)[[stop, start]])
        for values in (laws.measured, getattr(laws, law))
    )
    return np.asarray(grown / predicted)


def growth_by_gamma(records: Records, second_moment: str, start: int, stop: int) -> pd.DataFrame:
    """Return the median over heads of growth over Eq. (8)'s: a row per γ, a column per seed.

    Without weight decay. Eq. (8) gives 1, and with momentum (1+γ)/(1−γ) is expected.
    """
    runs = records.runs[records.runs.query_key_second_moment == second_moment]
    table = {
        (run.gamma, run.seed): np.median(
            growth_ratio(norm_predictions(records, run), "printed", start, stop)
        )
        for run in runs[runs.weight_decay == 0].itertuples()
    }
    return pd.Series(table).unstack()


def dropped_over_kept(records: Records, run: Any) -> np.ndarray:
    """Return −2⟨W_n, u_n⟩ / (η‖u_n‖²), what Assumption 1 drops over what Theorem 2 keeps.

    From ‖W_{n+1}‖² = (1−ηλ)²‖W_n‖² − 2η(1−ηλ)⟨W_n, u_n⟩ + η²‖u_n‖². 0 if the assumption holds,
    2γ/(1−γ) for stationary gradients and coarse-grained v.

    Returns:
        For n = 0 … N − 1, (steps, heads).
    """
    _, φ = records.vectors(run.run_id, "head_squared_norms")
    _, u2 = records.vectors(run.run_id, "head_squared_updates")
    keep, kept = 1 - run.lr * run.weight_decay, run.lr**2 * u2
    return np.asarray((φ[1:] - keep**2 * φ[:-1] - kept) / (keep * kept))


def norm_and_average(records: Records, run: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return ‖W_n‖² and η/(2λ) · (moving average of ‖u‖²) for n ≥ N/2.

    Under Eq. (8) ‖W_n‖² tends to η/(2λ) times the moving average of ‖u‖² with decay e^{−2ηλ},
    which is what the second level of 2-Adam with γ_2 = 0 divides by (Section 4.2). The average
    starts at 0: it is what Eq. (8) adds to ‖W_0‖² e^{−2λt}, η² Σ_{j<n} e^{−2ηλ(n−j)} ‖u_j‖².

    Returns:
        Each of shape (steps, heads).
    """
    _, norms = records.vectors(run.run_id, "head_squared_norms")
    _, u2 = records.vectors(run.run_id, "head_squared_updates")
    average = squared_norm_growth(0 * norms[0], u2, lr=run.lr, weight_decay=run.weight_decay)
    half = len(norms) // 2
    return norms[half:], average[half:]


def average_correlations(records: Records, second_moment: str) -> np.ndarray:
    """Return the correlation over n of ln ‖W_n‖² with the ln of its moving average.

    Returns:
        Of every head of every run with that second moment, (heads,).
    """
    found = []
    for run in records.runs[records.runs.query_key_second_moment == second_moment].itertuples():
        norms, average = norm_and_average(records, run)
        pairs = zip(np.log(norms).T, np.log(average).T, strict=True)
        found += [np.corrcoef(norm, mean)[0, 1] for norm, mean in pairs]
    return np.array(found)


def equilibrium_factors(records: Records, second_moment: str) -> pd.DataFrame:
    """Return ‖W_n‖² over its moving average: a row per γ, a column per seed.

    The median over n ≥ N/2 and heads at once. Eq. (8) gives 1, and with momentum (1+γ)/(1−γ),
    :func:`adamct.theory.memory_factor`.
    """
    runs = records.runs[records.runs.query_key_second_moment == second_moment]
    table = {
        (run.gamma, run.seed): np.median(np.divide(*norm_and_average(records, run)))
        for run in runs.itertuples()
    }
    return pd.Series(table).unstack()
