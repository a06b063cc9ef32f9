"""Distances between trajectories of parameters: discrete steps, Equation (4), coarse-grained v."""

from __future__ import annotations

import numpy as np
import pandas as pd

from adamct.records import Records


def relative_error(records: Records, gap: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a distance to the discrete steps over how far those have moved, ‖θ_n − θ_0‖.

    Args:
        records: of runs beside which Equation (4) was solved.
        gap: ``"continuous_gap"``, of the solution that takes its own gradients; or
            ``"driven_gap"``, of the one that is forced by the gradients of the discrete steps.

    Returns:
        The steps n = 1 … N, and the error, (steps, runs).
    """
    n, distance = records.matrix(gap)
    _, moved = records.matrix("displacement")
    return n[1:], distance[1:] / moved[1:]


def scheme_differences(records: Records) -> list[np.ndarray]:
    """Compare Euler's scheme with the exponential one on the sampled parameters.

    Returns:
        For each weight decay and seed that was solved with both, the distance of the two
        displacements over that of the exponential scheme, for n = 1 … N.
    """
    differences = []
    for _, pair in records.runs.groupby(["weight_decay", "seed"]):
        by_scheme = pair.set_index("scheme").run_id
        if {"euler", "exponential"} <= set(by_scheme.index):
            euler, exponential = (
                displacements(records, str(by_scheme[name]), "continuous_sampled_parameters")[1:]
                for name in ("euler", "exponential")
            )
            norms = np.linalg.norm(exponential, axis=1)
            differences.append(np.linalg.norm(euler - exponential, axis=1) / norms)
    return differences


def ends_by_lr(records: Records) -> pd.DataFrame:
    """Return the relative error and the correlation at the last step, means over seeds.

    Returns:
        ``error, correlation``, indexed by η in rising order.
    """
    _, error = relative_error(records, "continuous_gap")
    _, correlation = records.matrix("continuous_correlation")
    ends = pd.DataFrame({"error": error[-1], "correlation": correlation[-1]})
    return ends.groupby(records.runs.lr.to_numpy()).mean()


def displacements(records: Records, run_id: str, name: str) -> np.ndarray:
    """Return θ_n − θ_0 of the parameters in one vector of one run, (N + 1, parameters)."""
    _, values = records.vectors(run_id, name)
    return values - values[0]


def query_key_displacements(records: Records, second_moment: str) -> np.ndarray:
    """Return θ_n − θ_0 of the sampled query and key parameters, (N + 1, parameters of all seeds).

    Args:
        records: of the experiment on coarse-graining.
        second_moment: ``"elementwise"`` or ``"tensor_mean"``.
    """
    runs = records.runs[records.runs.query_key_second_moment == second_moment].sort_values("seed")
    parts = [displacements(records, run_id, "query_key_sample") for run_id in runs.run_id]
    return np.concatenate(parts, axis=1)


def relative_difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return ‖one − other‖ / ‖one‖.

    >>> relative_difference(np.array([3.0, 4.0]), np.array([3.0, 3.0]))
    0.2
    """
    return float(np.linalg.norm(one - other) / np.linalg.norm(one))
