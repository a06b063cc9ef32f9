"""Claims on how k-Adam's best cells are found: selection on test, and where a grid ends.

The paper takes the best over a sweep on the test split, from grids whose ends may hold the best.
Neither is innocent, and what each does to the result can be measured.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from adamct.analysis.grids import Metric, best_cells, cell_scores, held_out_advantage, name
from adamct.analysis.statistics import FEWEST, bootstrap_interval
from adamct.claims.kadam import (
    GRID_OF_RATES,
    PICTURES,
    TEXT,
    UNIT,
    adam,
    edges,
    inverse_exp_2,
    unless_overturned,
)
from adamct.claims.verdict import Claim, Finding, Status, above, below, inconclusive
from adamct.records import Records

WORST_FIRST: tuple[Status, ...] = ("not reproduced", "inconclusive", "reproduced")


def selection_matters_little(records: Records, *, metric: Metric, tolerance: float) -> Finding:
    """Median over optimizers of what selecting on test gains over selecting on validation."""
    scores = cell_scores(records, metric)
    if "validation" not in scores:
        return inconclusive(
            "no validation split was held out; train with task.data.validation_fraction=0.1"
        )
    on_test, on_validation = (best_cells(scores, select_on=s) for s in ("test", "validation"))
    gain = (on_test["mean"] - on_validation["mean"]).to_numpy()
    if len(gain) < FEWEST:
        return inconclusive(f"only {len(gain)} optimizers", len(gain))
    winners = [name(t.sort_values("mean").iloc[-1]) for t in (on_test, on_validation)]
    moved = int(
        (on_test[["lr", "weight_decay"]] != on_validation[["lr", "weight_decay"]]).any(axis=1).sum()
    )
    median, interval = float(np.median(gain)), bootstrap_interval(gain)
    detail = (
        f"selecting on test gains {median:.4f} {UNIT[metric]} in the median, 95 % interval "
        f"[{interval[0]:.4f}, {interval[1]:.4f}], {len(gain)} optimizers, at most "
        f"{gain.max():.4f}; {moved} of them take another cell; the best is {winners[0]} selected "
        f"on test, {winners[1]} on validation"
    )
    return Finding(below(interval, tolerance), median, interval, len(gain), detail)


def grid_holds_the_best(records: Records, *, metric: Metric) -> Finding:
    """Number of optimizers whose best η lies at an end of the grid."""
    scores = cell_scores(records, metric)
    best = best_cells(scores)
    at_edge = best[best.edge.str.contains("lr")]
    detail = (
        f"{len(at_edge)} of {len(best)} at an end of η = {scores.lr.min():g} … "
        f"{scores.lr.max():g}: "
        + "; ".join(f"{name(row)} at η = {row.lr:g}" for _, row in best.iterrows())
    )
    status = below((len(at_edge), len(at_edge)), 0)
    return Finding(status, len(at_edge), None, len(best), detail)


def ranking_turns_on_the_grid(records: Records, *, metric: Metric, end: float) -> Finding:
    """Advantage of 2-Adam over Adam with the grid cut at ``end``, less that on the whole grid."""
    scores = cell_scores(records, metric)
    if scores.seed.nunique() < 2:
        return inconclusive("one seed; train more with n_seeds=3", 1)
    cut = scores[scores.lr <= end]
    found = [held_out_advantage(part, inverse_exp_2(part), adam(part)) for part in (cut, scores)]
    (short, (low, high)), (whole, (whole_low, whole_high)) = found
    statistic = float(short.mean() - whole.mean())
    detail = (
        f"2-Adam's advantage over Adam is {short.mean():+.4f} {UNIT[metric]} "
        f"[{low:+.4f}, {high:+.4f}] with η up to {end:g}, and {whole.mean():+.4f} "
        f"[{whole_low:+.4f}, {whole_high:+.4f}] with each at its own best; by seed "
        f"{_signed(short)} and {_signed(whole)}; " + edges(scores)
    )
    verdicts = {
        unless_overturned(above((low, high), 0.0), short),
        unless_overturned(below((whole_low, whole_high), 0.0), whole),
    }
    status = min(verdicts, key=WORST_FIRST.index)
    return Finding(status, statistic, None, len(whole), detail)


def _signed(values: np.ndarray) -> str:
    return ", ".join(f"{value:+.4f}" for value in values)


CLAIMS = (
    Claim(
        "selection-on-test-fig06",
        "fig06",
        "beyond the paper, which selects on test",
        "Selecting on test instead of validation flatters a test accuracy by little",
        "the interval of the median gain lies below one point of accuracy (0.01)",
        PICTURES,
        partial(selection_matters_little, metric="accuracy", tolerance=0.01),
    ),
    Claim(
        "selection-on-test-fig16",
        "fig16",
        "beyond the paper, which selects on test",
        "Selecting on test instead of validation flatters a test loss by little",
        "the interval of the median gain lies below 0.01 nats",
        TEXT,
        partial(selection_matters_little, metric="loss", tolerance=0.01),
    ),
    Claim(
        "grid-holds-the-best-figE4",
        "figE4",
        "beyond the paper",
        "The grid is wide enough: every optimizer's best learning rate lies inside it",
        "none lies at an end",
        GRID_OF_RATES,
        partial(grid_holds_the_best, metric="loss"),
    ),
    Claim(
        "ranking-turns-on-the-grid-figE4",
        "figE4",
        "beyond the paper",
        "2-Adam beats Adam with η up to 1e-3, where Appendix H's grid for C4 ends, and loses to it "
        "with each at its own best",
        "the interval of its advantage lies above 0 on the cut grid, below 0 on the whole one, and "
        "no seed overturns either",
        GRID_OF_RATES,
        partial(ranking_turns_on_the_grid, metric="loss", end=1e-3),
    ),
)
