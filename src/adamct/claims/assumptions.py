"""Claims on what Theorem 2 assumes: ⟨W, g⟩ = 0, coarse-grained v (Section 4.2, Figs. 8, 9)."""

from __future__ import annotations

import numpy as np

from adamct.analysis.statistics import bootstrap_interval
from adamct.claims.verdict import Claim, Finding, above, below, of_whole_runs
from adamct.records import Records


@of_whole_runs
def orthogonal_at_the_end(records: Records) -> Finding:
    """abs(cos(W_N, g_{N−1})) without qk-norm over the same with it, medians over the heads."""
    with_, without = _cosines(records)
    return _compared(without[-1], with_[-1], "at the last step")


@of_whole_runs
def assumption_1(records: Records) -> Finding:
    """The same ratio over the gradients that m remembers at γ = 0.9: those of age 1 to 20."""
    with_, without = (np.median(cosines[-20:], axis=0) for cosines in _cosines(records))
    return _compared(without, with_, "over the last 20 gradients")


@of_whole_runs
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


GRADIENTS = ("gradient_orthogonality",)

CLAIMS = (
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
