"""Section 4.2's conclusion: ‖W‖² is a moving average of ‖u‖², so that Ŵ moves by u/‖W‖.

Under Eq. (8) ‖W_n‖² tends to η/(2λ) times the moving average of ‖u‖² with decay e^{−2ηλ}, which is
what the second level of 2-Adam with γ_2 = 0 divides by. With momentum the factor (1+γ)/(1−γ) of
the corrected law comes before it: it makes Ŵ move slower, and leaves the adaptation as it is.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from adamct.analysis.norms import average_correlations, equilibrium_factors
from adamct.analysis.statistics import FEWEST
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError
from adamct.claims.theorem_2 import DERIVED, median_over_matrices
from adamct.claims.verdict import Claim
from adamct.records import Records
from adamct.theory import memory_factor


def follows_average(records: Records, *, second_moment: str) -> Estimate:
    """Correlation over the second half of ln ‖W_n‖² with the ln of the average, over the heads."""
    values = average_correlations(records, second_moment)
    if len(values) < FEWEST or not np.isfinite(values).all():
        raise InconclusiveError(f"only {len(values)} matrices, or constant norms", len(values))
    detail = (
        f"correlation of ln ‖W_n‖² with the ln of its moving average: median "
        f"{np.median(values):.3f}, from {values.min():.3f} to {values.max():.3f}"
    )
    return median_over_matrices(values, detail)


def equilibrium_factor(records: Records) -> Estimate:
    """‖W_n‖² over the average and (1+γ)/(1−γ), coarse-grained: the median over heads, γ > 0."""
    found = equilibrium_factors(records)
    shares = [factor / memory_factor(gamma) for gamma, factor in found if gamma > 0]
    words = ", ".join(f"{np.median(factor):.3g} at γ = {gamma}" for gamma, factor in found)
    detail = (
        f"‖W_n‖² over η/(2λ) times the moving average of ‖u‖²: {words}; Eq. (8) says 1, "
        "the corrected law (1+γ)/(1−γ)"
    )
    return median_over_matrices(np.concatenate([*shares, np.empty(0)]), detail)


equilibrium_claim = partial(Claim, figure="figE2", reads=("norm_equilibrium",), whole_runs=True)
average_claim = partial(
    equilibrium_claim,
    reference="Section 4.2, after Theorem 2",
    criterion=Criterion(
        "the median correlation of their logarithms, once decay has erased the start,",
        at_least=0.8,
    ),
)

CLAIMS = (
    average_claim(
        name="norm-is-a-moving-average",
        statement="With coarse-grained v, ‖W‖² follows the moving average of ‖u‖² of 2-Adam's "
        "second level",
        evaluate=partial(follows_average, second_moment="tensor_mean"),
    ),
    average_claim(
        name="norm-is-a-moving-average-elementwise",
        statement="With Adam's own v, too, ‖W‖² follows that moving average",
        evaluate=partial(follows_average, second_moment="elementwise"),
    ),
    equilibrium_claim(
        name="equilibrium-factor",
        kind="extension",
        reference=DERIVED,
        statement="‖W‖² is (1+γ)/(1−γ) times that average, so that Ŵ moves slower than Section 4.2 "
        "says",
        criterion=Criterion("their median ratio, over that factor,", at_least=0.8, at_most=1.25),
        evaluate=equilibrium_factor,
    ),
)
