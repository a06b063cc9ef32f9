"""Claims on Equation (4): the continuous-time trajectory against the discrete steps (Fig. 1)."""

from __future__ import annotations

from functools import partial

import numpy as np

from adamct.analysis.statistics import span
from adamct.analysis.trajectories import ends_by_lr, relative_error, scheme_differences
from adamct.claims.criterion import AllOf, Criterion, Estimate, InconclusiveError, none
from adamct.claims.verdict import Claim
from adamct.records import Records

EARLY = 20  # steps; later, training multiplies any small difference


def error_at_the_end(records: Records, *, gap: str) -> Estimate:
    """Largest relative displacement error, ‖θ(t_N) − θ_N‖ / ‖θ_N − θ_0‖, over the runs.

    Args:
        records: of runs beside which Equation (4) was solved.
        gap: which of its solutions, as :func:`~adamct.analysis.trajectories.relative_error` says.
    """
    n, error = relative_error(records, gap)
    percent = 100 * error
    early = [f"{percent[:k][-1].max():.3g} % at n = {min(k, n[-1])}" for k in (5, EARLY)]
    detail = (
        f"{len(records.runs)} runs, {span(percent[-1])} % at N = {n[-1]} over all parameters; at "
        f"most {', '.join(early)}; {span(percent)} % at any n ≥ 1"
    )
    return Estimate(float(error[-1].max()), len(records.runs), detail)


def correlation_at_the_end(records: Records) -> Estimate:
    """Smallest correlation of θ(t_N) − θ_0 with θ_N − θ_0 over all parameters, over the runs."""
    n, correlation = records.matrix("continuous_correlation")
    detail = (
        f"{len(records.runs)} runs, {span(correlation[-1], '.4f')} at N = {n[-1]}; at least "
        f"{correlation.min():.4f} at every n"
    )
    return Estimate(float(correlation[-1].min()), len(records.runs), detail)


def error_at_smallest_lr(records: Records) -> Estimate:
    """Relative displacement error at the last step for the smallest learning rate, over seeds.

    Beside it: at how many learning rates the error is no smaller than at the next larger one.
    """
    by_lr = ends_by_lr(records)
    words = [
        f"{100 * error:.3g} % at η = {lr:g} (correlation {correlation:.4f})"
        for lr, error, correlation in by_lr.reset_index().to_numpy()
    ]
    detail = (
        f"{len(records.runs)} runs, {', '.join(words)}; the time Nη falls with η, and with it what "
        "training multiplies the error by"
    )
    smallest = float(by_lr.error.iloc[0])
    not_falling = int((np.diff(by_lr.error) <= 0).sum())
    parts = (Estimate(smallest), Estimate(not_falling))
    return Estimate(smallest, len(records.runs), detail, parts=parts)


def difference_of_schemes(records: Records) -> Estimate:
    """Difference of Euler and the exponential scheme over the 16 sampled parameters, n = 20."""
    differences = scheme_differences(records)
    if not differences:
        raise InconclusiveError("no run was solved with both schemes")
    early, last = (
        max(float(difference[:n][-1]) for difference in differences) for n in (EARLY, None)
    )
    substeps = records.runs.set_index("scheme").n_substeps.to_dict()
    detail = (
        f"{len(differences)} pairs of Euler at K = {substeps['euler']:.0f} and the exponential "
        f"scheme at K = {substeps['exponential']:.0f}, over the sampled parameters; "
        f"{100 * last:.2g} % at the last step: training multiplies small differences"
    )
    return Estimate(early, len(differences), detail)


limited = partial(Criterion, confidence=None, unit="% of the displacement")
ERROR = "at the last step, the largest error over all parameters of any run"

beside_the_steps = partial(Claim, figure="fig01", reads=("trajectory",), whole_runs=True)
beyond = partial(beside_the_steps, kind="extension")

CLAIMS = (
    beside_the_steps(
        name="continuous-follows-discrete",
        reference="Section 2.3, Fig. 1",
        statement="The continuous-time trajectory closely agrees with the discrete one",
        criterion=limited(ERROR, at_most=0.2),  # the paper gives no number
        evaluate=partial(error_at_the_end, gap="continuous_gap"),
    ),
    beyond(
        name="continuous-follows-given-gradients",
        reference="beyond the paper: what Equation (4) itself leaves out",
        statement="Given the gradients of the discrete steps, Equation (4) follows them",
        criterion=limited(ERROR, at_most=0.05),  # about as much as being one step late
        evaluate=partial(error_at_the_end, gap="driven_gap"),
    ),
    beside_the_steps(
        name="continuous-correlates-with-discrete",
        reference="Section 2.3, Fig. 1",
        statement="Both trajectories move the parameters alike",
        criterion=limited(
            "at the last step, the smallest correlation of any run", at_least=0.95, unit=""
        ),
        evaluate=correlation_at_the_end,
    ),
    beyond(
        name="euler-is-resolved",
        reference="beyond the paper: an exponential scheme",
        statement=f"K = 100 Euler substeps and an exponential scheme agree up to n = {EARLY}",
        # Well below what the continuous model itself differs by.
        criterion=limited(f"the difference of the two at n = {EARLY}", at_most=0.05),
        evaluate=difference_of_schemes,
    ),
    beyond(
        name="continuous-is-the-limit",
        reference="beyond the paper: smaller learning rates",
        statement="As η falls, the discrete steps approach the continuous-time trajectory",
        criterion=AllOf(
            (
                limited(
                    "after equally many steps, the mean error over seeds at the smallest η",
                    at_most=0.05,
                ),
                none(
                    "the number of η at which it is no smaller than at the next larger one",
                    note="the time Nη shrinks with η, so this shows less amplification, rather "
                    "than the limit at a fixed time, which the tests regress",
                ),
            )
        ),
        reads=("trajectory_learning_rate",),
        evaluate=error_at_smallest_lr,
    ),
)
