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
from adamct.analysis.statistics import span
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError
from adamct.claims.verdict import Claim
from adamct.records import Records
from adamct.theory import memory_factor


def correlation_with_average(records: Records, *, second_moment: str) -> Estimate:
    """Correlation over the second half of ln ‖W_n‖² with the ln of the average, over the heads."""
    return Estimate.over(average_correlations(records, second_moment), of="matrices")


def factor_before_average(records: Records) -> Estimate:
    """‖W_n‖² over the average and (1+γ)/(1−γ), coarse-grained: the median over heads, γ > 0."""
    found = equilibrium_factors(records)
    values = np.concatenate([[], *(own / memory_factor(gamma) for gamma, own in found if gamma)])
    words = [f"{np.median(own):.3g} at γ = {gamma}" for gamma, own in found]
    beside = (
        f"‖W_n‖² over η/(2λ) times the moving average of ‖u‖²: {', '.join(words)}; Eq. (8) says 1, "
        "the corrected law (1+γ)/(1−γ)"
    )
    return Estimate.over(values, of="matrices", beside=beside)


def ratio_of_speeds(records: Records, *, kind: str) -> Estimate:
    """Speed of Ŵ under Adam over that under another kind of run, over the heads."""
    ratios = _settled_ratios(records, kind)
    beside = (
        f"medians in windows of {WINDOW} steps {span(np.median(ratios, axis=1))}; the directions "
        f"themselves are {end_angle(records, kind):.0f}° apart at the end"
    )
    return Estimate.over(np.exp(np.log(ratios).mean(axis=0)), of="matrices", beside=beside)


def gain_of_normalization(records: Records) -> Estimate:
    """Mismatch of speeds, mean abs(ln ratio) over n, with Adam at a fixed norm minus with 2-Adam.

    Each ratio is divided by its median over n, the best constant factor: learning rates at a fixed
    norm are a choice, and what a constant can mend is no adaptation.
    """
    rest, words = {}, []
    for kind in (CORRECTED, FIXED):
        log = np.log(_settled_ratios(records, kind))
        rest[kind], mismatch = (
            np.abs(log - constant).mean(axis=0) for constant in (np.median(log, axis=0), 0)
        )
        percent = [100 * np.expm1(np.median(values)) for values in (rest[kind], mismatch)]
        words.append(
            f"{kind}: speeds differ by {percent[0]:.2g} % with the best constant factor, by "
            f"{percent[1]:.3g} % without; directions {end_angle(records, kind):.0f}° apart at the "
            "end"
        )
    return Estimate.over(rest[FIXED] - rest[CORRECTED], of="matrices", beside="; ".join(words))


def _settled_ratios(records: Records, kind: str) -> np.ndarray:
    ratios = speed_ratios(records, kind)
    if len(ratios) == 0:
        raise InconclusiveError("the record ends before decay has erased the start")
    return ratios


ONCE_SETTLED = "once decay has erased the start"
MEMORY = "beyond the paper: m remembers gradients that W has moved against"

in_figure_E2 = partial(Claim, figure="figE2", whole_runs=True)
of_norms = partial(in_figure_E2, reads=("norm_equilibrium",))
of_directions = partial(in_figure_E2, reads=("direction",))
follows = partial(
    of_norms,
    reference="Section 4.2, after Theorem 2",
    criterion=Criterion(
        "the median correlation of their logarithms", at_least=0.8, note=ONCE_SETTLED
    ),
)
as_fast = partial(
    of_directions,
    criterion=Criterion(
        "the median ratio of the two speeds", at_least=0.8, at_most=1.25, note=ONCE_SETTLED
    ),
)

CLAIMS = (
    follows(
        name="norm-is-a-moving-average",
        statement="With coarse-grained v, ‖W‖² follows 2-Adam's moving average of ‖u‖²",
        evaluate=partial(correlation_with_average, second_moment="tensor_mean"),
    ),
    follows(
        name="norm-is-a-moving-average-elementwise",
        statement="With Adam's own v, too, ‖W‖² follows that moving average",
        evaluate=partial(correlation_with_average, second_moment="elementwise"),
    ),
    of_norms(
        name="equilibrium-factor",
        kind="extension",
        reference=MEMORY,
        statement="‖W‖² is (1+γ)/(1−γ) times that average: Ŵ is slower than Section 4.2 says",
        criterion=Criterion("their median ratio, over that factor,", at_least=0.8, at_most=1.25),
        evaluate=factor_before_average,
    ),
    as_fast(
        name="direction-turns-as-printed",
        reference="Section 4.2, Eqs. (8) and (9)",
        statement="A scale-invariant weight turns as fast under Adam as under 2-Adam with γ_2 = 0",
        evaluate=partial(ratio_of_speeds, kind=PRINTED),
    ),
    as_fast(
        name="direction-turns-as-corrected",
        kind="extension",
        reference=MEMORY,
        statement="With the angle of the corrected law, smaller by √((1+γ)/(1−γ)), it turns as "
        "fast as under 2-Adam",
        evaluate=partial(ratio_of_speeds, kind=CORRECTED),
    ),
    of_directions(
        name="normalization-decides-speed",
        reference="Section 4.2: the second normalization",
        statement="Beyond a constant, the second normalization brings the speed nearer to Adam's",
        criterion=Criterion(
            "the median rise of the speeds' mismatch, constant factors apart, without it",
            at_least=0,
        ),
        evaluate=gain_of_normalization,
    ),
)
