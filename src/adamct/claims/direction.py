"""Section 4.2's conclusion, trained: Ŵ under Adam against 2-Adam with γ_2 = 0 at a fixed norm.

Under Eqs. (8) and (9) Ŵ moves by u/‖W‖, and ‖W‖² is η/(2λ) times the moving average of ‖u‖² with
decay e^{−2ηλ}: it turns by √(2ηλ) · u over the root of that average, as under 2-Adam. With the
corrected law the angle is smaller by √((1+γ)/(1−γ)).

Single directions cannot decide: training multiplies any difference between two runs. How fast Ŵ
turns can, and what is left without the second normalization says what "as fast" means. One
difference stays in every comparison: gradients go like 1/‖W‖, so that v of the first level sees
‖W‖ change under Adam, and does not at a fixed norm.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from adamct.analysis.directions import (
    CORRECTED,
    FIXED,
    PRINTED,
    WINDOW,
    end_angle,
    speed_mismatch,
    speed_ratios,
)
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError
from adamct.claims.theorem_2 import DERIVED, median_over_matrices
from adamct.claims.verdict import Claim
from adamct.records import Records


def turns_as_fast(records: Records, *, kind: str) -> Estimate:
    """Speed of Ŵ under Adam over that under another kind: its geometric mean over n, over heads."""
    ratios = _settled_ratios(records, kind)
    values = np.exp(np.log(ratios).mean(axis=0))
    medians = np.median(ratios, axis=1)
    detail = (
        f"speed under Adam over that under {kind}: {values.min():.3g} to {values.max():.3g} over "
        f"{len(values)} matrices; medians in windows of {WINDOW} steps {medians.min():.3g} to "
        f"{medians.max():.3g}; the directions themselves are {end_angle(records, kind):.0f}° apart "
        "at the end"
    )
    return median_over_matrices(values, detail)


def normalization_decides(records: Records) -> Estimate:
    """Mismatch of speeds, mean abs(ln ratio) over n, with Adam at a fixed norm minus with 2-Adam.

    Each ratio is divided by its median over n, the best constant factor: learning rates at a fixed
    norm are a choice, and what a constant can mend is no adaptation.
    """
    ratios = {kind: _settled_ratios(records, kind) for kind in (CORRECTED, FIXED)}
    rest = {kind: speed_mismatch(ratio, up_to_a_factor=True) for kind, ratio in ratios.items()}
    words = "; ".join(
        f"{kind}: speeds differ by {100 * np.expm1(np.median(rest[kind])):.2g} % with the best "
        f"constant factor, by {100 * np.expm1(np.median(speed_mismatch(ratio))):.3g} % without; "
        f"directions {end_angle(records, kind):.0f}° apart at the end"
        for kind, ratio in ratios.items()
    )
    return median_over_matrices(rest[FIXED] - rest[CORRECTED], words)


def _settled_ratios(records: Records, kind: str) -> np.ndarray:
    ratios = speed_ratios(records, kind)
    if len(ratios) == 0:
        raise InconclusiveError("the record ends before decay has erased the start")
    return ratios


direction_claim = partial(Claim, figure="figE2", reads=("direction",), whole_runs=True)
turning_claim = partial(
    direction_claim,
    criterion=Criterion(
        "the median ratio of the two speeds, once decay has erased the start,",
        at_least=0.8,
        at_most=1.25,
    ),
)

CLAIMS = (
    turning_claim(
        name="direction-turns-as-printed",
        reference="Section 4.2, Eqs. (8) and (9)",
        statement="A scale-invariant weight turns as fast under Adam as under 2-Adam with γ_2 = 0",
        evaluate=partial(turns_as_fast, kind=PRINTED),
    ),
    turning_claim(
        name="direction-turns-as-corrected",
        kind="extension",
        reference=DERIVED,
        statement="With the angle of the corrected law, smaller by √((1+γ)/(1−γ)), it turns as "
        "fast as under 2-Adam",
        evaluate=partial(turns_as_fast, kind=CORRECTED),
    ),
    direction_claim(
        name="normalization-decides-speed",
        reference="Section 4.2: the second normalization",
        statement="Beyond a constant rate, the second normalization brings the speed nearer to "
        "Adam's",
        criterion=Criterion(
            "the median over matrices of what the mismatch of the two speeds, the best constant "
            "factor taken out, grows by without it",
            at_least=0,
        ),
        evaluate=normalization_decides,
    ),
)
