"""The best of a sweep: the point of its grid that each optimizer takes, and how far seeds agree.

An optimizer is a (strategy, k, kind of weight decay); its grid are the learning rates and weight
decays that were tried. At k = 1 every strategy is Adam, here once. Scores are turned so that more
is better: the accuracy itself, and the negative loss.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from adamct.analysis.statistics import Interval
from adamct.records import Records

Metric = Literal["accuracy", "loss"]
OPTIMIZER = ["strategy", "k", "decoupled"]
GRID = ["lr", "weight_decay"]
ADAM = "adam"
PAPER_END = 1e-3  # η, where Appendix H's grid for C4 ends
SYMBOLS = {"lr": "η", "weight_decay": "λ"}


def run_scores(records: Records, metric: Metric) -> pd.DataFrame:
    """Score every run of a sweep, at its best evaluation.

    Args:
        records: of one experiment.
        metric: accuracy or loss.

    Returns:
        One row a run: ``strategy, k, decoupled, lr, weight_decay, seed``; ``test``, at the
        evaluation that is best on the test split, which is the paper's rule; and, where a
        validation split was held out, ``validation``, the best score there, and
        ``test_at_validation``, the test score of the same evaluation. A run that diverged counts
        with what it reached before.
    """
    sign = 1.0 if metric == "accuracy" else -1.0
    test, validation = f"test_{metric}", f"validation_{metric}"
    evaluated = records.scalars.dropna(subset=test).set_index("run_id")
    by_run = pd.DataFrame({"test": (sign * evaluated[test]).groupby("run_id").max()})
    if validation in evaluated:
        chosen = (
            evaluated.assign(key=sign * evaluated[validation])
            .sort_values("key", ascending=False, kind="stable")
            .groupby("run_id")
            .head(1)
        )
        by_run["validation"] = chosen.key
        by_run["test_at_validation"] = sign * chosen[test]
    runs = records.runs.assign(
        strategy=records.runs.strategy.where(records.runs.k > 1, ADAM)
    ).drop_duplicates("run_id")
    return runs[[*OPTIMIZER, *GRID, "seed", "run_id"]].join(by_run, on="run_id")


def by_point(scores: pd.DataFrame, column: str = "test") -> pd.DataFrame:
    """Return one score per point of the grid (the rows) and seed (the columns)."""
    return scores.pivot_table(index=[*OPTIMIZER, *GRID], columns="seed", values=column)


def best_points(scores: pd.DataFrame, *, select_on: str = "test") -> pd.DataFrame:
    """Return the best point of every optimizer: that with the best mean over seeds.

    Args:
        scores: of :func:`run_scores`.
        select_on: ``"test"`` as the paper does, or ``"validation"``.

    Returns:
        One row an optimizer: ``strategy, k, decoupled, lr, weight_decay``; the test score's
        ``mean``, ``low`` and ``high`` over the seeds, under this selection; and ``edge``, the
        names of the grid's axes at whose end the point lies, so that a better one may lie beyond.
    """
    shown = "test" if select_on == "test" else "test_at_validation"
    chosen = by_point(scores, select_on).mean(axis=1).groupby(OPTIMIZER).idxmax()
    seeds = by_point(scores, shown).loc[chosen.to_list()]
    table = pd.DataFrame(
        {"mean": seeds.mean(axis=1), "low": seeds.min(axis=1), "high": seeds.max(axis=1)}
    ).reset_index()
    ends = {axis: (scores[axis].min(), scores[axis].max()) for axis in varied_axes(scores)}
    at_ends = [
        " ".join(axis for axis in ends if row[axis] in ends[axis]) for _, row in table.iterrows()
    ]
    return table.assign(edge=at_ends)


def seed_noise(points: pd.DataFrame) -> tuple[float, int]:
    """Pool the spread over seeds of the contenders: the better half of the optimizers.

    Args:
        points: of :func:`by_point`.

    Returns:
        The standard deviation of one run's score, and its degrees of freedom (0 with one seed).
    """
    means = points.mean(axis=1)
    best = means.loc[means.groupby(OPTIMIZER).idxmax().to_list()]
    values = points.loc[best[best >= best.median()].index].to_numpy()
    freedom = values.size - len(values)
    if freedom == 0:
        return float("nan"), 0
    squares = (values - values.mean(axis=1, keepdims=True)) ** 2
    return float(np.sqrt(squares.sum() / freedom)), freedom


def held_out_advantage(scores: pd.DataFrame, ours: str, theirs: str) -> tuple[np.ndarray, Interval]:
    """Compare the best of some optimizers with the best of others, free of the winner's curse.

    The best of many points looks better than it is, the more so the more there are. So for each
    seed both sides pick their point on the other seeds, and are compared on this one.

    Args:
        scores: of :func:`run_scores`, with at least two seeds.
        ours: a condition on the columns of ``scores``, as ``DataFrame.query`` takes it.
        theirs: likewise.

    Returns:
        The advantage in each seed, and the 95 % interval of its mean: Student's, with the seeds'
        noise pooled over the contenders.
    """
    points = by_point(scores)
    sides = [points.query(side) for side in (ours, theirs)]
    differences = []
    for seed in points:
        picked = [side.loc[side.drop(columns=seed).mean(axis=1).idxmax(), seed] for side in sides]
        differences.append(picked[0] - picked[1])
    advantage = np.array(differences)
    noise, freedom = seed_noise(points)
    half = stats.t.ppf(0.975, freedom) * noise * np.sqrt(2 / len(advantage))
    return advantage, Interval(float(advantage.mean() - half), float(advantage.mean() + half))


def distance_behind(scores: pd.DataFrame, strategy: str) -> pd.DataFrame:
    """Measure how far a strategy falls behind the best other one at the same k > 2.

    Args:
        scores: of :func:`run_scores`.
        strategy: of which the best point at each k and kind of weight decay is taken.

    Returns:
        The difference of the two test scores: rows (k, kind of decay), a column a seed; empty
        where the sweep has no such k, or not the strategy.
    """
    keys, points = ["k", "decoupled"], by_point(scores)
    best = best_points(scores[scores.k > 2])
    by_seed = best[[*OPTIMIZER, *GRID]].join(points, on=[*OPTIMIZER, *GRID])
    own, others = (
        by_seed.loc[side.groupby(keys)["mean"].idxmax()].set_index(keys)[points.columns]
        for side in (best[best.strategy == strategy], best[best.strategy != strategy])
    )
    return (others - own).dropna(how="all")


def selection_gain(scores: pd.DataFrame) -> pd.DataFrame:
    """Compare each optimizer's best point selected on test with that selected on validation.

    Returns:
        One row an optimizer: ``strategy, k, decoupled``; the test scores ``on_test`` and
        ``on_validation`` of the two points, means over seeds; ``gain``, the first less the second;
        ``moved``, whether the points differ.
    """
    test, validation = (best_points(scores, select_on=on) for on in ("test", "validation"))
    return test[OPTIMIZER].assign(
        on_test=test["mean"],
        on_validation=validation["mean"],
        gain=test["mean"] - validation["mean"],
        moved=(test[GRID] != validation[GRID]).any(axis=1),
    )


def name(row: pd.Series) -> str:
    """Return an optimizer's name as a reader says it.

    Example:
        >>> name(pd.Series({"strategy": "inverse_exp", "k": 2, "decoupled": True}))
        '2-Adam (inverse exp)'
        >>> name(pd.Series({"strategy": "adam", "k": 1, "decoupled": True}))
        'Adam'
    """
    if row.strategy == ADAM:
        return "Adam"
    return f"{row.k}-Adam ({row.strategy.replace('_', ' ')})"


def varied_axes(scores: pd.DataFrame) -> list[str]:
    """Name the axes of the grid along which more than one value was tried: only these have ends."""
    return [axis for axis in GRID if scores[axis].nunique() > 1]


def edges(scores: pd.DataFrame) -> str:
    """Say which best points lie at an end of the grid, and of which axes that can be said."""
    best = best_points(scores)
    at_edge = best[best.edge != ""]
    if at_edge.empty:
        axes = " and ".join(SYMBOLS[axis] for axis in varied_axes(scores))
        return f"every best point lies inside the grid of {axes}" if axes else "a grid of one point"
    shown = "; ".join(name(row) + _decay(row) for _, row in at_edge.head(3).iterrows())
    more = f" and {len(at_edge) - 3} more" if len(at_edge) > 3 else ""
    return f"best point at the grid's edge for {len(at_edge)} of {len(best)}: {shown}{more}"


def winner(scores: pd.DataFrame) -> str:
    """Name the best optimizer, its score and its point, and say if that lies at the grid's edge."""
    row = best_points(scores).sort_values("mean").iloc[-1]
    return (
        f"{name(row)} with {abs(row['mean']):.4f} at η = {row.lr:g}, λ = {row.weight_decay:g}"
        f"{_decay(row)}{', at the edge of the grid' if row.edge else ''}"
    )


def _decay(row: pd.Series) -> str:
    return "" if row.decoupled else ", coupled"
