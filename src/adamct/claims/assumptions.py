"""Claims on what Theorem 2 assumes: ⟨W, g⟩ = 0, coarse-grained v (Section 4.2, Figs. 8, 9)."""

from __future__ import annotations

from functools import partial

import numpy as np

from adamct.analysis.directions import final_cosines, median_ratio
from adamct.analysis.statistics import bootstrap_interval
from adamct.analysis.trajectories import query_key_displacements, relative_difference
from adamct.claims.criterion import Criterion, Estimate
from adamct.claims.verdict import Claim
from adamct.records import Records


def cosines_at_the_end(records: Records) -> Estimate:
    """abs(cos(W_N, g_{N−1})) without qk-norm over the same with it, medians over the heads."""
    with_, without = (final_cosines(records, qk_norm=own)[-1] for own in (True, False))
    return _compared(without, with_, "at the last step")


def cosines_within_memory(records: Records) -> Estimate:
    """The same ratio over the gradients that m remembers at γ = 0.9: those of age 1 to 20."""
    with_, without = (
        np.median(final_cosines(records, qk_norm=own)[-20:], axis=0) for own in (True, False)
    )
    return _compared(without, with_, "over the last 20 gradients")


def difference_of_displacements(records: Records) -> Estimate:
    """Relative difference of the displacements with v elementwise and coarse-grained."""
    own, coarse = (
        query_key_displacements(records, kind) for kind in ("elementwise", "tensor_mean")
    )
    tenth, last = (relative_difference(own[n], coarse[n]) for n in (len(own) // 10, -1))
    interval = bootstrap_interval(own[-1], coarse[-1], statistic=relative_difference, paired=True)
    _, losses = records.matrix("train_loss")
    tail = np.nanmean(losses[-20:], axis=0)
    detail = (
        f"the displacements differ by {100 * last:.3g} % at n = {len(own) - 1} "
        f"({100 * tenth:.3g} % at n = {len(own) // 10}) over {own.shape[1]} parameters, with "
        f"correlation {np.corrcoef(own[-1], coarse[-1])[0, 1]:.3f}; the mean training loss of the "
        f"last 20 steps differs by {np.ptp(tail):.3g} of {tail.mean():.3g}"
    )
    return Estimate(last, own.shape[1], detail, interval)


def _compared(without: np.ndarray, with_: np.ndarray, where: str) -> Estimate:
    interval = bootstrap_interval(without, with_, statistic=median_ratio)
    detail = (
        f"median abs(cos(W_N, g_n)) {where}: {np.median(with_):.2g} with qk-norm, "
        f"{np.median(without):.2g} without; {len(with_)} matrices"
    )
    return Estimate(median_ratio(without, with_), len(with_), detail, interval)


in_figure_8 = partial(Claim, figure="fig08", reads=("gradient_orthogonality",), whole_runs=True)

CLAIMS = (
    in_figure_8(
        name="orthogonal-at-the-end",
        reference="Appendix G, Fig. 8",
        statement="As n tends to N, ⟨W_N, g_n⟩ vanishes with qk-norm and does not without",
        criterion=Criterion("the ratio of the median abs(cos) at the last step", at_least=10),
        evaluate=cosines_at_the_end,
    ),
    in_figure_8(
        name="assumption-1",
        reference="Assumption 1, Fig. 8",
        statement="With qk-norm ⟨W, g⟩ is negligible for the gradients that m remembers",
        criterion=Criterion("the ratio of the median abs(cos) over the last 20 steps", at_least=10),
        evaluate=cosines_within_memory,
    ),
    Claim(
        name="coarse-graining-changes-little",
        figure="fig09",
        reference="Assumption 2, Fig. 9",
        statement="Replacing v by its mean over a query or key matrix hardly changes the "
        "trajectory",
        criterion=Criterion("the relative difference of the displacements", at_most=0.25, unit="%"),
        reads=("coarse_graining",),
        evaluate=difference_of_displacements,
        whole_runs=True,
    ),
)
