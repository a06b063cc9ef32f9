"""Claims on what Theorem 2 assumes: ⟨W, g⟩ = 0 and coarse-grained v (Section 4.2, Figs. 8, 9)."""

from __future__ import annotations

from functools import partial

import numpy as np

from adamct.analysis.directions import final_products
from adamct.analysis.norms import dropped_over_kept
from adamct.analysis.trajectories import coarse_graining_differences
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError, by_seed, equivalent
from adamct.claims.theorem_2 import AGREES, PAPERS, PAPERS_GAMMA
from adamct.claims.verdict import Claim
from adamct.records import Records
from adamct.theory import memory_factor

EARLY = 20  # steps; later, training multiplies any small difference
TAIL = 20  # steps, over which a noisy training loss is averaged


def dropped_by_assumption_1(records: Records) -> Estimate:
    """2|⟨W_n, u_n⟩| over η‖u_n‖², the median over heads and steps, for Adam at γ = 0.9, λ = 0."""
    runs = records.runs

    def of_one(own: Records) -> float:
        same = np.logical_and.reduce([own.runs[name] == value for name, value in PAPERS.items()])
        (run,) = own.runs[same].itertuples()
        return float(np.median(np.abs(dropped_over_kept(own, run))))

    beside = (
        f"over {runs.n_steps.min()} steps; 2γ/(1−γ), what m remembers, is "
        f"{memory_factor(PAPERS_GAMMA) - 1:.3g}"
    )
    return Estimate.over_seeds(records, of_one, beside)


def ratio_of_cosines(records: Records) -> Estimate:
    """log10 of abs(cos(W_N, g_{N−1})) without qk-norm over that with it, medians over the heads."""
    with_, without = (by_seed(records, partial(_last_cosine, qk_norm=own)) for own in (True, False))
    beside = f"medians {np.mean(with_):.2g} with qk-norm, {np.mean(without):.2g} without"
    return Estimate.of_seeds(np.log10(without / with_), beside)


def _last_cosine(records: Records, *, qk_norm: bool) -> float:
    _, _, cosines = final_products(records, qk_norm=qk_norm)
    return float(np.median(cosines[-1]))


def difference_beyond_control(records: Records) -> Estimate:
    """Relative difference of displacements with v elementwise and coarse-grained, less a control's.

    At n = 20; the control is the same run at an η that is larger by 1 %.
    """
    steps = int(records.runs.n_steps.min())
    if steps < EARLY:
        raise InconclusiveError(f"the record ends before n = {EARLY}")
    pairs = by_seed(records, lambda own: np.transpose(coarse_graining_differences(own)))
    words = [
        f"{100 * coarse:.3g} % at n = {n}, of the control {100 * control:.3g} %"
        for n in (EARLY, steps)
        for coarse, control in [pairs.mean(axis=0)[n - 1]]
    ]
    at = pairs[:, EARLY - 1]
    return Estimate.of_seeds(at[:, 0] - at[:, 1], f"the difference is {'; '.join(words)}")


def difference_of_losses(records: Records) -> Estimate:
    """Relative rise of the mean training loss of the last steps with coarse-grained v."""

    def tails(own: Records) -> dict[tuple[str, float], float]:
        _, losses = own.matrix("train_loss")
        kinds = zip(own.runs.query_key_second_moment, own.runs.lr, strict=True)
        return dict(zip(kinds, losses[-TAIL:].mean(axis=0), strict=True))

    def of_one(own: Records) -> list[float]:
        found, (lr, larger) = tails(own), sorted(set(own.runs.lr))
        plain = found["elementwise", lr]
        return [found["tensor_mean", lr] / plain - 1, found["elementwise", larger] / plain - 1]

    measured, control = by_seed(records, of_one).T
    beside = f"a learning rate larger by 1 % moves it by {100 * control.mean():.2g} %"
    return Estimate.of_seeds(measured, beside)


in_figure_8 = partial(Claim, figure="fig08", whole_runs=True)
in_figure_9 = partial(Claim, figure="fig09", reads=("coarse_graining",), whole_runs=True)

CLAIMS = (
    in_figure_8(
        name="orthogonal-at-the-end",
        reference="Appendix G, Fig. 8",
        statement="As n tends to N, ⟨W_N, g_n⟩ vanishes with qk-norm and does not without",
        criterion=Criterion(
            "the ratio without over with qk-norm of the median abs(cos) at the last step",
            at_least=0.5,
            unit="decades",
            note="half a decade is a factor of 3",
        ),
        reads=("gradient_orthogonality",),
        evaluate=ratio_of_cosines,
    ),
    in_figure_8(
        name="assumption-1",
        reference="Assumption 1, Appendix G",
        statement="With qk-norm ⟨W(t), g(τ)⟩, τ ≤ t, is negligible beside what Theorem 2 keeps",
        criterion=Criterion(
            "2|⟨W, u⟩| / (η‖u‖²), what the assumption drops over what the theorem keeps,",
            at_most=AGREES,
        ),
        reads=("norm_growth",),
        evaluate=dropped_by_assumption_1,
    ),
    in_figure_9(
        name="coarse-graining-keeps-trajectory",
        reference="Assumption 2, Fig. 9",
        statement="Taking the mean of v over a query or key matrix hardly changes the trajectory",
        criterion=Criterion(
            f"the relative difference of the displacements at n = {EARLY}, less that of a run "
            "with a learning rate larger by 1 %,",
            at_most=AGREES,
            unit="%",
            note="later, training multiplies any difference",
        ),
        evaluate=difference_beyond_control,
    ),
    in_figure_9(
        name="coarse-graining-keeps-loss",
        reference="Section 4.2 on Assumption 2",
        statement="Taking that mean has little effect on training",
        criterion=equivalent(
            f"the rise of the mean training loss of the last {TAIL} steps", 0.02, unit="%"
        ),
        evaluate=difference_of_losses,
    ),
)
