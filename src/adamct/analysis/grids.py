"""Scores of k-Adam: of every run, of every optimizer over seeds, and how far optimizers differ.

An optimizer is a (strategy, k, kind of weight decay); its point is its learning rate and weight
decay. At k = 1 every strategy is Adam, here once. Scores are turned so that more is better: the
accuracy itself, and the negative loss. Runs of one seed share their batches, so optimizers are
compared within a seed.
"""

from __future__ import annotations

from typing import Literal

import pandas as pd

from adamct.analysis.statistics import with_bands
from adamct.data.catalogue import IMAGE_SETS, known
from adamct.records import Records

Metric = Literal["accuracy", "loss"]
OPTIMIZER = ["strategy", "k", "decoupled"]
GRID = ["lr", "weight_decay"]
ADAM = "adam"


def run_scores(records: Records, metric: Metric) -> pd.DataFrame:
    """Score every run of a sweep, at its best evaluation.

    Args:
        records: of one experiment, or of several that share runs.
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
    """Return one score per optimizer and point (the rows) and seed (the columns).

    A seed that an optimizer was not run with is NaN.
    """
    return scores.pivot_table(index=[*OPTIMIZER, *GRID], columns="seed", values=column)


def over_seeds(scores: pd.DataFrame) -> pd.DataFrame:
    """Return every optimizer's mean test score over its seeds, with a 95 % interval.

    Returns:
        One row a point: ``strategy, k, decoupled, lr, weight_decay``; ``mean``; ``low`` and
        ``high``, the ends of Student's interval, NaN for fewer than three seeds; ``n_seeds``.
    """
    points = [*OPTIMIZER, *GRID]
    n_seeds = scores.groupby(points).seed.nunique().rename("n_seeds")
    return with_bands(scores, "test", points).join(n_seeds, on=points)


def advantages(scores: pd.DataFrame, ours: str, theirs: str) -> pd.DataFrame:
    """Return the test score of one optimizer less that of each of some rivals, seed by seed.

    Args:
        scores: of :func:`run_scores`.
        ours: a condition on the columns of ``scores`` that one optimizer meets.
        theirs: a condition that its rivals meet.

    Returns:
        Rows: the rivals, as in :func:`by_point`; columns: the seeds that all of them have. Empty
        where either side is missing.

    Raises:
        ValueError: if more than one optimizer is ``ours``.
    """
    points = by_point(scores)
    own, rivals = (points.query(side) for side in (ours, theirs))
    if len(own) > 1:
        raise ValueError(f"{len(own)} optimizers meet {ours!r}; expected one: narrow it")
    if own.empty:
        return own
    seeds = pd.concat([own, rivals]).dropna(axis=1).columns
    return own[seeds].iloc[0] - rivals[seeds]


def distance_behind(scores: pd.DataFrame, strategy: str, *, above: int) -> pd.DataFrame:
    """Measure how far a strategy falls behind the best other one, at the same k.

    Args:
        scores: of :func:`run_scores`, each optimizer at one point.
        strategy: that may fall behind.
        above: only k above this.

    Returns:
        The differences of the test scores: rows (k, decoupled), a column a seed. The best other is
        that of the best mean over the seeds.
    """
    keys, points = ["k", "decoupled"], by_point(scores[scores.k > above])
    means = points.mean(axis=1)
    is_own = points.index.get_level_values("strategy") == strategy
    best = means[~is_own].groupby(keys).idxmax()
    own = points[is_own].droplevel(["strategy", *GRID])
    others = points.loc[best.to_list()].droplevel(["strategy", *GRID])
    return (others - own).dropna(how="all")


def learned(scores: pd.DataFrame, chance: float, margin: float) -> pd.DataFrame:
    """Return the scores of the optimizers whose mean lies above chance by a margin."""
    means = scores.groupby([*OPTIMIZER, *GRID]).test.transform("mean")
    return scores[means > chance + margin]


def chance(records: Records) -> float:
    """Return the accuracy of guessing on the images of some records: 1 over the classes."""
    return 1 / known(IMAGE_SETS, records.runs.corpus.iloc[0]).n_classes


def selection_gain(scores: pd.DataFrame) -> float:
    """Return what selecting on test gains: the median over runs of one seed.

    The gain of a run is the test score of the evaluation that is best on test, less that of the
    evaluation that is best on validation.
    """
    return float((scores.test - scores.test_at_validation).median())


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
