"""Claims on the test loss along a curve of (β, γ) (Section 3.3, Appendices M and N)."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from adamct.analysis.losses import (
    annealed_updates,
    best_at_default_pair,
    best_losses_by_point,
    relative_spread,
    spearman,
    steepness,
)
from adamct.analysis.statistics import span
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError
from adamct.claims.verdict import Claim
from adamct.records import Records

# How many times as steep as in B₊ a rise is sharp, as a number and as a word.
SHARP, SO_MANY_TIMES = 2, "twice"
DECAYED = 900  # steps, after which annealing has made the learning rate small


def rank_correlation(records: Records, *, column: str, what: str) -> Estimate:
    """Spearman correlation of a column with the test loss at the first third, over B₊."""
    stable = _stable_points(records)
    x, loss = stable[column].to_numpy(), stable.early.to_numpy()
    beside = (
        f"the best test loss in the first third goes from {loss[np.argmin(x)]:.3f} nats at the "
        f"smallest {what} to {loss[np.argmax(x)]:.3f} at the largest"
    )
    return Estimate.over(x, loss, statistic=spearman, paired=True, of="points in B₊", beside=beside)


def spread_in_the_end(records: Records) -> Estimate:
    """Standard deviation over B₊ of the best test loss, relative to its mean."""
    stable = _stable_points(records)
    beside = f"relative spread at the first third {relative_spread(stable.early.to_numpy()):.2%}"
    best = stable.best.to_numpy()
    return Estimate.over(best, statistic=relative_spread, of="points in B₊", beside=beside)


def excess_steepness(records: Records) -> Estimate:
    """Slope of the best test loss in −C over B₋, less ``SHARP`` times that over B₊."""
    table = best_losses_by_point(records)
    sides = table.query("C < 0"), table.query("C > 0")
    require_points(min(map(len, sides)), "points on one side of C = 0")

    below, above = (side[["C", "best"]].to_numpy().T for side in sides)

    # A difference has an interval even where the slope over B₊ may be 0; a ratio has none.
    def excess(i: np.ndarray, j: np.ndarray) -> float:
        return steepness(*below[:, i]) - SHARP * steepness(*above[:, j])

    rows = [np.arange(len(side)) for side in sides]
    unstable, stable = steepness(*below), steepness(*above)
    beside = (
        f"per unit of C the best test loss rises by {unstable:.2f} nats in B₋ and {stable:.2f} in "
        f"B₊ ({unstable / stable:.1f} times), from {span(table.best.to_numpy(), '.2f')} nats in all"
    )
    return Estimate.over(*rows, statistic=excess, n=len(table), of="points", beside=beside)


def _stable_points(records: Records) -> pd.DataFrame:
    stable = best_losses_by_point(records).query("C > 0")
    require_points(len(stable), "points in B₊")
    return stable


# ---------------------------------------------------------------------------- annealing, Fig. 14


def annealed_update(records: Records, *, scaled: bool) -> Estimate:
    """Median over the points of annealed training's η_n‖u_n‖∞/η₀ at the end, or of its ‖u_n‖∞.

    Args:
        records: with constant and with annealed learning rates.
        scaled: by η_n/η₀, at the last step; otherwise ‖u_n‖∞ itself, over the second half.
    """
    runs = records.runs
    n, with_rate, update = annealed_updates(records.where(runs[runs.schedule == "annealed"]))
    if n.max() < DECAYED:
        raise InconclusiveError(f"the records end at n = {n.max()}, before the decay shows")
    if scaled:
        return Estimate.over(with_rate[-1], of="points", beside=f"at n = {n.max()}")
    late = n >= n.max() / 2
    beside = f"medians over n = {n[late].min()} to {n.max()}"
    return Estimate.over(np.median(update[late], axis=0), of="points", beside=beside)


def annealed_excess(records: Records) -> Estimate:
    """Best test loss with annealing in B₋, less that of (0.999, 0.9)."""
    runs = records.runs
    annealed = runs[runs.schedule == "annealed_warmup_cosine"]
    reference = best_at_default_pair(records)
    if np.isnan(reference):
        raise InconclusiveError("the sweep has no run at (0.999, 0.9) to compare with")
    excess = best_losses_by_point(records.where(annealed)).best.to_numpy() - reference
    beside = f"nats above the {reference:.3f} of (0.999, 0.9)"
    return Estimate.over(excess, of="annealed points", beside=beside)


def _along(figure: str, reference: str, experiment: str) -> tuple[Claim, ...]:
    """Return the claims on a normal curve, which Figures 4 and 12 make alike."""
    claim = partial(Claim, figure=figure, reference=reference, reads=(experiment,))
    return (
        claim(
            name=f"faster-with-C-{figure}",
            statement="The larger C, the faster the generalization",
            criterion=Criterion("the Spearman correlation", at_most=0),
            evaluate=partial(rank_correlation, column="C", what="C"),
        ),
        claim(
            name=f"alike-in-the-end-{figure}",
            statement="In the end all of B₊ reaches roughly the same test loss",
            criterion=Criterion("the relative standard deviation", at_most=0.02, unit="%"),
            evaluate=spread_in_the_end,
        ),
        claim(
            name=f"sharp-rise-{figure}",
            statement="The test loss rises sharply on entering B₋",
            criterion=Criterion(
                f"the rise of the test loss per unit of C in B₋, less {SO_MANY_TIMES} that in B₊,",
                at_least=0,
                unit="nats",
            ),
            evaluate=excess_steepness,
        ),
    )


ANNEALED = ("annealed_unstable",)
annealed = partial(Claim, figure="fig14", reads=ANNEALED)

CLAIMS = (
    *_along("fig04", "Section 3.3, Fig. 4", "generalization_normal_curve"),
    *_along("fig12", "Appendix M, Fig. 12", "generalization_normal_curve_095"),
    Claim(
        name="slower-towards-origin",
        figure="fig13",
        reference="Appendix M, Fig. 13",
        statement="On a level curve of C generalization is slower towards the origin",
        criterion=Criterion("the Spearman correlation of β with the loss", at_most=0),
        reads=("generalization_level_curve",),
        evaluate=partial(rank_correlation, column="beta", what="β"),
    ),
    annealed(
        name="annealed-to-nothing",
        reference="Appendix N, Fig. 14",
        statement="With η_n = η₀ exp(−n|C|/2) the update becomes very small",
        criterion=Criterion("the median η_n‖u_n‖∞/η₀ at the end", at_most=1e-2),
        evaluate=partial(annealed_update, scaled=True),
    ),
    annealed(
        name="unscaled-of-order-one",
        kind="extension",
        reference="beyond the paper",
        statement="Annealed, ‖u_n‖∞ itself stays of order 1",
        criterion=Criterion("its median over the second half", at_least=0.1, at_most=10),
        evaluate=partial(annealed_update, scaled=False),
    ),
    annealed(
        name="annealing-does-not-rescue",
        reference="Appendix N, Fig. 14",
        statement="Annealing does not make B₋ generalize as (0.999, 0.9) does",
        criterion=Criterion("the median excess of the best test loss", at_least=0, unit="nats"),
        reads=(*ANNEALED, "generalization_normal_curve"),
        evaluate=annealed_excess,
    ),
)
