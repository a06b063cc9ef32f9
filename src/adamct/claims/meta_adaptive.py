"""Claims on Section 4.2's conclusion: a scale-invariant weight moves as under 2-Adam (Fig. E2).

Under Eq. (8) ‖W‖² is η/(2λ) times the moving average of ‖u‖² with decay e^{−2ηλ}, so that Ŵ turns
by √(2ηλ) · u over the root of that average, as under 2-Adam with γ_2 = 0 at a fixed norm. With
momentum the factor (1+γ)/(1−γ) comes before the average: it makes Ŵ turn slower, by its root, and
leaves the adaptation as it is.

Single directions cannot decide: training multiplies any difference between two runs. How fast Ŵ
turns can, and what is left without the second normalization says what "as fast" means. One
difference stays in every comparison: gradients go like 1/‖W‖, so that v of the first level sees
‖W‖ change under Adam, and does not at a fixed norm.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from adamct.analysis.directions import CORRECTED, FIXED, PRINTED, WINDOW, end_angle, speed_ratios
from adamct.analysis.norms import average_correlations, equilibrium_factors
from adamct.analysis.statistics import FEWEST, median_with_interval
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError, require_points
from adamct.claims.verdict import Claim
from adamct.records import Records
from adamct.theory import memory_factor


def correlation_with_average(records: Records, *, second_moment: str) -> Estimate:
    """Correlation over the second half of ln ‖W_n‖² with the ln of the average, over the heads."""
    values = average_correlations(records, second_moment)
    if len(values) < FEWEST or not np.isfinite(values).all():
        raise InconclusiveError(f"only {len(values)} matrices, or constant norms", len(values))
    median, interval = median_with_interval(values)
    detail = (
        f"correlation of ln ‖W_n‖² with the ln of its moving average: median {median:.3f}, from "
        f"{values.min():.3f} to {values.max():.3f}"
    )
    return Estimate(median, len(values), detail, interval)


def factor_before_average(records: Records) -> Estimate:
    """‖W_n‖² over the average and (1+γ)/(1−γ), coarse-grained: the median over heads, γ > 0."""
    found = equilibrium_factors(records)
    values = np.concatenate([[], *(own / memory_factor(gamma) for gamma, own in found if gamma)])
    require_points(len(values), "matrices")
    median, interval = median_with_interval(values)
    words = [f"{np.median(own):.3g} at γ = {gamma}" for gamma, own in found]
    detail = (
        f"‖W_n‖² over η/(2λ) times the moving average of ‖u‖²: {', '.join(words)}; Eq. (8) says 1, "
        "the corrected law (1+γ)/(1−γ)"
    )
    return Estimate(median, len(values), detail, interval)


def ratio_of_speeds(records: Records, *, kind: str) -> Estimate:
    """Speed of Ŵ under Adam over that under another kind of run, over the heads."""
    ratios = _settled_ratios(records, kind)
    values = np.exp(np.log(ratios).mean(axis=0))
    require_points(len(values), "matrices")
    median, interval = median_with_interval(values)
    medians = np.median(ratios, axis=1)
    detail = (
        f"speed under Adam over that under {kind}: {values.min():.3g} to {values.max():.3g} over "
        f"{len(values)} matrices; medians in windows of {WINDOW} steps {medians.min():.3g} to "
        f"{medians.max():.3g}; the directions themselves are {end_angle(records, kind):.0f}° apart "
        "at the end"
    )
    return Estimate(median, len(values), detail, interval)


def gain_of_normalization(records: Records) -> Estimate:
    """Mismatch of speeds, mean abs(ln ratio) over n, with Adam at a fixed norm minus with 2-Adam.

    Each ratio is divided by its median over n, the best constant factor: learning rates at a fixed
    norm are a choice, and what a constant can mend is no adaptation.
    """
    logs = {kind: np.log(_settled_ratios(records, kind)) for kind in (CORRECTED, FIXED)}
    mismatch = {kind: np.abs(log).mean(axis=0) for kind, log in logs.items()}
    rest = {k: np.abs(log - np.median(log, axis=0)).mean(axis=0) for k, log in logs.items()}
    gain = rest[FIXED] - rest[CORRECTED]
    require_points(len(gain), "matrices")
    median, interval = median_with_interval(gain)
    words = "; ".join(
        f"{kind}: speeds differ by {100 * np.expm1(np.median(rest[kind])):.2g} % with the best "
        f"constant factor, by {100 * np.expm1(np.median(mismatch[kind])):.3g} % without; "
        f"directions {end_angle(records, kind):.0f}° apart at the end"
        for kind in logs
    )
    return Estimate(median, len(gain), words, interval)


def _settled_ratios(records: Records, kind: str) -> np.ndarray:
    ratios = speed_ratios(records, kind)
    if len(ratios) == 0:
        raise InconclusiveError("the record ends before decay has erased the start")
    return ratios


SETTLED = "once decay has erased the start"
FOLLOWS = Criterion("the median correlation of their logarithms", at_least=0.8, note=SETTLED)
AS_FAST = Criterion("the median ratio of the two speeds", at_least=0.8, at_most=1.25, note=SETTLED)
MEMORY = "beyond the paper: m remembers gradients that W has moved against"

of_norms = partial(Claim, figure="figE2", reads=("norm_equilibrium",), whole_runs=True)
of_directions = partial(Claim, figure="figE2", reads=("direction",), whole_runs=True)

CLAIMS = (
    of_norms(
        name="norm-is-a-moving-average",
        reference="Section 4.2, after Theorem 2",
        statement="With coarse-grained v, ‖W‖² follows the moving average of ‖u‖² of 2-Adam's "
        "second level",
        criterion=FOLLOWS,
        evaluate=partial(correlation_with_average, second_moment="tensor_mean"),
    ),
    of_norms(
        name="norm-is-a-moving-average-elementwise",
        reference="Section 4.2, after Theorem 2",
        statement="With Adam's own v, too, ‖W‖² follows that moving average",
        criterion=FOLLOWS,
        evaluate=partial(correlation_with_average, second_moment="elementwise"),
    ),
    of_norms(
        name="equilibrium-factor",
        kind="extension",
        reference=MEMORY,
        statement="‖W‖² is (1+γ)/(1−γ) times that average, so that Ŵ moves slower than Section 4.2 "
        "says",
        criterion=Criterion("their median ratio, over that factor,", at_least=0.8, at_most=1.25),
        evaluate=factor_before_average,
    ),
    of_directions(
        name="direction-turns-as-printed",
        reference="Section 4.2, Eqs. (8) and (9)",
        statement="A scale-invariant weight turns as fast under Adam as under 2-Adam with γ_2 = 0",
        criterion=AS_FAST,
        evaluate=partial(ratio_of_speeds, kind=PRINTED),
    ),
    of_directions(
        name="direction-turns-as-corrected",
        kind="extension",
        reference=MEMORY,
        statement="With the angle of the corrected law, smaller by √((1+γ)/(1−γ)), it turns as "
        "fast as under 2-Adam",
        criterion=AS_FAST,
        evaluate=partial(ratio_of_speeds, kind=CORRECTED),
    ),
    of_directions(
        name="normalization-decides-speed",
        reference="Section 4.2: the second normalization",
        statement="Beyond a constant rate, the second normalization brings the speed nearer to "
        "Adam's",
        criterion=Criterion(
            "the median over matrices of what the mismatch of the speeds, with the best constant "
            "factor taken out, grows by without it",
            at_least=0,
        ),
        evaluate=gain_of_normalization,
    ),
)
