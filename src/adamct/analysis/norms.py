"""Norms of scale-invariant weights: measured, predicted, and as a moving average of ‖u‖²."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

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
    """Evaluate :func:`norm_predictions` on the runs whose columns have the given values.

    Runs of one seed that differ in λ hold nearly the same matrices: a statistic whose interval
    takes matrices as independent asks for one λ.
    """
    runs = records.runs
    for name, value in columns.items():
        runs = runs[runs[name] == value]
    return [norm_predictions(records, run) for run in runs.itertuples()]


def growth_ratios(found: Sequence[NormLaws], law: str, n: int | None = None) -> np.ndarray:
    """Return the growth of ‖W‖² over a predicted one up to step n, over the heads of all runs.

    Args:
        found: of :func:`all_norm_predictions`.
        law: the name of the prediction, an attribute of ``NormLaws``.
        n: the step, from 1 on; ``None`` for the last.
    """
    row = -1 if n is None else n - 1
    return np.concatenate([laws.ratio(law)[row] for laws in found])


def norm_and_average(records: Records, run: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return ‖W_n‖² and η/(2λ) · (moving average of ‖u‖²) over the second half of a run.

    Under Eq. (8) ‖W_n‖² tends to η/(2λ) times the moving average of ‖u‖² with decay e^{−2ηλ},
    which is what the second level of 2-Adam with γ_2 = 0 divides by (Section 4.2).

    Returns:
        Each of shape (steps, heads).
    """
    _, norms = records.vectors(run.run_id, "head_squared_norms")
    _, u2 = records.vectors(run.run_id, "head_squared_updates")
    average = squared_norm_growth(0 * norms[0], u2, lr=run.lr, weight_decay=run.weight_decay)
    half = len(norms) // 2
    return norms[half:], average[half:]


def average_correlations(records: Records, second_moment: str) -> np.ndarray:
    """Return the correlation over n of ln ‖W_n‖² with the ln of its moving average, (heads,)."""
    found = []
    for run in records.runs[records.runs.query_key_second_moment == second_moment].itertuples():
        norms, average = norm_and_average(records, run)
        pairs = zip(np.log(norms).T, np.log(average).T, strict=True)
        found += [np.corrcoef(norm, mean)[0, 1] for norm, mean in pairs]
    return np.array(found)


def equilibrium_factors(records: Records) -> list[tuple[float, np.ndarray]]:
    """Return γ, and the median over n of ‖W_n‖² over its moving average (heads,), coarse-grained.

    Eq. (8) gives 1, and with momentum (1+γ)/(1−γ), :func:`adamct.theory.memory_factor`.
    """
    found = []
    for run in records.runs[records.runs.query_key_second_moment == "tensor_mean"].itertuples():
        norms, average = norm_and_average(records, run)
        found.append((float(str(run.gamma)), np.median(norms / average, axis=0)))
    return found


def growth_by_gamma(records: Records) -> dict[float, np.ndarray]:
    """Return, per γ > 0, the growth of ‖W‖² over Eq. (8)'s at the last step, (heads of all runs,).

    At λ = 0 with coarse-grained v. With momentum (1+γ)/(1−γ) is expected.
    """
    kind: dict[str, Any] = {"query_key_second_moment": "tensor_mean", "weight_decay": 0.0}
    return {
        gamma: growth_ratios(all_norm_predictions(records, gamma=gamma, **kind), "printed")
        for gamma in sorted(set(records.runs.gamma) - {0.0})
    }
