"""Claims on Equation (4): the continuous-time trajectory against the discrete steps (Fig. 1)."""

from __future__ import annotations

from functools import partial

import numpy as np

from adamct.analysis.trajectories import ends_by_lr, relative_error, scheme_differences
from adamct.claims.criterion import AllOf, Criterion, Estimate, InconclusiveError
from adamct.claims.verdict import Claim
from adamct.records import Records

CLOSE = 0.2  # of the displacement; the paper says "closely agrees" and gives no number
CORRELATED = 0.95
RESOLVED = 0.05  # well below what the continuous model itself differs by
GIVEN = 0.05  # with the gradients of the steps: about as much as being one step late
LIMIT = 0.05  # at the smallest learning rate
EARLY = 20  # steps; later, training multiplies any small difference


def follows(records: Records) -> Estimate:
    """Largest relative displacement error, ‖θ(t_N) − θ_N‖ / ‖θ_N − θ_0‖, over the runs."""
    n, error = relative_error(records, "continuous_gap")
    _, given = relative_error(records, "driven_gap")
    worst = float(error[-1].max())
    detail = (
        f"‖θ(t_N) − θ_N‖ is {100 * error[-1].min():.3g} to {100 * worst:.3g} % of ‖θ_N − θ_0‖ at "
        f"N = {n[-1]}, over all parameters of {len(records.runs)} runs; {100 * error.min():.3g} to "
        f"{100 * error.max():.3g} % at any n ≥ 1, {100 * error[:EARLY][-1].max():.3g} % at n = "
        f"{min(EARLY, n[-1])}; with the gradients of the steps, at most "
        f"{100 * given[-1].max():.2g} % at N: the rest is what training makes of it"
    )
    return Estimate(worst, len(records.runs), detail)


def follows_given_gradients(records: Records) -> Estimate:
    """The same error for the solution that is forced by the gradients of the discrete steps."""
    n, error = relative_error(records, "driven_gap")
    worst = float(error[-1].max())
    early = [100 * float(error[:k][-1].max()) for k in (5, EARLY)]
    detail = (
        f"with g(t) = g_n in step n, ‖θ(t_N) − θ_N‖ is at most {100 * worst:.2g} % of ‖θ_N − θ_0‖ "
        f"at N = {n[-1]} over {len(records.runs)} runs, {early[0]:.2g} % at n = 5 and "
        f"{early[1]:.2g} % at n = {min(EARLY, n[-1])}"
    )
    return Estimate(worst, len(records.runs), detail)


def correlates(records: Records) -> Estimate:
    """Smallest correlation of θ(t_N) − θ_0 with θ_N − θ_0 over all parameters, over the runs."""
    n, correlation = records.matrix("continuous_correlation")
    worst = float(correlation[-1].min())
    detail = (
        f"correlation {worst:.4f} to {correlation[-1].max():.4f} at N = {n[-1]}, over all "
        f"parameters of {len(records.runs)} runs; at least {correlation.min():.4f} at every n"
    )
    return Estimate(worst, len(records.runs), detail)


def approaches(records: Records) -> Estimate:
    """Relative displacement error at the last step for the smallest learning rate, over seeds.

    The parts are this error, and at how many learning rates it does not rise from that before.
    """
    n, _ = records.matrix("continuous_gap")
    ends = ends_by_lr(records)
    words = [
        f"{100 * error:.3g} % at η = {lr:g} (correlation {correlation:.4f})"
        for lr, error, correlation in zip(ends.index, ends.error, ends.correlation, strict=True)
    ]
    detail = (
        f"relative error of the displacement at N = {n[-1]}: {', '.join(words)}; the time Nη falls "
        "with η, and with it what training multiplies the error by"
    )
    error = ends.error.to_numpy()
    smallest, exceptions = float(error[0]), int(np.sum(~(np.diff(error) > 0)))
    parts = Estimate(smallest), Estimate(exceptions)
    return Estimate(smallest, len(records.runs), detail, parts=parts)


def resolved(records: Records) -> Estimate:
    """Difference of Euler and the exponential scheme over the 16 sampled parameters, n = 20."""
    differences = scheme_differences(records)
    if not differences:
        raise InconclusiveError("no run was solved with both schemes")
    early = max(float(difference[:EARLY][-1]) for difference in differences)
    last = max(float(difference[-1]) for difference in differences)
    substeps = records.runs.set_index("scheme").n_substeps.to_dict()
    detail = (
        f"Euler at K = {substeps['euler']:.0f} and the exponential scheme at K = "
        f"{substeps['exponential']:.0f} differ by {100 * early:.2g} % of the displacement over the "
        f"sampled parameters at n = {min(EARLY, len(differences[0]))}, and by {100 * last:.2g} % "
        "at the last step: training multiplies small differences"
    )
    return Estimate(early, len(differences), detail)


def error_within(limit: float) -> Criterion:
    """Return the criterion of the largest error over the runs."""
    return Criterion(
        "the largest error of any run at the last step, over all parameters,",
        at_most=limit,
        interval=False,
        unit="% of the displacement",
    )


trajectory_claim = partial(Claim, figure="fig01", reads=("trajectory",), whole_runs=True)
paper = partial(trajectory_claim, reference="Section 2.3, Fig. 1")
extension = partial(trajectory_claim, kind="extension")

CLAIMS = (
    paper(
        name="continuous-follows-discrete",
        statement="The continuous-time trajectory closely agrees with the discrete one",
        criterion=error_within(CLOSE),
        evaluate=follows,
    ),
    extension(
        name="continuous-follows-given-gradients",
        reference="beyond the paper: what Equation (4) itself leaves out",
        statement="Given the gradients of the discrete steps, Equation (4) follows them",
        criterion=error_within(GIVEN),
        evaluate=follows_given_gradients,
    ),
    paper(
        name="continuous-correlates-with-discrete",
        statement="Both trajectories move the parameters alike",
        criterion=Criterion(
            "the smallest correlation of any run at the last step, over all parameters,",
            at_least=CORRELATED,
            interval=False,
        ),
        evaluate=correlates,
    ),
    extension(
        name="euler-is-resolved",
        reference="beyond the paper: an exponential scheme",
        statement="K = 100 Euler substeps and an exponential scheme solve Equation (4) alike up "
        f"to n = {EARLY}; later, training multiplies what is left of the solver's error, too",
        criterion=Criterion(
            f"the largest difference of the two at n = {EARLY}",
            at_most=RESOLVED,
            interval=False,
            unit="% of the displacement",
        ),
        evaluate=resolved,
    ),
    extension(
        name="continuous-is-the-limit",
        reference="beyond the paper: smaller learning rates",
        statement="As η falls, the discrete steps approach the continuous-time trajectory",
        criterion=AllOf(
            (
                Criterion(
                    "the relative error (mean over seeds) at the smallest η",
                    at_most=LIMIT,
                    interval=False,
                    unit="%",
                ),
                Criterion(
                    "the number of steps from one η to the next smaller at which it does not fall",
                    at_least=0,
                    at_most=0,
                    interval=False,
                    note="after equally many steps, so in a time Nη that shrinks with η: less "
                    "amplification, rather than the limit at a fixed time, which the tests regress",
                ),
            )
        ),
        reads=("trajectory_learning_rate",),
        evaluate=approaches,
    ),
)
