"""Claims on the norm of scale-invariant weights: Theorem 2, and what it misses (Figs. 5, E2)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from adamct.analysis.norms import all_norm_predictions, growth_by_gamma, growth_ratios
from adamct.analysis.statistics import median_with_interval
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError, require_points
from adamct.claims.verdict import Claim
from adamct.records import Records
from adamct.theory import NormLaws, memory_factor

PAPERS_GAMMA = 0.9
FROM = 100  # steps; before, single gradients decide elementwise v

ADAM: dict[str, Any] = {"query_key_second_moment": "elementwise"}
COARSE: dict[str, Any] = {"query_key_second_moment": "tensor_mean"}
PAPERS: dict[str, Any] = {"gamma": PAPERS_GAMMA, "weight_decay": 0.0}


def growth_over_printed(records: Records) -> Estimate:
    """Growth of ‖W‖² over Eq. (8)'s at the last step, over the heads, for Adam at γ = 0.9."""
    found, coarse = (all_norm_predictions(records, **kind, **PAPERS) for kind in (ADAM, COARSE))
    n_steps = len(found[0].measured) - 1
    share = np.concatenate([(laws.printed / laws.measured)[-1] for laws in found])
    detail = "; ".join(
        f"at step {n} the norm has grown {_range(growth_ratios(found, 'printed', n))} times as "
        f"much as Eq. (8) says (with coarse-grained v: "
        f"{_range(growth_ratios(coarse, 'printed', n))} times)"
        for n in sorted({min(FROM, n_steps), n_steps})
    )
    detail += f", so that Eq. (8) gives {_range(100 * share)} % of ‖W‖² itself"
    return _median(growth_ratios(found, "printed"), detail)


def growth_over_corrected(records: Records) -> Estimate:
    """Growth of ‖W‖² over that of Eq. (8) with (1+γ)/(1−γ), for Adam at γ = 0.9."""
    found = all_norm_predictions(records, **ADAM, **PAPERS)
    corrected, early = (growth_ratios(found, law) for law in ("corrected", "early"))
    detail = (
        f"growth over that of the corrected law {_range(corrected)}; with 1 + 2ℓ_n, the factor of "
        f"constant gradients, {_range(early)}"
    )
    return _median(corrected, detail)


def error_without_memory(records: Records) -> Estimate:
    """Largest |growth over Eq. (8)'s − 1| at γ = 0 with coarse-grained v, over heads and steps."""
    found = all_norm_predictions(records, **COARSE, gamma=0.0)
    worst = max(float(np.abs(laws.ratio("printed") - 1).max()) for laws in found)
    detail = f"growth differs from Eq. (8)'s by at most {worst:.2g} of itself, at every step"
    return Estimate(worst, _count(found), detail)


def error_of_recursion(records: Records) -> Estimate:
    """Largest error of the recursion over the growth, coarse-grained, over everything."""
    found = all_norm_predictions(records, **COARSE)
    worst = max(float(laws.recursion_error().max()) for laws in found)
    detail = f"the recursion errs by at most {worst:.2g} of the growth, at every step and head"
    return Estimate(worst, _count(found), detail)


def error_of_recursion_elementwise(records: Records) -> Estimate:
    """Growth of ‖W‖² over the recursion's for Adam's elementwise v, from n = 100 on."""
    found = all_norm_predictions(records, **ADAM, gamma=PAPERS_GAMMA)
    if min(len(laws.measured) for laws in found) <= FROM:
        raise InconclusiveError(f"the record ends before n = {FROM}", len(found))
    ratios, others = (
        np.concatenate([laws.ratio("recursion")[FROM - 1 :].ravel() for laws in some])
        for some in (found, all_norm_predictions(records, **ADAM))
    )
    detail = (
        f"growth over the recursion's {_range(ratios)} at n ≥ {FROM} for γ = {PAPERS_GAMMA}; "
        f"{_range(others)} over every γ"
    )
    return Estimate(float(np.abs(ratios - 1).max()), _count(found), detail)


def growth_over_memory(records: Records) -> Estimate:
    """Growth over Eq. (8)'s, over (1+γ)/(1−γ), coarse-grained, at the γ > 0 farthest off."""
    grown = growth_by_gamma(records)
    share = {gamma: ratio / memory_factor(gamma) for gamma, ratio in grown.items()}
    worst = max(share, key=lambda gamma: abs(np.log(np.median(share[gamma]))))
    words = [
        f"{np.median(ratio):.3g} for {memory_factor(gamma):.3g} at γ = {gamma}"
        for gamma, ratio in grown.items()
    ]
    detail = (
        f"farthest off at γ = {worst}; median growth over Eq. (8)'s {', '.join(words)}, over "
        f"{len(share[worst])} matrices each"
    )
    return _median(share[worst], detail)


def _median(values: np.ndarray, detail: str) -> Estimate:
    require_points(len(values), "matrices")
    median, interval = median_with_interval(values)
    return Estimate(median, len(values), detail, interval)


def _range(values: np.ndarray) -> str:
    return f"{values.min():.3g} to {values.max():.3g}"


def _count(found: Sequence[NormLaws]) -> int:
    return sum(laws.measured[1:].size for laws in found)


near = partial(Criterion, at_least=2 / 3, at_most=3 / 2)
exactly = partial(Criterion, at_most=1e-3, interval=False)

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
        statement="With the factor (1+γ)/(1−γ) before its integral, Eq. (8) gives the growth of "
        "‖W‖²",
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
            interval=False,
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
)
