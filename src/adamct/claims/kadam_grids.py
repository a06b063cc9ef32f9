"""Claims on how k-Adam's best points are found: selection on test, and where a grid ends.

The paper takes the best over a sweep on the test split, from grids whose ends may hold the best.
Neither is innocent, and what each does to the result can be measured.
"""

from __future__ import annotations

from functools import partial

from adamct.analysis.grids import (
    Metric,
    best_points,
    held_out_advantage,
    name,
    run_scores,
    selection_gain,
)
from adamct.analysis.statistics import median_with_interval
from adamct.claims.criterion import (
    AllOf,
    Criterion,
    Estimate,
    InconclusiveError,
    require_points,
)
from adamct.claims.kadam_rankings import (
    ADAM,
    C4,
    CIFAR10,
    INVERSE_EXP_2,
    LR_GRID,
    UNIT,
    edges,
    signed,
)
from adamct.claims.verdict import Claim
from adamct.records import Records


def gain_of_selection(records: Records, *, metric: Metric) -> Estimate:
    """Median over optimizers of what selecting on test gains over selecting on validation."""
    scores = run_scores(records, metric)
    if "validation" not in scores:
        raise InconclusiveError(
            "no validation split was held out; train with task.data.validation_fraction=0.1"
        )
    found = selection_gain(scores)
    require_points(len(found), "optimizers")
    median, interval = median_with_interval(found.gain.to_numpy())
    best = [name(found.sort_values(by).iloc[-1]) for by in ("on_test", "on_validation")]
    detail = (
        f"selecting on test gains {median:.4f} {UNIT[metric]} in the median, 95 % interval "
        f"{interval:.4f}, {len(found)} optimizers, at most {found.gain.max():.4f}; "
        f"{found.moved.sum()} of them take another cell; the best is {best[0]} selected on test, "
        f"{best[1]} on validation"
    )
    return Estimate(median, len(found), detail, interval)


def best_at_an_end(records: Records, *, metric: Metric) -> Estimate:
    """Number of optimizers whose best η lies at an end of the grid."""
    scores = run_scores(records, metric)
    best = best_points(scores)
    at_edge = int(best.edge.str.contains("lr").sum())
    detail = (
        f"{at_edge} of {len(best)} at an end of η = {scores.lr.min():g} … {scores.lr.max():g}: "
        + "; ".join(f"{name(row)} at η = {row.lr:g}" for _, row in best.iterrows())
    )
    return Estimate(at_edge, len(best), detail)


def change_of_advantage(records: Records, *, metric: Metric, end: float) -> Estimate:
    """Advantage of 2-Adam over Adam with the grid cut at ``end``, less that on the whole grid."""
    scores = run_scores(records, metric)
    if scores.seed.nunique() < 2:
        raise InconclusiveError("one seed; train more with n_seeds=3", 1)
    (cut, on_cut), (whole, on_whole) = (
        held_out_advantage(part, INVERSE_EXP_2, ADAM) for part in (scores[scores.lr <= end], scores)
    )
    detail = (
        f"2-Adam's advantage over Adam is {cut.mean():+.4f} {UNIT[metric]} {on_cut:+.4f} with η up "
        f"to {end:g}, and {whole.mean():+.4f} {on_whole:+.4f} with each at its own best; by seed "
        f"{signed(cut)} and {signed(whole)}; {edges(scores)}"
    )
    parts = tuple(
        Estimate(float(by_seed.mean()), interval=interval, by_seed=tuple(by_seed))
        for by_seed, interval in ((cut, on_cut), (whole, on_whole))
    )
    return Estimate(float(cut.mean() - whole.mean()), len(whole), detail, parts=parts)


decides = partial(Criterion, no_seed_overturns=True)
extension = partial(Claim, kind="extension")

CLAIMS = (
    extension(
        name="selection-on-test-fig06",
        figure="fig06",
        reference="beyond the paper, which selects on test",
        statement="Selecting on test instead of validation flatters a test accuracy by little",
        criterion=Criterion("the median gain", at_most=0.01, unit="in test accuracy"),
        reads=CIFAR10,
        evaluate=partial(gain_of_selection, metric="accuracy"),
    ),
    extension(
        name="selection-on-test-fig16",
        figure="fig16",
        reference="beyond the paper, which selects on test",
        statement="Selecting on test instead of validation flatters a test loss by little",
        criterion=Criterion("the median gain", at_most=0.01, unit="nats"),
        reads=C4,
        evaluate=partial(gain_of_selection, metric="loss"),
    ),
    extension(
        name="grid-holds-the-best-figE4",
        figure="figE4",
        reference="beyond the paper",
        statement="The grid is wide enough: every optimizer's best learning rate lies inside it",
        criterion=Criterion(
            "the number of best learning rates at an end", at_least=0, at_most=0, interval=False
        ),
        reads=LR_GRID,
        evaluate=partial(best_at_an_end, metric="loss"),
    ),
    extension(
        name="ranking-turns-on-the-grid-figE4",
        figure="figE4",
        reference="beyond the paper",
        statement="2-Adam beats Adam with η up to 1e-3, where Appendix H's grid for C4 ends, and "
        "loses to it with each at its own best",
        criterion=AllOf(
            (
                decides("its advantage on the cut grid", at_least=0),
                decides("its advantage on the whole one", at_most=0),
            )
        ),
        reads=LR_GRID,
        evaluate=partial(change_of_advantage, metric="loss", end=1e-3),
    ),
)
