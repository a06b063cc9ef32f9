"""Claims on Equation (4): the continuous-time trajectory against the discrete steps (Fig. 1)."""

from __future__ import annotations

from functools import partial

import numpy as np

from adamct.analysis.trajectories import ends_by_lr, relative_error, scheme_differences
from adamct.claims.criterion import AllOf, Criterion, Estimate, InconclusiveError
from adamct.claims.verdict import Claim
from adamct.records import Records

EARLY = 20  # steps; later, training multiplies any small difference


def error_at_the_end(records: Records) -> Estimate:
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


def forced_error_at_the_end(records: Records) -> Estimate:
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


def correlation_at_the_end(records: Records) -> Estimate:
    """Smallest correlation of θ(t_N) − θ_0 with θ_N − θ_0 over all parameters, over the runs."""
    n, correlation = records.matrix("continuous_correlation")
    worst = float(correlation[-1].min())
    detail = (
        f"correlation {worst:.4f} to {correlation[-1].max():.4f} at N = {n[-1]}, over all "
        f"parameters of {len(records.runs)} runs; at least {correlation.min():.4f} at every n"
    )
    return Estimate(worst, len(records.runs), detail)


def error_at_smallest_lr(records: Records) -> Estimate:
    """Relative displacement error at the last step for the smallest learning rate, over seeds.

    Beside it: at how many learning rates the error is no smaller than at the next larger one.
    """
    n, _ = relative_error(records, "continuous_gap")
    by_lr = ends_by_lr(records)
    words = [
        f"{100 * error:.3g} % at η = {lr:g} (correlation {correlation:.4f})"
        for lr, error, correlation in by_lr.reset_index().to_numpy()
    ]
    detail = (
        f"relative error of the displacement at N = {n[-1]}: {', '.join(words)}; the time Nη falls "
        "with η, and with it what training multiplies the error by"
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


limited = partial(Criterion, interval=False)
OF_DISPLACEMENT = "% of the displacement"
ERROR = "at the last step, the largest error over all parameters of any run"

in_figure_1 = partial(Claim, figure="fig01", reads=("trajectory",), whole_runs=True)

CLAIMS = (
    in_figure_1(
        name="continuous-follows-discrete",
        reference="Section 2.3, Fig. 1",
        statement="The continuous-time trajectory closely agrees with the discrete one",
        # The paper says "closely agrees" and gives no number.
        criterion=limited(ERROR, at_most=0.2, unit=OF_DISPLACEMENT),
        evaluate=error_at_the_end,
    ),
    in_figure_1(
        name="continuous-follows-given-gradients",
        kind="extension",
        reference="beyond the paper: what Equation (4) itself leaves out",
        statement="Given the gradients of the discrete steps, Equation (4) follows them",
        # About as much as being one step late.
        criterion=limited(ERROR, at_most=0.05, unit=OF_DISPLACEMENT),
        evaluate=forced_error_at_the_end,
    ),
    in_figure_1(
        name="continuous-correlates-with-discrete",
        reference="Section 2.3, Fig. 1",
        statement="Both trajectories move the parameters alike",
        criterion=limited(
            "at the last step, the smallest correlation over all parameters of any run",
            at_least=0.95,
        ),
        evaluate=correlation_at_the_end,
    ),
    in_figure_1(
        name="euler-is-resolved",
        kind="extension",
        reference="beyond the paper: an exponential scheme",
        statement="K = 100 Euler substeps and an exponential scheme solve Equation (4) alike up to "
        f"n = {EARLY}; later, training multiplies what is left of the solver's error, too",
        # Well below what the continuous model itself differs by.
        criterion=limited(
            f"the difference of the two at n = {EARLY}", at_most=0.05, unit=OF_DISPLACEMENT
        ),
        evaluate=difference_of_schemes,
    ),
    Claim(
        name="continuous-is-the-limit",
        figure="fig01",
        kind="extension",
        reference="beyond the paper: smaller learning rates",
        statement="As η falls, the discrete steps approach the continuous-time trajectory",
        criterion=AllOf(
            (
                limited(
                    "after equally many steps, the relative error (mean over seeds) at the "
                    "smallest η",
                    at_most=0.05,
                    unit="%",
                ),
                limited(
                    "the number of η at which it is no smaller than at the next larger one",
                    at_least=0,
                    at_most=0,
                    note="the time Nη shrinks with η, so this shows less amplification, rather "
                    "than the limit at a fixed time, which the tests regress",
                ),
            )
        ),
        reads=("trajectory_learning_rate",),
        evaluate=error_at_smallest_lr,
        whole_runs=True,
    ),
)
