"""Claims on the test loss along a curve of (β, γ) (Section 3.3, Appendix M).

Speed is the area under the test loss in the first third of training, per step, in nats: the smaller
it is, the faster a run generalizes. It is the mean of every evaluation at n from 1 to a third of
the steps, where the loss at one step would carry the noise of its batches.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from adamct.analysis.losses import best_losses, relative_spread, spearman, steepness
from adamct.analysis.statistics import span
from adamct.claims.criterion import AllOf, Criterion, Estimate, InconclusiveError, by_seed
from adamct.claims.numbers import MINUS
from adamct.claims.verdict import Claim
from adamct.records import Records

SHARP = 2  # times as steep as further in B₊ is a sharp rise
FEWEST = 3  # points in B₊ that have an order and a spread
ALIKE = 0.5  # the ratio of two spreads from which on they are not called alike
NEAR_ORIGIN = 0.45  # β below which a point of Figure 13's curve is near the origin
AREA = "the area under the test loss in the first third"

CURVE = "generalization_normal_curve"
CURVE_095 = "generalization_normal_curve_095"
LEVEL_CURVE = "generalization_level_curve"
FIXED_GAMMA = "generalization_fixed_gamma"


def of_experiment(records: Records, experiment: str) -> Records:
    """Return the records of one experiment.

    Raises:
        InconclusiveError: if there are none, as where another one was trained with other seeds.
    """
    runs = records.runs[records.runs.experiment == experiment]
    if runs.empty:
        seeds = ", ".join(map(str, sorted(set(records.runs.seed))))
        raise InconclusiveError(f"no run of {experiment} at seed {seeds} to compare with")
    return records.where(runs)


def stable_points(records: Records) -> pd.DataFrame:
    """Return :func:`~adamct.analysis.losses.best_losses` of the runs in B₊, by C.

    Raises:
        InconclusiveError: if they are too few.
    """
    table = best_losses(records).query("C > 0").sort_values("C")
    if table.C.nunique() < FEWEST:
        raise InconclusiveError(
            f"{table.C.nunique()} points in B₊, where {FEWEST} are needed", table.C.nunique()
        )
    return table


def rank_correlation(records: Records, *, column: str) -> Estimate:
    """Spearman correlation of C with a column of the losses, over B₊, in each seed."""

    def of_a_seed(own: Records, column: str = column) -> float:
        stable = stable_points(own)
        return spearman(stable.C.to_numpy(), stable[column].to_numpy())

    stable = stable_points(records)
    means = stable.groupby("C")[column].mean()
    beside = f"{means.iloc[0]:.2f} nats at the smallest C, {means.iloc[-1]:.2f} at the largest"
    if column == "area":
        others = by_seed(records, partial(of_a_seed, column="early"))
        words = ", ".join(f"{x:.2f}".replace("-", MINUS) for x in others)
        beside += f"; with the best test loss in the first third instead {words}"
    return Estimate.over_seeds(records, of_a_seed, beside)


def spread_in_the_end(records: Records) -> Estimate:
    """Relative spread over B₊ of the best test loss in the end, over that in the first third.

    A relative spread is the standard deviation over the mean.
    """

    def of_a_seed(own: Records) -> float:
        stable = stable_points(own)
        return relative_spread(stable.best) / relative_spread(stable.early)

    stable = stable_points(records)
    early, best = (
        np.mean([relative_spread(own) for _, own in stable.groupby("seed")[column]])
        for column in ("early", "best")
    )
    beside = f"standard deviation over mean {best:.2%} in the end, {early:.2%} in the first third"
    return Estimate.over_seeds(records, of_a_seed, beside)


def excess_steepness(records: Records) -> Estimate:
    """Slope of the best test loss in −C across C = 0, less ``SHARP`` times that further in B₊.

    Across: as far into B₊ as the curve goes into B₋. A slope of B₋ alone is one of few points. Both
    slopes are by least squares.
    """

    def of_a_seed(own: Records) -> list[float]:
        table = best_losses(own)
        across = abs(table.C.min()) >= table.C
        sides = table[across], table[~across & (table.C > 0)]
        if table.C.min() >= 0 or min(map(len, sides)) < 2:
            raise InconclusiveError("too few points for a slope across C = 0", len(table))
        return [steepness(side.C.to_numpy(), side.best.to_numpy()) for side in sides]

    across, further = by_seed(records, of_a_seed).T
    beside = (
        f"per unit of C the best test loss rises by {across.mean():.2f} nats across C = 0 and "
        f"{further.mean():.2f} further in B₊"
    )
    return Estimate.of_seeds(across - SHARP * further, beside)


def spread_against_curve(records: Records, *, control: str) -> Estimate:
    """Spread of the loss area over the points of a control, over that along Figure 4's curve.

    Both are standard deviations, and so count the noise of a run: never too small.
    """

    def of_a_seed(own: Records) -> float:
        points = best_losses(of_experiment(own, control)).area.to_numpy()
        curve = stable_points(of_experiment(own, CURVE)).area.to_numpy()
        return float(np.std(points, ddof=1) / np.std(curve, ddof=1))

    points = best_losses(of_experiment(records, control))
    beside = "; ".join(
        f"{name} from {span(points[column].to_numpy())}"
        for name, column in (("C", "C"), ("γ", "gamma"), ("the area", "area"))
    )
    return Estimate.over_seeds(records, of_a_seed, beside)


def slower_near_origin(records: Records) -> Estimate:
    """Loss area near the origin, less that of (0.999, 0.9), and less that of the points between.

    The curve has two ends; a correlation over all of it would not see that both may be slow.
    """

    def of_a_seed(own: Records) -> list[float]:
        table = best_losses(own)
        near, default = table.beta < NEAR_ORIGIN, table.beta == 0.999
        parts = [table.area[rows].to_numpy() for rows in (near, ~near & ~default, default)]
        if not all(map(len, parts)):
            raise InconclusiveError("no point near the origin, between, or at β = 0.999")
        origin, between, at_default = (part.mean() for part in parts)
        return [origin - at_default, origin - between]

    ends, middle = map(Estimate.of_seeds, by_seed(records, of_a_seed).T)
    beyond = f"{middle.statistic:+.4f} nats".replace("-", MINUS)
    detail = f"{ends.detail}; less the points between, {beyond}, {middle.detail}"
    return Estimate.of_parts(ends, middle, detail=detail)


def _along(figure: str, reference: str, experiment: str) -> tuple[Claim, ...]:
    """Return the claims on a normal curve, which Figures 4 and 12 make alike."""
    claim = partial(Claim, figure=figure, reference=reference, reads=(experiment,))
    return (
        claim(
            name=f"faster-with-C-{figure}",
            statement="The larger C, the faster the generalization",
            criterion=Criterion(
                f"the Spearman correlation of C with {AREA}, over B₊,",
                at_most=0,
                note="ρ is bounded by 1, which the interval may pass; it has no width where every "
                "seed gives one value: the seeds agree, and more is not known",
            ),
            evaluate=partial(rank_correlation, column="area"),
        ),
        claim(
            name=f"alike-in-the-end-{figure}",
            statement="In the end all of B₊ reaches roughly the same test loss",
            criterion=Criterion(
                "the spread over B₊ of the best test loss in the end, over that in the first "
                "third,",
                at_most=ALIKE,
            ),
            evaluate=spread_in_the_end,
        ),
        claim(
            name=f"sharp-rise-{figure}",
            statement="The test loss rises sharply on entering B₋",
            criterion=Criterion(
                "the rise of the best test loss per unit of C across C = 0, as far into B₊ as "
                f"into B₋, less {SHARP} × that further in B₊,",
                at_least=0,
                unit="nats",
            ),
            evaluate=excess_steepness,
        ),
        claim(
            name=f"order-persists-{figure}",
            kind="extension",
            reference="beyond the paper",
            statement="In the end the larger C still has the lower test loss",
            criterion=Criterion(
                "the Spearman correlation of C with the best test loss, over B₊,", at_most=-0.8
            ),
            evaluate=partial(rank_correlation, column="best"),
        ),
    )


def _control(control: str, name: str, statement: str) -> Claim:
    """Return a claim on points at which C or γ is fixed, beside Figure 4's curve."""
    return Claim(
        name=name,
        statement=statement,
        figure="fig04",
        kind="extension",
        reference="beyond the paper",
        criterion=Criterion(
            f"the spread of {AREA} over its points, over that along Figure 4's curve in B₊,",
            at_most=ALIKE,
        ),
        reads=(control, CURVE),
        evaluate=partial(spread_against_curve, control=control),
    )


CLAIMS = (
    *_along("fig04", "Section 3.3, Fig. 4", CURVE),
    _control(
        FIXED_GAMMA,
        "speed-at-fixed-gamma",
        "At γ = 0.9, C moves the speed less than half as much as along the curve",
    ),
    _control(
        LEVEL_CURVE,
        "speed-at-fixed-C",
        "At one C, γ from 0.44 to 0.9 moves the speed less than half as much as along the curve",
    ),
    *_along("fig12", "Appendix M, Fig. 12", CURVE_095),
    Claim(
        name="slower-towards-origin",
        figure="fig13",
        reference="Appendix M, Fig. 13",
        statement="On a level curve of C generalization is slower towards the origin",
        criterion=AllOf(
            (
                Criterion(
                    f"{AREA} at β < {NEAR_ORIGIN}, less that at (0.999, 0.9),",
                    at_least=0,
                    unit="nats",
                ),
                Criterion("its excess over the points between", at_least=0, unit="nats"),
            )
        ),
        reads=(LEVEL_CURVE,),
        evaluate=slower_near_origin,
    ),
)
