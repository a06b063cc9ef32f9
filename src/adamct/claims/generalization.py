"""Claims on the test loss along a curve of (β, γ) (Section 3.3, Appendices M and N)."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from adamct.analysis.losses import (
    annealed_updates,
    best_losses_by_point,
    relative_spread,
    spearman,
    steepness,
)
from adamct.analysis.statistics import FEWEST, bootstrap_interval, median_with_interval
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError, require_points
from adamct.claims.verdict import Claim
from adamct.records import Records


def rank_correlation(records: Records, *, column: str, what: str) -> Estimate:
    """Spearman correlation of a column with the test loss at the first third, over B₊."""
    stable = _stable_points(records)
    x, loss = stable[column].to_numpy(), stable.early.to_numpy()
    statistic = spearman(x, loss)
    interval = bootstrap_interval(x, loss, statistic=spearman, paired=True)
    detail = (
        f"Spearman correlation of {what} with the best test loss in the first third "
        f"{statistic:+.2f}, 95 % interval {interval:+.2f}, {len(stable)} points in B₊; the loss "
        f"goes from {loss[np.argmin(x)]:.3f} at the smallest {what} to {loss[np.argmax(x)]:.3f} at "
        "the largest"
    )
    return Estimate(statistic, len(stable), detail, interval)


def spread_in_the_end(records: Records) -> Estimate:
    """Standard deviation over B₊ of the best test loss, relative to its mean."""
    stable = _stable_points(records)
    spread, early = (relative_spread(stable[name].to_numpy()) for name in ("best", "early"))
    interval = bootstrap_interval(stable.best.to_numpy(), statistic=relative_spread)
    detail = (
        f"relative standard deviation of the best test loss over B₊ {spread:.2%}, 95 % interval "
        f"{interval:.2%}, {len(stable)} points; {early:.2%} at the first third"
    )
    return Estimate(float(spread), len(stable), detail, interval)


def excess_steepness(records: Records) -> Estimate:
    """Slope of the best test loss in −C over B₋, less twice that over B₊."""
    table = best_losses_by_point(records)
    unstable, stable = table.query("C < 0"), table.query("C > 0")
    if min(len(unstable), len(stable)) < FEWEST:
        raise InconclusiveError(
            f"{len(unstable)} points in B₋ and {len(stable)} in B₊; a slope on either side needs "
            f"{FEWEST}",
            len(table),
        )

    # A difference has an interval even where the slope over B₊ may be 0; a ratio has none.
    def excess(i: np.ndarray, j: np.ndarray) -> float:
        return steepness(unstable, i) - 2 * steepness(stable, j)

    rows = np.arange(len(unstable)), np.arange(len(stable))
    interval = bootstrap_interval(*rows, statistic=excess)
    slopes = steepness(unstable, rows[0]), steepness(stable, rows[1])
    detail = (
        f"per unit of C the best test loss rises by {slopes[0]:.2f} nats in B₋ and {slopes[1]:.2f} "
        f"in B₊ ({slopes[0] / slopes[1]:.1f} times); slope in B₋ less twice that in B₊: "
        f"{excess(*rows):+.2f}, 95 % interval {interval:+.2f}, {len(table)} points; "
        f"{unstable.best.max() - stable.best.min():.2f} nats from the best of B₊ to the worst of B₋"
    )
    return Estimate(excess(*rows), len(table), detail, interval)


def _stable_points(records: Records) -> pd.DataFrame:
    stable = best_losses_by_point(records).query("C > 0")
    require_points(len(stable), "points in B₊")
    return stable


# ---------------------------------------------------------------------------- annealing, Fig. 14


def scaled_update_at_the_end(records: Records) -> Estimate:
    """Median over the points of η_n‖u_n‖∞/η₀ at the end of annealed training."""
    n, scaled, _ = _annealed(records)
    last = scaled[-1]
    median, interval = median_with_interval(last)
    detail = (
        f"median of η_n‖u_n‖∞/η₀ at n = {n.max()}: {median:.1e}, 95 % interval {interval:.1e}, "
        f"{len(last)} points, {last.min():.1e} to {last.max():.1e}"
    )
    return Estimate(median, len(last), detail, interval)


def update_over_second_half(records: Records) -> Estimate:
    """Median over the points of ‖u_n‖∞ at the end of annealed training."""
    n, _, update = _annealed(records)
    typical = np.median(update[n >= n.max() / 2], axis=0)
    median, interval = median_with_interval(typical)
    detail = (
        f"median ‖u_n‖∞ over the second half: {median:.2f}, 95 % interval {interval:.2f}, "
        f"{len(typical)} points, {typical.min():.2f} to {typical.max():.2f}"
    )
    return Estimate(median, len(typical), detail, interval)


def annealed_excess(records: Records) -> Estimate:
    """Best test loss with annealing in B₋, less that of (0.999, 0.9)."""
    runs = records.runs
    annealed = runs[runs.schedule == "annealed_warmup_cosine"]
    default = runs[(runs.experiment == "generalization_normal_curve") & (runs.beta == 0.999)]
    reference = float(best_losses_by_point(records.where(default)).best.iloc[0])
    excess = best_losses_by_point(records.where(annealed)).best.to_numpy() - reference
    require_points(len(excess), "annealed points")
    median, interval = median_with_interval(excess)
    detail = (
        f"median best test loss {median:+.3f} nats against {reference:.3f} at (0.999, 0.9), 95 % "
        f"interval {interval:+.3f}, {len(excess)} points, {excess.min():+.3f} to "
        f"{excess.max():+.3f}"
    )
    return Estimate(median, len(excess), detail, interval)


def _annealed(records: Records) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    runs = records.runs
    n, scaled, update = annealed_updates(records.where(runs[runs.schedule == "annealed"]))
    if n.max() < 900:
        raise InconclusiveError(f"the records end at n = {n.max()}, before the decay shows")
    return n, scaled, update


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
                "the rise of the test loss per unit of C in B₋, less twice that in B₊,",
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
        evaluate=scaled_update_at_the_end,
    ),
    annealed(
        name="unscaled-of-order-one",
        kind="extension",
        reference="beyond the paper",
        statement="Annealed, ‖u_n‖∞ itself stays of order 1",
        criterion=Criterion("its median over the second half", at_least=0.1, at_most=10),
        evaluate=update_over_second_half,
    ),
    Claim(
        name="annealing-does-not-rescue",
        figure="fig14",
        reference="Appendix N, Fig. 14",
        statement="Annealing does not make B₋ generalize as (0.999, 0.9) does",
        criterion=Criterion("the median excess of the best test loss", at_least=0, unit="nats"),
        reads=(*ANNEALED, "generalization_normal_curve"),
        evaluate=annealed_excess,
    ),
)
