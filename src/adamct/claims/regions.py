"""Claims on the regions of the (β, γ) square: Figure 2, and where instability begins (E1)."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from adamct.analysis.growth import exponential_growth
from adamct.analysis.statistics import span
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError, none
from adamct.claims.verdict import Claim
from adamct.records import Records
from adamct.theory import discrete_growth_rate, growth_rate, normal_curve, stability_coefficient

# What counts as growth, and as none, of a max-update that grows and resets: shares of the steps.
GROWS = 0.2
FLAT_SHARE = 0.02
# Parts of the square, as statements call them: values of the column region.
REGIONS = {
    "between C = 0 and γ² = β": ("strip",),
    "with γ² < β": ("B+", "B0", "strip"),
    "with C < 0": ("strip", "B-"),
    "with γ² > β": ("B-",),
}
N_CURVES = 200
A_MILLION = 10**6  # random pairs
LEAST_GROWTH = 5.0  # e-foldings at the paper's rate, without which a run says nothing of growth


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


def growing_runs(records: Records, *, where: str, decidable: bool = False) -> Estimate:
    """Count the runs of some regions that grow: that exceed D_n, or follow an exponential.

    Args:
        records: of a map of (β, γ).
        where: one of ``REGIONS``.
        decidable: leave out runs too short for growth at the paper's rate to show.
    """
    runs = _measured(records, where, decidable)
    detail = (
        f"{len(runs)} runs {where}; largest share of steps at the predicted rate "
        f"{np.nanmax(runs.share, initial=0.0):.3f}, {runs.exceeded.sum()} runs exceed D_n"
    )
    return Estimate(int((~runs.flat).sum()), len(runs), detail)


def share_that_grows(records: Records, *, where: str) -> Estimate:
    """Share of the runs on the unstable side of a theory's boundary that grow."""
    runs = _measured(records, where, decidable=True)
    growing, quiet = runs[runs.share > GROWS], runs[runs.flat]
    detail = (
        f"{len(growing)} of {len(runs)} runs {where}, of {LEAST_GROWTH:g} e-foldings or more at "
        "the paper's rate"
    )
    if len(growing):
        detail += f", those with β ≥ {growing.beta.min():g}"
    if len(quiet):
        detail += (
            f"; {len(quiet)} do not grow at all (below {FLAT_SHARE}), at β = {span(quiet.beta)} "
            f"and exact rates up to {quiet.exact_rate.max():.3g} per step"
        )
    return Estimate(len(growing) / len(runs), len(runs), detail)


def _measured(records: Records, where: str, decidable: bool) -> pd.DataFrame:
    """Return the runs of some regions, each with its growth, and whether that is none.

    It is none if D_n holds, and hardly a step follows an exponential, where one is predicted.
    """
    runs = records.runs[records.runs.region.isin(REGIONS[where])]
    if decidable:
        runs = runs[runs.paper_rate * runs.n_steps >= LEAST_GROWTH]
    if len(runs) < FEWEST or runs.n_steps.min() < 100:
        longest = 0 if runs.empty else int(runs.n_steps.max())
        raise InconclusiveError(f"{len(runs)} runs {where}, of {longest} steps")
    own = records.where(runs)
    measured = exponential_growth(own)
    return own.runs.assign(**measured, flat=~(measured.share >= FLAT_SHARE) & ~measured.exceeded)


MAP = ("instability_map", "instability_strip")
NO_GROWTH = none(
    "the number of runs that exceed D_n, or have a share of steps at the predicted rate of "
    f"{FLAT_SHARE} or more,"
)
ALL_GROW = Criterion(
    f"the share of the runs with more than {100 * GROWS:.0f} % of their steps at the predicted "
    "rate",
    at_least=1,
    at_most=1,
    confidence=None,
    unit="%",
)
in_figure_2 = partial(Claim, figure="fig02", reads=())
in_figure_E1 = partial(Claim, figure="figE1", reads=MAP)
stable = partial(in_figure_E1, kind="extension", criterion=NO_GROWTH)
unstable = partial(in_figure_E1, criterion=ALL_GROW)

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
        kind="extension",
        reference="beyond the paper: the exact region",
        statement="|C|/2 never falls below the exact growth rate, so B₊ lies inside γ² < β",
        criterion=none(
            "of a million random pairs, the number of those with |C|/2 below the exact rate"
        ),
        evaluate=paper_overestimates,
    ),
    stable(
        name="strip-is-bounded",
        reference="beyond the paper: the strip",
        statement="Between C = 0 and γ² = β, where Eq. (5) grows, the max-update does not",
        evaluate=partial(growing_runs, where="between C = 0 and γ² = β", decidable=True),
    ),
    stable(
        name="exactly-stable-is-bounded",
        reference="beyond the paper: the exact region",
        statement="Where γ² < β the max-update does not grow",
        evaluate=partial(growing_runs, where="with γ² < β"),
    ),
    unstable(
        name="B-minus-is-unstable",
        reference="Section 3.2",
        statement="Where C < 0 the max-update grows exponentially",
        evaluate=partial(share_that_grows, where="with C < 0"),
    ),
    unstable(
        name="beyond-exact-boundary-is-unstable",
        kind="extension",
        reference="beyond the paper: necessary, not sufficient",
        statement="Where γ² > β the max-update grows exponentially",
        evaluate=partial(share_that_grows, where="with γ² > β"),
    ),
)
