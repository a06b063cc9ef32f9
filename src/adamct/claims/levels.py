"""Claims on the levels of k-Adam: their bounds, their pairs, their size (Theorem 3, Appendix O)."""

from __future__ import annotations

from functools import partial

from adamct.analysis.levels import (
    PAPERS,
    last_over_first,
    outside_stable_region,
    scale_dependence,
)
from adamct.analysis.violations import level_violations
from adamct.claims.boundedness import bound_holds, require_unclamped
from adamct.claims.criterion import Criterion, Estimate, none
from adamct.claims.verdict import Claim
from adamct.optim import STRATEGIES
from adamct.records import Records
from adamct.theory import discrete_max_update_bound, max_update_bound

READS = ("max_update_levels",)
BOUNDS = {"Eq. (10)": max_update_bound, "D_n": discrete_max_update_bound}
KS = range(1, 11)
EXACT = 1e-12  # what float64 leaves of an identity after some hundred steps


def count_violations(records: Records, *, bound: str) -> Estimate:
    """Count the steps of all levels at which the max-update exceeds the level's bound."""
    require_unclamped(records)
    found = level_violations(records, BOUNDS[bound])
    ks = ", ".join(map(str, sorted(set(records.runs.k))))
    detail = (
        f"{found.n_checked:,} level-steps of {len(records.runs)} runs with k = {ks}; the largest "
        f"measured value over bound is {found.worst:.4g}"
    )
    return Estimate(found.count, found.n_checked, detail)


def count_outside(records: Records) -> Estimate:
    """Count the pairs of the strategies that lie outside B₊."""
    count, least = outside_stable_region(STRATEGIES, KS)
    names = ", ".join(name.replace("_", " ") for name in STRATEGIES)
    n = len(STRATEGIES) * len(KS)
    return Estimate(
        count, n, f"{names}, each with k = 1 to {KS[-1]}; the least C(βᵢ, γᵢ) is {least:.3g}"
    )


def dependence_on_scale(records: Records) -> Estimate:
    """Find how much the updates of a level change with a constant before what it is given."""
    worst = scale_dependence((2, 3))
    return Estimate(
        worst,
        detail="of every level under every strategy, k = 2 and 3, with what it is given multiplied "
        "by 1 − βᵢ, 1 − γᵢ and a million; m of level k has the prefactor ∏ (1 − γᵢ)",
    )


def growth_over_levels(records: Records) -> Estimate:
    """Estimate how much larger the applied max-update is than the first level's.

    Of a run it is the ratio of their medians over the second half of the steps; of a seed, the
    median over k and the strategies of Section 4.3.
    """
    papers = records.where(records.runs[records.runs.strategy.isin(PAPERS)])
    ratios = last_over_first(papers)
    means = ratios.groupby(["strategy", "k"], sort=False).ratio.mean().reset_index()
    shown = ", ".join(
        f"{row.strategy.replace('_', ' ')} k = {row.k} {row.ratio:.2f}"
        for _, row in means.iterrows()
    )
    by_seed = ratios.groupby("seed").ratio.median()
    return Estimate.of_seeds(by_seed.to_numpy(), f"{shown}; over the second half of the steps")


theorem = partial(Claim, figure="figE5", kind="theorem")
bounded = partial(bound_holds, figure="figE5", reads=READS)

CLAIMS = (
    bounded(
        name="eq10-bounds-every-level",
        reference="Theorem 3, Eq. (10)",
        statement="In k-Adam Eq. (10) bounds the max-update of every level",
        evaluate=partial(count_violations, bound="Eq. (10)"),
    ),
    bounded(
        name="D-bounds-every-level",
        reference="beyond the paper: Theorem 3 with the exact bound",
        statement="In k-Adam Dₙ of its own (βᵢ, γᵢ) bounds the max-update of every level",
        evaluate=partial(count_violations, bound="D_n"),
    ),
    theorem(
        name="strategies-are-stable",
        reference="Section 4.3",
        statement="Every strategy keeps the (βᵢ, γᵢ) of all levels in B₊",
        criterion=none("the number of pairs outside"),
        reads=(),
        evaluate=count_outside,
    ),
    theorem(
        name="levels-are-scale-free",
        reference="Appendix O",
        statement="The prefactor of a level's moving average, which Appendix O sets equal to "
        "Adam's, cancels: no update depends on it",
        criterion=Criterion(
            "the largest relative change of an update", at_most=EXACT, confidence=None
        ),
        reads=(),
        evaluate=dependence_on_scale,
    ),
    Claim(
        name="k-adam-is-more-stable",
        figure="figE5",
        kind="extension",
        reference="Section 4.3 expects it",
        statement="k-Adam has more stable updates: the max-update that it applies is no larger "
        "than that of its first level",
        criterion=Criterion("the median ratio of the last level to the first", at_most=1),
        reads=READS,
        evaluate=growth_over_levels,
    ),
)
