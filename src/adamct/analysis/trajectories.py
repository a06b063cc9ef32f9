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


def scheme_differences(records: Records) -> np.ndarray:
    """Compare Euler's scheme with the exponential one on the sampled parameters.

    Returns:
        For each seed, the distance of the two displacements over that of the exponential scheme,
        for n = 1 … N, (N, seeds).
    """
    differences = []
    for _, pair in records.runs.groupby("seed"):
        by_scheme = pair.set_index("scheme").run_id
        euler, exponential = (
            displacements(records, str(by_scheme[name]), "continuous_sampled_parameters")
            for name in ("euler", "exponential")
        )
        differences.append(relative_differences(exponential, euler))
    return np.transpose(differences)


def errors_by_lr(records: Records, gap: str, n: int) -> pd.DataFrame:
    """Return the relative error at step n: a row per η in rising order, a column per seed.

    Args:
        records: of runs that differ in η.
        gap: as in :func:`relative_error`.
        n: the step, from 1 on.
    """
    _, error = relative_error(records, gap)
    runs = records.runs.assign(error=error[n - 1])
    return runs.pivot(index="lr", columns="seed", values="error")


def displacements(records: Records, run_id: str, name: str) -> np.ndarray:
    """Return θ_n − θ_0 of the parameters in one vector of one run, (N + 1, parameters)."""
    _, values = records.vectors(run_id, name)
    return values - values[0]


def coarse_graining_differences(records: Records) -> tuple[np.ndarray, np.ndarray]:
    """Compare the runs of one seed with v elementwise and coarse-grained, and a control.

    The control changes next to nothing: the same run at an η that is larger by 1 %. What it
    differs by beyond that, training has made of it.

    Returns:
        Relative differences of the displacements for n = 1 … N, (N,) each: that of the two kinds
        of v at the smaller η, and the control's, the mean over the kinds.
    """
    moved = {
        (run.query_key_second_moment, run.lr): displacements(
            records, str(run.run_id), "query_key_sample"
        )
        for run in records.runs.itertuples()
    }
    η, larger = sorted(set(records.runs.lr))
    own, coarse = moved["elementwise", η], moved["tensor_mean", η]
    control = [
        relative_differences(moved[kind, η], moved[kind, larger])
        for kind in ("elementwise", "tensor_mean")
    ]
    return relative_differences(own, coarse), np.mean(control, axis=0)


def relative_differences(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return ‖one_n − other_n‖ / ‖one_n‖ of displacements for n = 1 … N, (N,).

    >>> relative_differences(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 0.0], [3.0, 3.0]]))
    array([0.2])
    """
    norms = np.linalg.norm(one[1:], axis=1)
    return np.asarray(np.linalg.norm(one[1:] - other[1:], axis=1) / norms)
