"""Section 4.2's conclusion: ‖W‖² is a moving average of ‖u‖², so that Ŵ moves by u/‖W‖.

Under Eq. (8) ‖W_n‖² tends to η/(2λ) times the moving average of ‖u‖² with decay e^{−2ηλ}, which is
what the second level of 2-Adam with γ_2 = 0 divides by. With momentum the factor (1+γ)/(1−γ) of
the corrected law comes before it: it makes Ŵ move slower, and leaves the adaptation as it is.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from adamct.analysis.statistics import FEWEST, bootstrap_interval
from adamct.claims.verdict import Claim, Finding, above, inconclusive, of_whole_runs, within
from adamct.records import Records
from adamct.theory import memory_factor, squared_norm_growth


def norm_and_average(records: Records, run: Any) -> tuple[np.ndarray, np.ndarray]:
    """‖W_n‖² and η/(2λ) · (moving average of ‖u‖²) over the second half, each (steps, heads)."""
    _, norms = records.vectors(run.run_id, "head_squared_norms")
    _, u2 = records.vectors(run.run_id, "head_squared_updates")
    average = squared_norm_growth(0 * norms[0], u2, lr=run.lr, weight_decay=run.weight_decay)
    half = len(norms) // 2
    return norms[half:], average[half:]


@of_whole_runs
def follows_average(records: Records, *, second_moment: str) -> Finding:
    """Correlation over the second half of ln ‖W_n‖² with the ln of the average, over the heads."""
    runs = records.runs[records.runs.query_key_second_moment == second_moment]
    values = np.concatenate(
        [_correlations(*norm_and_average(records, run)) for run in runs.itertuples()]
    )
    if len(values) < FEWEST or not np.isfinite(values).all():
        return inconclusive(f"only {len(values)} matrices, or constant norms", len(values))
    interval = bootstrap_interval(values)
    detail = (
        f"correlation of ln ‖W_n‖² with the ln of its moving average: median "
        f"{np.median(values):.3f}, from {values.min():.3f} to {values.max():.3f}"
    )
    return Finding(above(interval, 0.8), float(np.median(values)), interval, len(values), detail)


@of_whole_runs
def equilibrium_factor(records: Records) -> Finding:
    """‖W_n‖² over the average and (1+γ)/(1−γ), coarse-grained: the median over heads, γ > 0."""
    runs = records.runs[records.runs.query_key_second_moment == "tensor_mean"]
    pooled, words = [], []
    for run in runs.itertuples():
        norms, average = norm_and_average(records, run)
        factor = np.median(norms / average, axis=0)
        if (gamma := float(str(run.gamma))) > 0:
            pooled.append(factor / memory_factor(gamma))
        words.append(f"{np.median(factor):.3g} at γ = {run.gamma}")
    values = np.concatenate(pooled) if pooled else np.empty(0)
    if len(values) < FEWEST:
        return inconclusive(f"only {len(values)} matrices", len(values))
    interval = bootstrap_interval(values)
    detail = (
        f"‖W_n‖² over η/(2λ) times the moving average of ‖u‖²: {', '.join(words)}; Eq. (8) says 1, "
        "the corrected law (1+γ)/(1−γ)"
    )
    status = within(interval, 0.8, 1.25)
    return Finding(status, float(np.median(values)), interval, len(values), detail)


def _correlations(norms: np.ndarray, average: np.ndarray) -> np.ndarray:
    pairs = zip(np.log(norms).T, np.log(average).T, strict=True)
    return np.array([np.corrcoef(norm, mean)[0, 1] for norm, mean in pairs])


READS = ("norm_equilibrium",)
FOLLOWS = (
    "the interval of the median correlation of their logarithms is at least 0.8, once decay has "
    "erased the start"
)

CLAIMS = (
    Claim(
        "norm-is-a-moving-average",
        "figE2",
        "Section 4.2, after Theorem 2",
        "With coarse-grained v, ‖W‖² follows the moving average of ‖u‖² of 2-Adam's second level",
        FOLLOWS,
        READS,
        partial(follows_average, second_moment="tensor_mean"),
    ),
    Claim(
        "norm-is-a-moving-average-elementwise",
        "figE2",
        "Section 4.2, after Theorem 2",
        "With Adam's own v, too, ‖W‖² follows that moving average",
        FOLLOWS,
        READS,
        partial(follows_average, second_moment="elementwise"),
    ),
    Claim(
        "equilibrium-factor",
        "figE2",
        "beyond the paper: m remembers gradients that W has moved against",
        "‖W‖² is (1+γ)/(1−γ) times that average, so that Ŵ moves slower than Section 4.2 says",
        "the interval of their median ratio, over that factor, lies within 0.8 to 1.25",
        READS,
        equilibrium_factor,
    ),
)
