"""Claims on Equation (4): the continuous-time trajectory against the discrete steps (Fig. 1)."""

from __future__ import annotations

from functools import partial

import numpy as np

from adamct.analysis.trajectories import errors_by_lr, relative_error, scheme_differences
from adamct.claims.criterion import AllOf, Criterion, Estimate, InconclusiveError
from adamct.claims.verdict import Claim
from adamct.records import Records
from adamct.theory import discrete_growth_rate, growth_rate

EARLY = 20  # steps; later, training multiplies any small difference
MEMORY = 10  # steps, 1/(1−γ): what m remembers at γ = 0.9
N_PAIRS = 10_000
SHOWN = 0.9  # the γ whose two decays are given in words


def rates_of_vanished_gradient(_: Records) -> Estimate:
    """Largest error of |C|/2 as the rate at which Lemma 1's u(t) grows without a gradient.

    m and v of Equation (2) then decay at their own rates, whose difference, per step of η, is
    ½(1−β)/β − (1−γ)/γ.
    """
    from adamct.continuous.equation import AdamEquation  # torch, which no other claim needs

    beta, gamma = np.random.default_rng(0).uniform(0.01, 0.9999, size=(2, N_PAIRS))
    lrs = 10 ** np.random.default_rng(1).uniform(-6, 0, size=N_PAIRS)
    equations = [
        AdamEquation(η=η, β=β, γ=γ, λ=0.0) for η, β, γ in zip(lrs, beta, gamma, strict=True)
    ]
    rates = [eq.η * (eq.rate_v / 2 - eq.rate_m) for eq in equations]
    paper, exact = growth_rate(beta, gamma), discrete_growth_rate(beta, gamma)
    grows = paper > 0
    error = np.abs(np.maximum(rates, 0) - paper) / np.maximum(1, paper)
    kernel = np.exp(-AdamEquation(η=1e-3, β=0.999, γ=SHOWN, λ=0.0).rate_m * 1e-3)
    detail = (
        f"{N_PAIRS:,} random (β, γ, η), {grows.sum():,} of them with C < 0, where ln γ − ½ ln β is "
        f"smaller by up to {np.max((paper - exact)[grows]):.3g}; at γ = {SHOWN} the kernel decays "
        f"by {kernel:.4f} a step"
    )
    return Estimate(float(error.max()), N_PAIRS, detail)


def error_at_the_end(records: Records, *, gap: str) -> Estimate:
    """Relative displacement error at the last step, ‖θ(t_N) − θ_N‖ / ‖θ_N − θ_0‖, by Euler.

    Args:
        records: of runs beside which Equation (4) was solved.
        gap: which of its solutions, as :func:`~adamct.analysis.trajectories.relative_error` says.
    """
    euler = _euler(records)
    n, error = relative_error(euler, gap)
    early = [f"{100 * error[:k][-1].mean():.3g} % at n = {min(k, n[-1])}" for k in (5, EARLY)]
    solvers = scheme_differences(records)[-1].mean()
    beside = (
        f"N = {n[-1]}; {', '.join(early)}; two schemes that solve the same equation part by "
        f"{100 * solvers:.2g} % up to N"
    )
    return Estimate.of_seeds(error[-1], beside)


def correlation_at_the_end(records: Records) -> Estimate:
    """Correlation of θ(t_N) − θ_0 with θ_N − θ_0 over all parameters, by Euler."""
    n, correlation = _euler(records).matrix("continuous_correlation")
    early = min(EARLY, n[-1])
    beside = f"N = {n[-1]}; {correlation[early].mean():.4f} at n = {early}"
    return Estimate.of_seeds(correlation[-1], beside)


def _euler(records: Records) -> Records:
    return records.where(records.runs[records.runs.scheme == "euler"].sort_values("seed"))


def difference_of_schemes(records: Records) -> Estimate:
    """Difference of Euler and the exponential scheme over the 16 sampled parameters, n = 20."""
    differences = scheme_differences(records)
    substeps = records.runs.set_index("scheme").n_substeps.to_dict()
    beside = (
        f"Euler at K = {substeps['euler']:.0f}, the exponential scheme at K = "
        f"{substeps['exponential']:.0f}; {100 * differences[-1].mean():.2g} % at the last step: "
        "training multiplies small differences"
    )
    return Estimate.of_seeds(differences[:EARLY][-1], beside)


def error_at_smallest_lr(records: Records) -> Estimate:
    """Relative displacement error at the last step for the smallest learning rate.

    Second part: the largest ratio of it to that at the next larger rate.
    """
    errors = errors_by_lr(records, "continuous_gap", int(records.runs.n_steps.min()))
    words = [f"{100 * error:.3g} % at η = {lr:g}" for lr, error in errors.mean(axis=1).items()]
    ratios = np.max(errors.to_numpy()[:-1] / errors.to_numpy()[1:], axis=0)
    parts = Estimate.of_seeds(errors.iloc[0]), Estimate.of_seeds(ratios)
    detail = (
        f"{parts[0].detail}; {', '.join(words)}; at most {ratios.mean():.2g} times that at the "
        "next larger η; the time Nη falls with η, and with it what training multiplies the error by"
    )
    return Estimate.of_parts(*parts, detail=detail)


def error_that_stays(records: Records) -> Estimate:
    """Error for given gradients after 1/(1−γ) steps, at the smallest η over that at the largest."""
    if records.runs.n_steps.min() < MEMORY:
        raise InconclusiveError(f"the record ends before n = {MEMORY}")
    errors = errors_by_lr(records, "driven_gap", MEMORY)
    words = [f"{100 * error:.3g} % at η = {lr:g}" for lr, error in errors.mean(axis=1).items()]
    shrinks = errors.index[0] / errors.index[-1]
    beside = f"{', '.join(words)}; an error of order η would give {shrinks:.2g}"
    return Estimate.of_seeds(errors.iloc[0] / errors.iloc[-1], beside)


of_displacement = partial(Criterion, unit="% of the displacement")
AT_THE_END = "the error over all parameters at the last step"

in_figure_1 = partial(Claim, figure="fig01", reads=("trajectory",), whole_runs=True)
beyond = partial(in_figure_1, kind="extension")
of_smaller_rates = partial(
    beyond,
    reference="beyond the paper: smaller learning rates",
    reads=("trajectory_learning_rate",),
)

CLAIMS = (
    beyond(
        name="lemma-1-kernel",
        kind="theorem",
        reference="Lemma 1, Proposition 1",
        statement="While a gradient is 0, u(t) grows by |C|/2 a step, whatever η, and u_n by "
        "ln γ − ½ ln β: the kernel decays by e^{−(1−γ)/γ} where Adam's sum decays by γ",
        criterion=Criterion(
            "the largest relative error of |C|/2 as the rate of u(t)",
            at_most=1e-9,
            confidence=None,
        ),
        reads=(),
        evaluate=rates_of_vanished_gradient,
        whole_runs=False,
    ),
    in_figure_1(
        name="continuous-follows-discrete",
        reference="Section 2.3, Fig. 1",
        statement="The continuous-time trajectory closely agrees with the discrete one",
        # The paper gives no number: as near as a law has to be.
        criterion=of_displacement(AT_THE_END, at_most=0.25),
        evaluate=partial(error_at_the_end, gap="continuous_gap"),
    ),
    beyond(
        name="continuous-follows-given-gradients",
        reference="beyond the paper: what Equation (4) itself leaves out",
        statement="Given the gradients of the discrete steps, Equation (4) follows them",
        criterion=of_displacement(AT_THE_END, at_most=0.05),  # about as much as one step late
        evaluate=partial(error_at_the_end, gap="driven_gap"),
    ),
    beyond(
        name="continuous-correlates-with-discrete",
        reference="beyond the paper: Fig. 1 as one number",
        statement="Both trajectories move the parameters alike",
        criterion=Criterion("the correlation over all parameters at the last step", at_least=0.95),
        evaluate=correlation_at_the_end,
    ),
    beyond(
        name="euler-is-resolved",
        reference="beyond the paper: an exponential scheme",
        statement=f"K = 100 Euler substeps and an exponential scheme agree up to n = {EARLY}",
        # Well below what the continuous model itself differs by.
        criterion=of_displacement(f"the difference of the two at n = {EARLY}", at_most=0.05),
        evaluate=difference_of_schemes,
    ),
    of_smaller_rates(
        name="continuous-is-the-limit",
        statement="As η falls, the discrete steps approach the continuous-time trajectory",
        criterion=AllOf(
            (
                of_displacement(
                    "after equally many steps, the error at the smallest η", at_most=0.05
                ),
                Criterion(
                    "the largest ratio of the error at an η to that at the next larger one",
                    at_most=1.0,
                    note="the time Nη shrinks with η, so this shows less amplification, rather "
                    "than the limit at a fixed time, which the tests regress",
                ),
            )
        ),
        evaluate=error_at_smallest_lr,
    ),
    of_smaller_rates(
        name="small-parameter-is-not-lr",
        reference="Section 2.2, which neglects terms of higher order in η",
        statement="The error of Eq. (4) at a fixed number of steps does not vanish with η: what is "
        "small is 1−γ",
        criterion=Criterion(
            f"the error at n = {MEMORY}, for given gradients, at the smallest η over that at the "
            "largest",
            at_least=0.5,
        ),
        evaluate=error_that_stays,
    ),
)
