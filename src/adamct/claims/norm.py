"""Claims on scale-invariant weights: Theorem 2 and its assumptions (Section 4.2, Figs. 5, 8, 9)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from adamct.claims.statistics import FEWEST, bootstrap_interval
from adamct.claims.verdicts import Claim, Finding, Status, above, below, inconclusive, within
from adamct.records import Records
from adamct.theory import NormLaws, memory_factor, norm_laws

PAPERS_GAMMA = 0.9
EXACT = 1e-3  # of the growth
FROM = 100  # steps; before, single gradients decide elementwise v


def laws_of(records: Records, run: Any) -> NormLaws:
    """Evaluate every law of ‖W‖² on one run of ``norm_growth``, over its heads."""
    names = ("head_squared_norms", "head_squared_updates", "head_mean_second_moments")
    return norm_laws(
        *(records.vectors(run.run_id, name)[1] for name in names),
        lr=run.lr,
        beta=run.beta,
        gamma=run.gamma,
        weight_decay=run.weight_decay,
    )


def theorem_2(records: Records) -> Finding:
    """Growth of ‖W‖² over Eq. (8)'s at the last step, over the heads, for Adam at γ = 0.9."""
    found = list(_laws(records, "elementwise", PAPERS_GAMMA))
    printed = np.concatenate([laws.ratio("printed")[-1] for laws in found])
    share = np.concatenate([(laws.printed / laws.measured)[-1] for laws in found])
    coarse = [laws.ratio("printed")[-1] for laws in _laws(records, "tensor_mean", PAPERS_GAMMA)]
    detail = (
        f"at step {len(found[0].measured) - 1} the norm has grown {_range(printed)} times as much "
        f"as Eq. (8) says (with coarse-grained v: {_range(np.concatenate(coarse))} times), so that "
        f"Eq. (8) gives {_range(100 * share)} % of ‖W‖² itself"
    )
    return _median(printed, (0.8, 1.25), detail)


def corrected_law(records: Records) -> Finding:
    """Growth of ‖W‖² over that of Eq. (8) with (1+γ)/(1−γ), for Adam at γ = 0.9."""
    found = list(_laws(records, "elementwise", PAPERS_GAMMA))
    corrected = np.concatenate([laws.ratio("corrected")[-1] for laws in found])
    early = np.concatenate([laws.ratio("early")[-1] for laws in found])
    detail = (
        f"growth over that of the corrected law {_range(corrected)}; with 1 + 2ℓ_n, the factor of "
        f"constant gradients, {_range(early)}"
    )
    return _median(corrected, (2 / 3, 3 / 2), detail)


def exact_without_memory(records: Records) -> Finding:
    """Largest |growth over Eq. (8)'s − 1| at γ = 0 with coarse-grained v, over heads and steps."""
    found = list(_laws(records, "tensor_mean", 0.0))
    worst = max(float(np.abs(laws.ratio("printed") - 1).max()) for laws in found)
    detail = f"growth differs from Eq. (8)'s by at most {worst:.2g} of itself, at every step"
    return Finding(_status(worst <= EXACT), worst, None, _count(found), detail)


def recursion_exact(records: Records) -> Finding:
    """Largest error of the recursion over the growth, coarse-grained, over everything."""
    found = list(_laws(records, "tensor_mean"))
    worst = max(float(laws.recursion_error().max()) for laws in found)
    detail = f"the recursion errs by at most {worst:.2g} of the growth, at every step and head"
    return Finding(_status(worst <= EXACT), worst, None, _count(found), detail)


def recursion_elementwise(records: Records) -> Finding:
    """Growth of ‖W‖² over the recursion's for Adam's elementwise v, from n = 100 on."""
    found = list(_laws(records, "elementwise", PAPERS_GAMMA))
    if min(len(laws.measured) for laws in found) <= FROM:
        return inconclusive(f"the record ends before n = {FROM}", len(found))
    ratios = np.concatenate([laws.ratio("recursion")[FROM - 1 :].ravel() for laws in found])
    others = [laws.ratio("recursion")[FROM - 1 :].ravel() for laws in _laws(records, "elementwise")]
    worst = float(np.abs(ratios - 1).max())
    detail = (
        f"growth over the recursion's {_range(ratios)} at n ≥ {FROM} for γ = {PAPERS_GAMMA}; "
        f"{_range(np.concatenate(others))} over every γ"
    )
    return Finding(_status(worst <= 0.25), worst, None, _count(found), detail)


def ratio_follows_memory(records: Records) -> Finding:
    """Growth over Eq. (8)'s, over (1+γ)/(1−γ), coarse-grained, over the heads at every γ > 0."""
    runs = records.runs[records.runs.query_key_second_moment == "tensor_mean"]
    pooled, words = [], []
    for gamma, rows in runs[runs.gamma > 0].groupby("gamma"):
        ratio = np.concatenate(
            [laws_of(records, run).ratio("printed")[-1] for run in rows.itertuples()]
        )
        factor = memory_factor(float(str(gamma)))
        pooled.append(ratio / factor)
        words.append(f"{np.median(ratio):.3g} for {factor:.3g} at γ = {gamma}")
    detail = "median growth over Eq. (8)'s " + ", ".join(words)
    return _median(np.concatenate(pooled), (2 / 3, 3 / 2), detail)


def orthogonal_at_the_end(records: Records) -> Finding:
    """abs(cos(W_N, g_{N−1})) without qk-norm over the same with it, medians over the heads."""
    with_, without = _cosines(records)
    return _compared(without[-1], with_[-1], "at the last step")


def assumption_1(records: Records) -> Finding:
    """The same ratio over the gradients that m remembers at γ = 0.9: those of age 1 to 20."""
    with_, without = (np.median(cosines[-20:], axis=0) for cosines in _cosines(records))
    return _compared(without, with_, "over the last 20 gradients")


def coarse_graining(records: Records) -> Finding:
    """Relative difference of the displacements with v elementwise and coarse-grained."""
    own, coarse = (_sampled_moves(records, kind) for kind in ("elementwise", "tensor_mean"))

    def difference(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.linalg.norm(a - b) / np.linalg.norm(a))

    last = difference(own[-1], coarse[-1])
    interval = bootstrap_interval(own[-1], coarse[-1], statistic=difference, paired=True)
    _, losses = records.matrix("train_loss")
    tail = np.nanmean(losses[-20:], axis=0)
    detail = (
        f"the displacements differ by {100 * last:.3g} % at n = {len(own) - 1} "
        f"({100 * difference(own[len(own) // 10], coarse[len(own) // 10]):.3g} % at n = "
        f"{len(own) // 10}) over {own.shape[1]} parameters, with correlation "
        f"{np.corrcoef(own[-1], coarse[-1])[0, 1]:.3f}; the mean training loss of the last 20 "
        f"steps differs by {np.ptp(tail):.3g} of {tail.mean():.3g}"
    )
    return Finding(below(interval, 0.25), last, interval, own.shape[1], detail)


def _laws(records: Records, second_moment: str, gamma: float | None = None) -> Iterator[NormLaws]:
    runs = records.runs[records.runs.query_key_second_moment == second_moment]
    for run in runs.itertuples():
        if gamma is None or run.gamma == gamma:
            yield laws_of(records, run)


def _cosines(records: Records) -> tuple[np.ndarray, np.ndarray]:
    """abs(cos(W_N, g_n)), (N, heads), with and without qk-norm."""
    found = []
    for qk_norm in (True, False):
        cosines = []
        for run_id in records.runs.run_id[records.runs.qk_norm == qk_norm]:
            _, inner = records.vectors(run_id, "final_inner_products")
            _, g2 = records.vectors(run_id, "head_squared_gradients")
            _, W2 = records.vectors(run_id, "head_squared_norms")
            cosines.append(np.abs(inner) / np.sqrt(W2[-1] * g2))
        found.append(np.concatenate(cosines, axis=1))
    return found[0], found[1]


def _sampled_moves(records: Records, second_moment: str) -> np.ndarray:
    """θ_n − θ_0 of the sampled query and key parameters, (N + 1, parameters of all seeds)."""
    runs = records.runs[records.runs.query_key_second_moment == second_moment]
    values = [
        records.vectors(run_id, "query_key_sample")[1] for run_id in runs.sort_values("seed").run_id
    ]
    return np.concatenate([theta - theta[0] for theta in values], axis=1)


def _compared(without: np.ndarray, with_: np.ndarray, where: str) -> Finding:
    def ratio(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.median(a) / np.median(b))

    interval = bootstrap_interval(without, with_, statistic=ratio)
    detail = (
        f"median abs(cos(W_N, g_n)) {where}: {np.median(with_):.2g} with qk-norm, "
        f"{np.median(without):.2g} without; {len(with_)} matrices"
    )
    return Finding(above(interval, 10), ratio(without, with_), interval, len(with_), detail)


def _median(values: np.ndarray, limits: tuple[float, float], detail: str) -> Finding:
    if len(values) < FEWEST:
        return inconclusive(f"only {len(values)} matrices", len(values))
    interval = bootstrap_interval(values)
    return Finding(
        within(interval, *limits), float(np.median(values)), interval, len(values), detail
    )


def _range(values: np.ndarray) -> str:
    return f"{values.min():.3g} to {values.max():.3g}"


def _count(found: list[NormLaws]) -> int:
    return sum(laws.measured[1:].size for laws in found)


def _status(holds: bool) -> Status:
    return "reproduced" if holds else "not reproduced"


GROWTH = ("norm_growth",)
GRADIENTS = ("gradient_orthogonality",)
DERIVED = "beyond the paper: m remembers gradients that W has moved against"

CLAIMS = (
    Claim(
        "theorem-2-as-printed",
        "fig05",
        "Theorem 2, Fig. 5",
        "Eq. (8) is accurate to the true ‖W‖² under qk-norm, at (β, γ) = (0.999, 0.9)",
        "the interval of the median growth over Eq. (8)'s lies within 0.8 to 1.25",
        GROWTH,
        theorem_2,
    ),
    Claim(
        "theorem-2-without-memory",
        "fig05",
        "Theorem 2 at γ = 0",
        "Without momentum, and with coarse-grained v, Eq. (8) holds",
        "growth and Eq. (8)'s agree to 1e-3 for every head at every step",
        GROWTH,
        exact_without_memory,
    ),
    Claim(
        "theorem-2-corrected",
        "fig05",
        DERIVED,
        "With the factor (1+γ)/(1−γ) before its integral, Eq. (8) gives the growth of ‖W‖²",
        "the interval of the median growth over the law's lies within 2/3 to 3/2",
        GROWTH,
        corrected_law,
    ),
    Claim(
        "recursion-is-exact",
        "fig05",
        DERIVED,
        "For a coarse-grained v the recursion gives ‖W‖² exactly, for every γ and λ",
        "its error is at most 1e-3 of the growth, for every head at every step",
        GROWTH,
        recursion_exact,
    ),
    Claim(
        "recursion-elementwise",
        "fig05",
        DERIVED,
        "For Adam's own v, at γ = 0.9, the recursion with the mean of v gives ‖W‖²",
        f"growth within 25 % of the recursion's for every head at every n ≥ {FROM}",
        GROWTH,
        recursion_elementwise,
    ),
    Claim(
        "growth-ratio-follows-memory",
        "figE2",
        DERIVED,
        "What Eq. (8) misses is the factor (1+γ)/(1−γ)",
        "the interval of the median of growth over Eq. (8)'s, over that factor, lies within 2/3 "
        "to 3/2",
        GROWTH,
        ratio_follows_memory,
    ),
    Claim(
        "orthogonal-at-the-end",
        "fig08",
        "Appendix G, Fig. 8",
        "As n tends to N, ⟨W_N, g_n⟩ vanishes with qk-norm and does not without",
        "the interval of the ratio of the median abs(cos) at the last step is at least 10",
        GRADIENTS,
        orthogonal_at_the_end,
    ),
    Claim(
        "assumption-1",
        "fig08",
        "Assumption 1, Fig. 8",
        "With qk-norm ⟨W, g⟩ is negligible for the gradients that m remembers",
        "the interval of the ratio of the median abs(cos) over the last 20 steps is at least 10",
        GRADIENTS,
        assumption_1,
    ),
    Claim(
        "coarse-graining-changes-little",
        "fig09",
        "Assumption 2, Fig. 9",
        "Replacing v by its mean over a query or key matrix hardly changes the trajectory",
        "the interval of the relative difference of the displacements is at most 25 %",
        ("coarse_graining",),
        coarse_graining,
    ),
)
