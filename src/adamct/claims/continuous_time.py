"""Claims on Equation (4): the continuous-time trajectory against the discrete steps (Fig. 1)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from adamct.claims.verdict import Claim, Finding, Status, inconclusive, of_whole_runs
from adamct.records import Records

CLOSE = 0.2  # of the displacement; the paper says "closely agrees" and gives no number
CORRELATED = 0.95
RESOLVED = 0.05  # well below what the continuous model itself differs by
GIVEN = 0.05  # with the gradients of the steps: about as much as being one step late
EARLY = 20  # steps; later, training multiplies any small difference


def _relative_error(records: Records, gap: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps n from 0 on, and a gap over ‖θ_n − θ_0‖ from n = 1 on, (steps, runs)."""
    n, distance = records.matrix(gap)
    _, moved = records.matrix("displacement")
    return n, distance[1:] / moved[1:]


@of_whole_runs
def follows(records: Records) -> Finding:
    """Largest relative displacement error, ‖θ(t_N) − θ_N‖ / ‖θ_N − θ_0‖, over the runs."""
    n, error = _relative_error(records, "continuous_gap")
    _, given = _relative_error(records, "driven_gap")
    worst = float(error[-1].max())
    detail = (
        f"‖θ(t_N) − θ_N‖ is {100 * error[-1].min():.3g} to {100 * worst:.3g} % of ‖θ_N − θ_0‖ at "
        f"N = {n[-1]}, over all parameters of {len(records.runs)} runs; {100 * error.min():.3g} to "
        f"{100 * error.max():.3g} % at any n ≥ 1, {100 * error[:EARLY][-1].max():.3g} % at n = "
        f"{min(EARLY, n[-1])}; with the gradients of the steps, at most "
        f"{100 * given[-1].max():.2g} % at N: the rest is what training makes of it"
    )
    return Finding(_status(worst <= CLOSE), worst, None, len(records.runs), detail)


@of_whole_runs
def follows_given_gradients(records: Records) -> Finding:
    """The same error for the solution that is driven by the gradients of the discrete steps."""
    n, error = _relative_error(records, "driven_gap")
    worst = float(error[-1].max())
    early = [100 * float(error[:k][-1].max()) for k in (5, EARLY)]
    detail = (
        f"with g(t) = g_n in step n, ‖θ(t_N) − θ_N‖ is at most {100 * worst:.2g} % of ‖θ_N − θ_0‖ "
        f"at N = {n[-1]} over {len(records.runs)} runs, {early[0]:.2g} % at n = 5 and "
        f"{early[1]:.2g} % at n = {min(EARLY, n[-1])}"
    )
    return Finding(_status(worst <= GIVEN), worst, None, len(records.runs), detail)


@of_whole_runs
def correlates(records: Records) -> Finding:
    """Smallest correlation of θ(t_N) − θ_0 with θ_N − θ_0 over all parameters, over the runs."""
    n, correlation = records.matrix("continuous_correlation")
    worst = float(correlation[-1].min())
    detail = (
        f"correlation {worst:.4f} to {correlation[-1].max():.4f} at N = {n[-1]}, over all "
        f"parameters of {len(records.runs)} runs; at least {correlation.min():.4f} at every n"
    )
    return Finding(_status(worst >= CORRELATED), worst, None, len(records.runs), detail)


@of_whole_runs
def approaches(records: Records) -> Finding:
    """Relative displacement error at the last step for the smallest learning rate, over seeds."""
    n, error_at = _relative_error(records, "continuous_gap")
    _, correlation = records.matrix("continuous_correlation")
    ends = pd.DataFrame({"error": error_at[-1], "correlation": correlation[-1]})
    by_lr = ends.groupby(records.runs.lr.to_numpy()).mean()  # in the order of η
    words = [
        f"{100 * row.error:.3g} % at η = {row.Index:g} (correlation {row.correlation:.4f})"
        for row in by_lr.itertuples()
    ]
    detail = (
        f"relative error of the displacement at N = {n[-1]}: {', '.join(words)}; the time Nη falls "
        "with η, and with it what training multiplies the error by"
    )
    error = by_lr.error.to_numpy()
    falls = bool((np.diff(error) > 0).all())
    status = _status(error[0] <= 0.05 and falls)
    return Finding(status, float(error[0]), None, len(records.runs), detail)


@of_whole_runs
def resolved(records: Records) -> Finding:
    """Difference of Euler and the exponential scheme over the 16 sampled parameters, n = 20."""
    differences = []
    for _, pair in records.runs.groupby(["weight_decay", "seed"]):
        by_scheme = pair.set_index("scheme").run_id
        if {"euler", "exponential"} <= set(by_scheme.index):
            euler, exponential = (
                _displacements(records, str(by_scheme[name])) for name in ("euler", "exponential")
            )
            norms = np.linalg.norm(exponential, axis=1)
            differences.append(np.linalg.norm(euler - exponential, axis=1) / norms)
    if not differences:
        return inconclusive("no run was solved with both schemes")
    early = max(float(difference[:EARLY][-1]) for difference in differences)
    last = max(float(difference[-1]) for difference in differences)
    substeps = records.runs.set_index("scheme").n_substeps.to_dict()
    detail = (
        f"Euler at K = {substeps['euler']:.0f} and the exponential scheme at K = "
        f"{substeps['exponential']:.0f} differ by {100 * early:.2g} % of the displacement over the "
        f"sampled parameters at n = {min(EARLY, len(differences[0]))}, and by {100 * last:.2g} % "
        "at the last step: training multiplies small differences"
    )
    return Finding(_status(early <= RESOLVED), early, None, len(differences), detail)


def _displacements(records: Records, run_id: str) -> np.ndarray:
    """θ(t_n) − θ_0 of the sampled parameters for n = 1 … N."""
    _, values = records.vectors(run_id, "continuous_sampled_parameters")
    return np.asarray(values[1:] - values[0])


def _status(holds: bool) -> Status:
    return "reproduced" if holds else "not reproduced"


READS = ("trajectory",)

CLAIMS = (
    Claim(
        "continuous-follows-discrete",
        "fig01",
        "Section 2.3, Fig. 1",
        "The continuous-time trajectory closely agrees with the discrete one",
        f"at the last step, the error over all parameters is at most {100 * CLOSE:.0f} % of the "
        "displacement in every run",
        READS,
        follows,
    ),
    Claim(
        "continuous-follows-given-gradients",
        "fig01",
        "beyond the paper: what Equation (4) itself leaves out",
        "Given the gradients of the discrete steps, Equation (4) follows them",
        f"at the last step, the error over all parameters is at most {100 * GIVEN:.0f} % of the "
        "displacement in every run",
        READS,
        follows_given_gradients,
    ),
    Claim(
        "continuous-correlates-with-discrete",
        "fig01",
        "Section 2.3, Fig. 1",
        "Both trajectories move the parameters alike",
        f"correlation over all parameters at least {CORRELATED} at the last step of every run",
        READS,
        correlates,
    ),
    Claim(
        "euler-is-resolved",
        "fig01",
        "beyond the paper: an exponential scheme",
        f"K = 100 Euler substeps and an exponential scheme solve Equation (4) alike up to n = "
        f"{EARLY}; later, training multiplies what is left of the solver's error, too",
        f"they give the displacement at n = {EARLY} within {100 * RESOLVED:.0f} % of each other",
        READS,
        resolved,
    ),
    Claim(
        "continuous-is-the-limit",
        "fig01",
        "beyond the paper: smaller learning rates",
        "As η falls, the discrete steps approach the continuous-time trajectory",
        "after equally many steps, so in a time Nη that shrinks with η, the relative error (mean "
        "over seeds) falls with η, to at most 5 % at the smallest: less amplification, rather than "
        "the limit at a fixed time, which the tests regress",
        ("trajectory_learning_rate",),
        approaches,
    ),
)
