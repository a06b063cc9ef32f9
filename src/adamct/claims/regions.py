"""Claims on the regions of the (β, γ) square: Figure 2, and where instability begins (E1)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from adamct.analysis.growth import reach
from adamct.analysis.statistics import span
from adamct.claims.boundedness import STABLE, bound_holds, count_violations, in_region
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError, none
from adamct.claims.numbers import number
from adamct.claims.verdict import Claim
from adamct.records import Records
from adamct.theory import discrete_growth_rate, growth_rate, normal_curve, stability_coefficient

N_CURVES = 200
A_MILLION = 10**6  # random pairs
LEAST_STEPS = 100  # of a run of the map that says something of growth
LEAST_GROWTH = 5.0  # e-foldings at a theory's rate, without which a run says nothing of it
# Of the largest max-update of the second half of the steps over that of the first. Theory allows
# √2, where averages of a longer memory than the run let D_n rise like √n; pilots reach 1.5 at
# (0.9999, 0.97). At a rate that counts, growth would make it e^2.5 and more.
DOUBLES = 2.0


def monotone_along_normal_curves(_: Records) -> Estimate:
    """Count steps at which C does not increase with β along some normal curves."""
    rng = np.random.default_rng(0)
    wrong = checked = 0
    for beta0, gamma0 in rng.uniform(0.02, 0.98, size=(N_CURVES, 2)):
        curve = normal_curve(beta0, gamma0)
        low, high = curve.beta_interval
        beta = np.linspace(low, high, 402)[1:-1]
        steps = np.diff(stability_coefficient(beta, curve.gamma(beta)))
        wrong += int((steps <= 0).sum())
        checked += steps.size
    return Estimate(wrong, checked, f"{checked:,} steps along {N_CURVES} normal curves")


def beta_above_gamma_is_stable(_: Records) -> Estimate:
    """Count random pairs with β > γ and C ≤ 0."""
    pairs = np.sort(np.random.default_rng(1).uniform(0, 1, size=(A_MILLION, 2)), axis=1)
    gamma, beta = pairs[pairs[:, 0] < pairs[:, 1]].T
    wrong = int((stability_coefficient(beta, gamma) <= 0).sum())
    return Estimate(wrong, beta.size, f"{beta.size:,} random pairs with β > γ")


def paper_overestimates(_: Records) -> Estimate:
    """Count random pairs at which |C|/2 lies below the exact growth rate."""
    beta, gamma = np.random.default_rng(2).uniform(0, 1, size=(2, A_MILLION))
    gap = growth_rate(beta, gamma) - discrete_growth_rate(beta, gamma)
    wrong = int((gap < -1e-12).sum())
    strip = np.mean((stability_coefficient(beta, gamma) < 0) & (gamma**2 < beta))
    detail = (
        f"{beta.size:,} random pairs; the strip between C = 0 and γ² = β covers {strip:.1%} of the "
        "square"
    )
    return Estimate(wrong, beta.size, detail)


def largest_rise(records: Records, *, regions: tuple[str, ...], least: float = 0.0) -> Estimate:
    """Largest rise of the max-update, over the runs of some regions, per seed.

    It is ln of the largest max-update of the second half of the steps over that of the first; a run
    that diverged has none, and leaves the claim undecided.

    Args:
        records: of a map of (β, γ).
        regions: as :func:`~adamct.claims.boundedness.in_region` takes them.
        least: e-foldings at the paper's rate that the steps must have room for.
    """
    table = _measured(records, regions, "paper_rate", least)
    top = table.iloc[int(np.nanargmax(table.later_rise))]
    beside = (
        f"over {_pairs(table)} pairs, with a median of {table.later_rise.median():+.3f}; the "
        f"largest at ({top.beta:g}, {top.gamma:g}); max-updates up to {number(table.largest.max())}"
    )
    if least:
        rises = (table.paper_rate * table.n_steps / 2).to_numpy()
        beside += f"; at the paper's rate they would rise by {span(rises)}"
    return _per_seed(table, lambda own: own.later_rise.max(skipna=False), beside)


def excess_over_stable(records: Records) -> Estimate:
    """Least of ln ‖u_n‖∞ + ½ ln(1−β) at its largest, over the runs with γ² > β, per seed.

    No pair of B₊ passes 1/√(1−β) at its β, whatever its γ: D_n ≤ 1/√(1−β) there, and on C = 0 that
    is D_∞. What passes it has left the stable region by its size alone.
    """
    table = _measured(records, BEYOND, "exact_rate", LEAST_GROWTH)
    low = table.iloc[int(np.argmin(table.over_stable))]
    beside = (
        f"over {_pairs(table)} pairs with {LEAST_GROWTH:g} e-foldings or more at the exact rate, "
        f"the least at ({low.beta:g}, {low.gamma:g}); {np.mean(table.largest > 10):.0%} of the "
        f"runs pass 10; max-updates from {number(table.largest.min())} to "
        f"{number(table.largest.max())}"
    )
    return _per_seed(table, lambda own: own.over_stable.min(), beside)


def share_of_exponent(records: Records) -> Estimate:
    """Median of ln of the largest max-update over ln D_N, over the runs with γ² > β, per seed.

    N is the last step with a finite max-update.
    """
    table = _measured(records, BEYOND, "exact_rate", LEAST_GROWTH)
    table = table.assign(exponent=np.log(table.largest) / table.log_bound)
    by_beta = table.groupby("beta").exponent.median()
    beside = (
        f"over {_pairs(table)} pairs with {LEAST_GROWTH:g} e-foldings or more at the exact rate; "
        f"of single runs {span(table.exponent, '.2g')}, from {by_beta.min():.2g} at β = "
        f"{by_beta.idxmin():g} to {by_beta.max():.2g} at β = {by_beta.idxmax():g}"
    )
    return _per_seed(table, lambda own: own.exponent.median(), beside)


def _measured(records: Records, regions: tuple[str, ...], rate: str, least: float) -> pd.DataFrame:
    """Return the runs of some regions with what they reach.

    Args:
        records: of a map of (β, γ).
        regions: which.
        rate: the column of a theory's rate.
        least: how many e-foldings at that rate the steps must have room for.
    """
    own = in_region(records, regions)
    enough = own.runs[own.runs[rate] * own.runs.n_steps >= least]
    if enough.empty or enough.n_steps.min() < LEAST_STEPS:
        longest = int(own.runs.n_steps.max())
        raise InconclusiveError(f"{len(enough)} runs of enough steps; there are {longest} at most")
    return reach(own.where(enough))


def _per_seed(
    table: pd.DataFrame, statistic: Callable[[pd.DataFrame], float], beside: str
) -> Estimate:
    return Estimate.of_seeds([statistic(own) for _, own in table.groupby("seed")], beside)


def _pairs(table: pd.DataFrame) -> int:
    return len(table[["beta", "gamma"]].drop_duplicates())


BEYOND = ("B-",)
MAP = ("instability_map", "instability_strip")
in_figure_2 = partial(Claim, figure="fig02", kind="theorem", reads=())
in_figure_E1 = partial(Claim, figure="figE1", kind="extension", reads=MAP)
DOES_NOT_DOUBLE = Criterion(
    "the largest ln of the max-update's maximum over the second half of the steps, over that of "
    "the first,",
    at_most=float(np.log(DOUBLES)),
    unit="in ln",
    note="that is, a factor of 2",
)

CLAIMS = (
    in_figure_2(
        name="monotone-along-normal-curves",
        reference="Section 3.1, Fig. 2",
        statement="C varies monotonically along a normal curve",
        criterion=none(f"the number of steps along any of {N_CURVES} curves that go the other way"),
        evaluate=monotone_along_normal_curves,
    ),
    in_figure_2(
        name="beta-above-gamma",
        reference="Section 3.1",
        statement="β > γ suffices for B₊",
        criterion=none("of a million random pairs, the number of those with β > γ and C ≤ 0"),
        evaluate=beta_above_gamma_is_stable,
    ),
    in_figure_2(
        name="paper-overestimates",
        reference="beyond the paper: the exact region",
        statement="|C|/2 never falls below the exact growth rate, so B₊ lies inside γ² < β",
        criterion=none(
            "of a million random pairs, the number of those with |C|/2 below the exact rate"
        ),
        evaluate=paper_overestimates,
    ),
    bound_holds(
        name="D-on-map",
        figure="figE1",
        reads=MAP,
        reference="beyond the paper: the exact bound",
        statement="D_n bounds the max-update all over the (β, γ) square",
        evaluate=partial(count_violations, bound="D_n"),
    ),
    in_figure_E1(
        name="stable-does-not-grow",
        reference="beyond the paper: B₊ off its curve",
        statement="All over B₊ the max-update does not grow",
        criterion=DOES_NOT_DOUBLE,
        evaluate=partial(largest_rise, regions=STABLE),
    ),
    in_figure_E1(
        name="strip-is-bounded",
        reference="beyond the paper: the strip",
        statement="Between C = 0 and γ² = β, where Eq. (5) grows, the max-update does not",
        criterion=DOES_NOT_DOUBLE,
        evaluate=partial(largest_rise, regions=("strip",), least=LEAST_GROWTH),
    ),
    in_figure_E1(
        name="beyond-exact-boundary-exceeds-stable",
        reference="beyond the paper: the exact boundary",
        statement="Where γ² > β the max-update passes what any pair of B₊ with this β can reach",
        criterion=Criterion(
            "the least ln of the largest max-update over 1/√(1−β)", at_least=0, unit="in ln"
        ),
        evaluate=excess_over_stable,
    ),
    in_figure_E1(
        name="beyond-exact-boundary-follows-D",
        reference="beyond the paper: necessary, not sufficient",
        statement="Where γ² > β the max-update grows like D_n through the whole run",
        criterion=Criterion(
            "the median of ln of the largest max-update over ln D_n at the last step",
            at_least=0.8,
            at_most=1.25,
        ),
        evaluate=share_of_exponent,
    ),
)
