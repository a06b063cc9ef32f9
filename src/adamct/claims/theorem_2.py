"""Claims on the norm of scale-invariant weights: Theorem 2, what it misses, and what it assumes.

Theorem 2 and the factor of the memory (Figs. 5, E2); ⟨W, g⟩ = 0 and coarse-grained v (Section 4.2,
Figs. 8, 9).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from adamct.analysis.directions import final_cosines, median_ratio
from adamct.analysis.norms import all_norm_predictions, growth_by_gamma, growth_ratios
from adamct.analysis.statistics import span
from adamct.analysis.trajectories import query_key_displacements, relative_difference
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError
from adamct.claims.verdict import Claim
from adamct.records import Records
from adamct.theory import NormLaws, memory_factor

PAPERS_GAMMA = 0.9
FROM = 100  # steps; before, single gradients decide elementwise v
REMEMBERED = 20  # gradients, those of age 1 to 20, by m at γ = 0.9
TAIL = 20  # steps, over which a noisy training loss is averaged

ADAM: dict[str, Any] = {"query_key_second_moment": "elementwise"}
COARSE: dict[str, Any] = {"query_key_second_moment": "tensor_mean"}
PAPERS: dict[str, Any] = {"gamma": PAPERS_GAMMA, "weight_decay": 0.0}


def growth_over_printed(records: Records) -> Estimate:
    """Growth of ‖W‖² over Eq. (8)'s at the last step, over the heads, for Adam at γ = 0.9."""
    found, coarse = (all_norm_predictions(records, **kind, **PAPERS) for kind in (ADAM, COARSE))
    n_steps = len(found[0].measured) - 1
    share = np.concatenate([(laws.printed / laws.measured)[-1] for laws in found])
    steps = "; ".join(
        f"at step {n} {span(growth_ratios(found, 'printed', n))} (with coarse-grained v "
        f"{span(growth_ratios(coarse, 'printed', n))})"
        for n in sorted({min(FROM, n_steps), n_steps})
    )
    beside = f"{steps}; Eq. (8) gives {span(100 * share)} % of ‖W‖² itself"
    return Estimate.over(growth_ratios(found, "printed"), of="matrices", beside=beside)


def growth_over_corrected(records: Records) -> Estimate:
    """Growth of ‖W‖² over that of Eq. (8) with (1+γ)/(1−γ), for Adam at γ = 0.9."""
    found = all_norm_predictions(records, **ADAM, **PAPERS)
    corrected, early = (growth_ratios(found, law) for law in ("corrected", "early"))
    beside = f"with 1 + 2ℓ_n, the factor of constant gradients, {span(early)}"
    return Estimate.over(corrected, of="matrices", beside=beside)


def error_without_memory(records: Records) -> Estimate:
    """Largest |growth over Eq. (8)'s − 1| at γ = 0 with coarse-grained v, over heads and steps."""
    found = all_norm_predictions(records, **COARSE, gamma=0.0)
    return _largest([np.abs(laws.ratio("printed") - 1) for laws in found], found)


def error_of_recursion(records: Records) -> Estimate:
    """Largest error of the recursion over the growth, coarse-grained, over everything."""
    found = all_norm_predictions(records, **COARSE)
    return _largest([laws.recursion_error() for laws in found], found)


def error_of_recursion_elementwise(records: Records) -> Estimate:
    """Growth of ‖W‖² over the recursion's for Adam's elementwise v, from n = 100 on."""
    found = all_norm_predictions(records, **ADAM, gamma=PAPERS_GAMMA)
    if min(len(laws.measured) for laws in found) <= FROM:
        raise InconclusiveError(f"the record ends before n = {FROM}", len(found))
    ratios, others = (
        np.concatenate([laws.ratio("recursion")[FROM - 1 :].ravel() for laws in some])
        for some in (found, all_norm_predictions(records, **ADAM))
    )
    beside = f"growth over the recursion's {span(ratios)}, over every γ {span(others)}"
    return _largest([np.abs(ratios - 1)], found, beside)


def growth_over_memory(records: Records) -> Estimate:
    """Growth over Eq. (8)'s, over (1+γ)/(1−γ), coarse-grained, at the γ > 0 farthest off."""
    grown = growth_by_gamma(records)
    share = {gamma: ratio / memory_factor(gamma) for gamma, ratio in grown.items()}
    worst = max(share, key=lambda gamma: abs(np.log(np.median(share[gamma]))))
    words = [
        f"{np.median(ratio):.3g} for {memory_factor(gamma):.3g} at γ = {gamma}"
        for gamma, ratio in grown.items()
    ]
    beside = f"median growth over Eq. (8)'s {', '.join(words)}"
    return Estimate.over(share[worst], of=f"matrices at γ = {worst}", beside=beside)


def _largest(errors: Sequence[np.ndarray], found: Sequence[NormLaws], beside: str = "") -> Estimate:
    """Return the largest of some errors, which rests on every step of every head."""
    n = sum(laws.measured[1:].size for laws in found)
    detail = f"{n:,} steps of heads" + (f"; {beside}" if beside else "")
    return Estimate(max(float(error.max()) for error in errors), n, detail)


# ------------------------------------------------------------- what it assumes: Figs. 8 and 9


def ratio_of_cosines(records: Records, *, last: int) -> Estimate:
    """abs(cos(W_N, g_n)) without qk-norm over the same with it, medians over the heads.

    Args:
        records: with and without qk-norm.
        last: over how many gradients, the last ones, each head's median is taken.
    """
    with_, without = (
        np.median(final_cosines(records, qk_norm=own)[-last:], axis=0) for own in (True, False)
    )
    beside = f"medians {np.median(with_):.2g} with qk-norm, {np.median(without):.2g} without"
    return Estimate.over(without, with_, statistic=median_ratio, of="matrices", beside=beside)


def difference_of_displacements(records: Records) -> Estimate:
    """Relative difference of the displacements with v elementwise and coarse-grained."""
    own, coarse = (
        query_key_displacements(records, kind) for kind in ("elementwise", "tensor_mean")
    )
    _, losses = records.matrix("train_loss")
    tail = np.nanmean(losses[-TAIL:], axis=0)
    early = len(own) // 10
    beside = (
        f"{100 * relative_difference(own[early], coarse[early]):.3g} % at n = {early}; correlation "
        f"{np.corrcoef(own[-1], coarse[-1])[0, 1]:.3f} at n = {len(own) - 1}; the mean training "
        f"loss of the last {TAIL} steps differs by {np.ptp(tail):.3g} of {tail.mean():.3g}"
    )
    ends = own[-1], coarse[-1]
    return Estimate.over(
        *ends, statistic=relative_difference, paired=True, of="parameters", beside=beside
    )


near = partial(Criterion, at_least=2 / 3, at_most=3 / 2)
exactly = partial(Criterion, at_most=1e-3, confidence=None)

in_figure_8 = partial(Claim, figure="fig08", reads=("gradient_orthogonality",), whole_runs=True)
claim = partial(Claim, figure="fig05", reads=("norm_growth",), whole_runs=True)
derived = partial(
    claim,
    kind="extension",
    reference="beyond the paper: m remembers gradients that W has moved against",
)

CLAIMS = (
    claim(
        name="theorem-2-as-printed",
        reference="Theorem 2, Fig. 5",
        statement="Eq. (8) is accurate to the true ‖W‖² under qk-norm, at (β, γ) = (0.999, 0.9)",
        criterion=Criterion(
            "the median growth over Eq. (8)'s, at λ = 0,", at_least=0.8, at_most=1.25
        ),
        evaluate=growth_over_printed,
    ),
    claim(
        name="theorem-2-without-memory",
        reference="Theorem 2 at γ = 0",
        statement="Without momentum, and with coarse-grained v, Eq. (8) holds",
        criterion=exactly(
            "the largest relative difference of growth and Eq. (8)'s, over heads and steps,"
        ),
        evaluate=error_without_memory,
    ),
    derived(
        name="theorem-2-corrected",
        statement="With (1+γ)/(1−γ) before its integral, Eq. (8) gives the growth of ‖W‖²",
        criterion=near("the median growth over the law's, at λ = 0,"),
        evaluate=growth_over_corrected,
    ),
    derived(
        name="recursion-is-exact",
        statement="For a coarse-grained v the recursion gives ‖W‖² exactly, for every γ and λ",
        criterion=exactly("its largest error over the growth, over heads and steps,"),
        evaluate=error_of_recursion,
    ),
    derived(
        name="recursion-elementwise",
        statement="For Adam's own v, at γ = 0.9, the recursion with the mean of v gives ‖W‖²",
        criterion=Criterion(
            "the largest relative difference of growth and the recursion's, over heads and "
            f"n ≥ {FROM},",
            at_most=0.25,
            confidence=None,
            unit="%",
        ),
        evaluate=error_of_recursion_elementwise,
    ),
    derived(
        name="growth-ratio-follows-memory",
        figure="figE2",
        statement="What Eq. (8) misses is the factor (1+γ)/(1−γ)",
        criterion=near(
            "the median of growth over Eq. (8)'s, over that factor, at λ = 0 and the γ that is "
            "farthest off,"
        ),
        evaluate=growth_over_memory,
    ),
    in_figure_8(
        name="orthogonal-at-the-end",
        reference="Appendix G, Fig. 8",
        statement="As n tends to N, ⟨W_N, g_n⟩ vanishes with qk-norm and does not without",
        criterion=Criterion("the ratio of the median abs(cos) at the last step", at_least=10),
        evaluate=partial(ratio_of_cosines, last=1),
    ),
    in_figure_8(
        name="assumption-1",
        reference="Assumption 1, Fig. 8",
        statement="With qk-norm ⟨W, g⟩ is negligible for the gradients that m remembers",
        criterion=Criterion(
            f"the ratio of the median abs(cos) over the last {REMEMBERED} steps", at_least=10
        ),
        evaluate=partial(ratio_of_cosines, last=REMEMBERED),
    ),
    Claim(
        name="coarse-graining-changes-little",
        figure="fig09",
        reference="Assumption 2, Fig. 9",
        statement="Taking the mean of v over a query or key matrix hardly changes the trajectory",
        criterion=Criterion("the relative difference of the displacements", at_most=0.25, unit="%"),
        reads=("coarse_graining",),
        evaluate=difference_of_displacements,
        whole_runs=True,
    ),
)
