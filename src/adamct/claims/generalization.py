"""Claims on the test loss along a curve of (β, γ) (Section 3.3, Appendices M and N)."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from adamct.analysis.statistics import FEWEST, bootstrap_interval
from adamct.claims.verdict import Claim, Finding, above, below, inconclusive, within
from adamct.records import Records


def best_losses(records: Records) -> pd.DataFrame:
    """Return per point of a curve, over its seeds, the best test losses.

    Returns:
        One row a point: ``beta, gamma, C``, and the mean over seeds of the best test loss in the
        first third of the steps (``early``) and overall (``best``). A run that diverged counts
        with what it reached before.
    """
    runs = records.runs
    scalars = records.scalars.dropna(subset="test_loss")
    early = scalars[scalars.n <= runs.n_steps.max() / 3]
    by_run = pd.DataFrame(
        {
            "early": early.groupby("run_id").test_loss.min(),
            "best": scalars.groupby("run_id").test_loss.min(),
        }
    )
    table = runs[["run_id", "beta", "gamma", "C"]].join(by_run, on="run_id")
    means = table.groupby(["beta", "gamma", "C"], as_index=False)[["early", "best"]].mean()
    return means.sort_values("C", ignore_index=True)


def faster_with(records: Records, *, column: str, what: str) -> Finding:
    """Spearman correlation of a column with the test loss at the first third, over B₊."""
    stable = best_losses(records).query("C > 0")
    if len(stable) < FEWEST:
        return inconclusive(f"only {len(stable)} points in B₊", len(stable))
    x, loss = stable[column].to_numpy(), stable.early.to_numpy()
    statistic = _spearman(x, loss)
    interval = bootstrap_interval(x, loss, statistic=_spearman, paired=True)
    detail = (
        f"Spearman correlation of {what} with the best test loss in the first third "
        f"{statistic:+.2f}, 95 % interval [{interval[0]:+.2f}, {interval[1]:+.2f}], {len(stable)} "
        f"points in B₊; the loss goes from {loss[np.argmin(x)]:.3f} at the smallest {what} to "
        f"{loss[np.argmax(x)]:.3f} at the largest"
    )
    return Finding(below(interval, 0.0), statistic, interval, len(stable), detail)


def alike_in_the_end(records: Records) -> Finding:
    """Standard deviation over B₊ of the best test loss, relative to its mean."""
    stable = best_losses(records).query("C > 0")
    if len(stable) < FEWEST:
        return inconclusive(f"only {len(stable)} points in B₊", len(stable))
    spread, early = (_relative_spread(stable[name].to_numpy()) for name in ("best", "early"))
    interval = bootstrap_interval(stable.best.to_numpy(), statistic=_relative_spread)
    detail = (
        f"relative standard deviation of the best test loss over B₊ {spread:.2%}, 95 % interval "
        f"[{interval[0]:.2%}, {interval[1]:.2%}], {len(stable)} points; {early:.2%} at the first "
        f"third"
    )
    return Finding(below(interval, 0.02), float(spread), interval, len(stable), detail)


def rises_sharply(records: Records) -> Finding:
    """Slope of the best test loss in −C over B₋, less twice that over B₊."""
    table = best_losses(records)
    sides = [table.query("C < 0"), table.query("C > 0")]
    if min(map(len, sides)) < FEWEST:
        return inconclusive(
            f"{len(sides[0])} points in B₋ and {len(sides[1])} in B₊; a slope on either side "
            f"needs {FEWEST}",
            len(table),
        )
    slopes = [_steepness(side, np.arange(len(side))) for side in sides]
    # A difference has an interval even where the slope over B₊ may be 0; a ratio has none.
    statistic = slopes[0] - 2 * slopes[1]
    low, high = bootstrap_interval(
        *(np.arange(len(side)) for side in sides),
        statistic=lambda i, j: _steepness(sides[0], i) - 2 * _steepness(sides[1], j),
    )
    rise = sides[0].best.max() - sides[1].best.min()
    detail = (
        f"per unit of C the best test loss rises by {slopes[0]:.2f} nats in B₋ and {slopes[1]:.2f} "
        f"in B₊ ({slopes[0] / slopes[1]:.1f} times); slope in B₋ less twice that in B₊: "
        f"{statistic:+.2f}, 95 % interval [{low:+.2f}, {high:+.2f}], {len(table)} points; "
        f"{rise:.2f} nats from the best of B₊ to the worst of B₋"
    )
    return Finding(above((low, high), 0.0), statistic, (low, high), len(table), detail)


# ---------------------------------------------------------------------------- annealing, Fig. 14


def annealed_to_nothing(records: Records) -> Finding:
    """Median over the points of η_n‖u_n‖∞/η₀ at the end of annealed training."""
    n, scaled, _ = _annealed(records)
    if n.max() < 900:
        return inconclusive(f"the records end at n = {n.max()}, before the decay shows", 0)
    last = scaled[-1]
    median, interval = float(np.median(last)), bootstrap_interval(last)
    detail = (
        f"median of η_n‖u_n‖∞/η₀ at n = {n.max()}: {median:.1e}, 95 % interval "
        f"[{interval[0]:.1e}, {interval[1]:.1e}], {len(last)} points, {last.min():.1e} to "
        f"{last.max():.1e}"
    )
    return Finding(below(interval, 1e-2), median, interval, len(last), detail)


def unscaled_of_order_one(records: Records) -> Finding:
    """Median over the points of ‖u_n‖∞ at the end of annealed training."""
    n, _, unscaled = _annealed(records)
    if n.max() < 900:
        return inconclusive(f"the records end at n = {n.max()}, before the decay shows", 0)
    typical = np.median(unscaled[n >= n.max() / 2], axis=0)
    median, interval = float(np.median(typical)), bootstrap_interval(typical)
    detail = (
        f"median ‖u_n‖∞ over the second half: {median:.2f}, 95 % interval [{interval[0]:.2f}, "
        f"{interval[1]:.2f}], {len(typical)} points, {typical.min():.2f} to {typical.max():.2f}"
    )
    return Finding(within(interval, 0.1, 10.0), median, interval, len(typical), detail)


def annealing_does_not_rescue(records: Records) -> Finding:
    """Best test loss with annealing in B₋, less that of (0.999, 0.9)."""
    runs = records.runs
    annealed = best_losses(records.where(runs[runs.schedule == "annealed_warmup_cosine"]))
    default = runs[(runs.experiment == "generalization_normal_curve") & (runs.beta == 0.999)]
    reference = float(best_losses(records.where(default)).best.iloc[0])
    excess = annealed.best.to_numpy() - reference
    if len(excess) < FEWEST:
        return inconclusive(f"only {len(excess)} annealed points", len(excess))
    median, interval = float(np.median(excess)), bootstrap_interval(excess)
    detail = (
        f"median best test loss {median:+.3f} nats against {reference:.3f} at (0.999, 0.9), 95 % "
        f"interval [{interval[0]:+.3f}, {interval[1]:+.3f}], {len(excess)} points, "
        f"{excess.min():+.3f} to {excess.max():+.3f}"
    )
    return Finding(above(interval, 0.0), median, interval, len(excess), detail)


def _annealed(records: Records) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return n, η_n‖u_n‖∞/η₀ and ‖u_n‖∞ of the runs annealed from a constant learning rate."""
    own = records.where(records.runs[records.runs.schedule == "annealed"])
    n, update = own.matrix("max_update")
    _, lr = own.matrix("lr")
    return n, update * lr / lr[0], update


def _spearman(x: np.ndarray, y: np.ndarray) -> float:
    # A resample of one point only has no ranks to compare.
    return float(spearmanr(x, y).statistic) if np.ptp(x) and np.ptp(y) else 0.0


def _steepness(side: pd.DataFrame, rows: np.ndarray) -> float:
    """Return the rise of the best test loss per unit of −C over some rows, by least squares."""
    C, loss = side.C.to_numpy()[rows], side.best.to_numpy()[rows]
    return float(-np.polyfit(C, loss, 1)[0]) if np.ptp(C) else 0.0


def _relative_spread(values: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.std(values, axis=axis, ddof=1) / np.mean(values, axis=axis)


def _along(figure: str, reference: str, experiment: str) -> tuple[Claim, ...]:
    """Return the claims on a normal curve, which Figures 4 and 12 make alike."""
    return (
        Claim(
            f"faster-with-C-{figure}",
            figure,
            reference,
            "The larger C, the faster the generalization",
            "the interval of the Spearman correlation lies below 0",
            (experiment,),
            partial(faster_with, column="C", what="C"),
        ),
        Claim(
            f"alike-in-the-end-{figure}",
            figure,
            reference,
            "In the end all of B₊ reaches roughly the same test loss",
            "the interval of the relative standard deviation lies below 2 %",
            (experiment,),
            alike_in_the_end,
        ),
        Claim(
            f"sharp-rise-{figure}",
            figure,
            reference,
            "The test loss rises sharply on entering B₋",
            "per unit of C it rises more than twice as fast in B₋ as in B₊, with its interval",
            (experiment,),
            rises_sharply,
        ),
    )


ANNEALED = ("annealed_unstable",)

CLAIMS = (
    *_along("fig04", "Section 3.3, Fig. 4", "generalization_normal_curve"),
    *_along("fig12", "Appendix M, Fig. 12", "generalization_normal_curve_095"),
    Claim(
        "slower-towards-origin",
        "fig13",
        "Appendix M, Fig. 13",
        "On a level curve of C generalization is slower towards the origin",
        "the interval of the Spearman correlation of β with the loss lies below 0",
        ("generalization_level_curve",),
        partial(faster_with, column="beta", what="β"),
    ),
    Claim(
        "annealed-to-nothing",
        "fig14",
        "Appendix N, Fig. 14",
        "With η_n = η₀ exp(−n|C|/2) the update becomes very small",
        "the interval of the median η_n‖u_n‖∞/η₀ at the end lies below 1e-2",
        ANNEALED,
        annealed_to_nothing,
    ),
    Claim(
        "unscaled-of-order-one",
        "fig14",
        "beyond the paper",
        "Annealed, ‖u_n‖∞ itself stays of order 1",
        "the interval of its median over the second half lies within [0.1, 10]",
        ANNEALED,
        unscaled_of_order_one,
    ),
    Claim(
        "annealing-does-not-rescue",
        "fig14",
        "Appendix N, Fig. 14",
        "Annealing does not make B₋ generalize as (0.999, 0.9) does",
        "the interval of the median excess of the best test loss lies above 0",
        (*ANNEALED, "generalization_normal_curve"),
        annealing_does_not_rescue,
    ),
)
