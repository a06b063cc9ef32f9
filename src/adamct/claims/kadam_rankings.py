"""Claims on k-Adam: which k and strategy is best, and how sure that is (Section 4.3, O and P).

Every comparison is between the best cells of two sets of optimizers, cross-fitted over seeds
(:func:`~adamct.analysis.grids.held_out_advantage`). An ordering that one of the seeds overturns is
``inconclusive``, and so is one with a single seed. A best cell at the end of its grid is named:
beyond it a better one may lie, and with it another ranking.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from adamct.analysis.grids import (
    ADAM,
    GRID,
    OPTIMIZER,
    Metric,
    best_cells,
    by_cell,
    cell_scores,
    held_out_advantage,
    name,
    seed_noise,
    varied_axes,
)
from adamct.analysis.statistics import FEWEST, bootstrap_interval
from adamct.claims.verdict import Claim, Finding, Status, above, inconclusive
from adamct.records import Records

Choice = Callable[[pd.DataFrame], pd.Series]
SYMBOLS = {"lr": "η", "weight_decay": "λ"}
UNIT: dict[Metric, str] = {"accuracy": "in test accuracy", "loss": "nats of test loss"}


def adam(scores: pd.DataFrame) -> pd.Series:
    """Choose k = 1."""
    return scores.strategy == ADAM


def above_one(scores: pd.DataFrame) -> pd.Series:
    """Choose k > 1, in every strategy."""
    return scores.strategy != ADAM


def inverse_exp_2(scores: pd.DataFrame) -> pd.Series:
    """Choose what the paper finds best: k = 2, inverse exp, decoupled."""
    return (scores.strategy == "inverse_exp") & (scores.k == 2) & scores.decoupled


def strategy_is(strategy: str) -> Choice:
    """Choose one strategy, at every k > 1."""
    return lambda scores: scores.strategy == strategy


def beats(
    records: Records,
    *,
    metric: Metric,
    ours: Choice,
    theirs: Choice,
    only: Choice | None = None,
) -> Finding:
    """Advantage of the best of some optimizers over the best of others, cross-fitted over seeds.

    Args:
        records: of one sweep.
        metric: accuracy or loss; an advantage is a higher accuracy, or a lower loss.
        ours: which optimizers should win.
        theirs: against which.
        only: restricts the sweep, to one kind of weight decay.
    """
    scores = cell_scores(records, metric)
    if only is not None:
        scores = scores[only(scores)]
    n_seeds = scores.seed.nunique()
    if n_seeds < 2:
        return inconclusive(
            "one seed cannot tell an advantage from noise; train more with n_seeds=3", n_seeds
        )
    sides = [choice(scores) for choice in (ours, theirs)]
    if not all(side.any() for side in sides):
        return inconclusive("the sweep lacks one of the two sides", n_seeds)
    advantage, interval = held_out_advantage(scores, *sides)
    mean = float(advantage.mean())
    detail = (
        f"advantage, chosen on all seeds but one and scored on that one, {mean:+.4f} "
        f"{UNIT[metric]}, 95 % interval [{interval[0]:+.4f}, {interval[1]:+.4f}], by seed "
        f"{', '.join(f'{a:+.4f}' for a in advantage)}; over all seeds "
        f"{winner(scores[sides[0]], metric)} against {winner(scores[sides[1]], metric)}; "
        + edges(scores)
    )
    status = unless_overturned(above(interval, 0.0), advantage)
    return Finding(status, mean, interval, n_seeds, detail)


def naive_is_bad(records: Records, *, metric: Metric) -> Finding:
    """Median over k > 2 of how far the naive strategy falls behind the best other at that k."""
    scores = cell_scores(records, metric)
    best = best_cells(scores[scores.k > 2])
    if best.empty or not (best.strategy == "naive").any():
        return inconclusive("the sweep has no naive strategy at k > 2")
    keys = ["k", "decoupled"]
    cells = by_cell(scores)
    by_seed = best[[*OPTIMIZER, *GRID]].join(cells, on=[*OPTIMIZER, *GRID])
    naive, others = (
        by_seed.loc[side.groupby(keys)["mean"].idxmax()].set_index(keys)[cells.columns]
        for side in (best[best.strategy == "naive"], best[best.strategy != "naive"])
    )
    distances = (others - naive).dropna(how="all")  # rows (k, kind of decay), a column a seed
    behind = distances.mean(axis=1).to_numpy()
    noise, freedom = seed_noise(scores)
    if len(behind) < FEWEST or not freedom:
        return inconclusive(f"{len(behind)} values of k > 2 and {scores.seed.nunique()} seeds")
    threshold = 2 * noise
    median, interval = float(np.median(behind)), bootstrap_interval(behind)
    of_seeds = distances.median().to_numpy()
    detail = (
        f"behind the best other strategy by {median:.4f} {UNIT[metric]} in the median over k > 2, "
        f"95 % interval [{interval[0]:.4f}, {interval[1]:.4f}], {len(behind)} values, "
        f"{behind.min():.4f} to {behind.max():.4f}, by seed "
        f"{', '.join(f'{d:+.4f}' for d in of_seeds)}; a seed moves a run by {noise:.4f}"
    )
    status = unless_overturned(above(interval, threshold), of_seeds)
    return Finding(status, median, interval, len(behind), detail)


def unless_overturned(status: Status, by_seed: np.ndarray) -> Status:
    """Return a status, or inconclusive if the seeds do not all order two sides alike, or tie."""
    agreed = abs(np.sign(by_seed).sum()) == len(by_seed)
    return status if agreed else "inconclusive"


def winner(scores: pd.DataFrame, metric: Metric) -> str:
    """Name the best optimizer, its score and its cell, and say if that lies at the grid's edge."""
    row = best_cells(scores).sort_values("mean").iloc[-1]
    return (
        f"{name(row)} with {abs(row['mean']):.4f} at η = {row.lr:g}, λ = {row.weight_decay:g}"
        f"{_kind(row)}{', at the edge of the grid' if row.edge else ''}"
    )


def edges(scores: pd.DataFrame) -> str:
    """Say which best cells lie at an end of the grid, and of which axes that can be said."""
    best = best_cells(scores)
    at_edge = best[best.edge != ""]
    if at_edge.empty:
        axes = " and ".join(SYMBOLS[axis] for axis in varied_axes(scores))
        return f"every best cell lies inside the grid of {axes}" if axes else "a grid of one cell"
    shown = "; ".join(name(row) + _kind(row) for _, row in at_edge.head(3).iterrows())
    more = f" and {len(at_edge) - 3} more" if len(at_edge) > 3 else ""
    return f"best cell at the grid's edge for {len(at_edge)} of {len(best)}: {shown}{more}"


def _kind(row: pd.Series) -> str:
    return "" if row.decoupled else ", coupled"


def _decoupled(scores: pd.DataFrame) -> pd.Series:
    return scores.decoupled


def _coupled(scores: pd.DataFrame) -> pd.Series:
    return ~scores.decoupled


def _not(choice: Choice) -> Choice:
    return lambda scores: ~choice(scores)


def _other_strategies(scores: pd.DataFrame) -> pd.Series:
    return above_one(scores) & (scores.strategy != "inverse_exp")


BEATS = "its interval lies above 0 and no seed overturns it; both sides are picked on other seeds"
PICTURES, TEXT, GRID_OF_RATES = ("kadam_cifar10",), ("kadam_c4",), ("kadam_lr_grid",)

CLAIMS = (
    Claim(
        "k-beats-adamw-fig06",
        "fig06",
        "Section 4.3, Fig. 6",
        "With decoupled weight decay, some k > 1 beats AdamW on pictures",
        BEATS,
        PICTURES,
        partial(beats, metric="accuracy", ours=above_one, theirs=adam, only=_decoupled),
    ),
    Claim(
        "k-beats-adam-fig06",
        "fig06",
        "Section 4.3, Fig. 6",
        "With coupled weight decay, some k > 1 beats Adam on pictures",
        BEATS,
        PICTURES,
        partial(beats, metric="accuracy", ours=above_one, theirs=adam, only=_coupled),
    ),
    Claim(
        "2-adam-inverse-exp-best-fig06",
        "fig06",
        "Section 4.3, Fig. 6",
        "2-Adam with inverse exp and decoupled weight decay is the best of all on pictures",
        BEATS,
        PICTURES,
        partial(beats, metric="accuracy", ours=inverse_exp_2, theirs=_not(inverse_exp_2)),
    ),
    Claim(
        "naive-is-bad-fig15",
        "fig15",
        "Section 4.3, Appendix O, Fig. 15",
        "The naive strategy falls far behind for k > 2",
        "the interval of the median distance lies above twice what a seed moves a run by, and no "
        "seed overturns its sign",
        PICTURES,
        partial(naive_is_bad, metric="accuracy"),
    ),
    Claim(
        "k-beats-adamw-fig16",
        "fig16",
        "Appendix P, Fig. 16",
        "Some k > 1 beats AdamW in language modelling",
        BEATS,
        TEXT,
        partial(beats, metric="loss", ours=above_one, theirs=adam),
    ),
    Claim(
        "inverse-exp-best-fig16",
        "fig16",
        "Appendix P, Fig. 16",
        "Inverse exp is the best strategy in language modelling",
        BEATS,
        TEXT,
        partial(beats, metric="loss", ours=strategy_is("inverse_exp"), theirs=_other_strategies),
    ),
    Claim(
        "2-adam-inverse-exp-best-fig16",
        "fig16",
        "Appendix P, Fig. 16",
        "2-Adam with inverse exp is the best of all in language modelling",
        BEATS,
        TEXT,
        partial(beats, metric="loss", ours=inverse_exp_2, theirs=_not(inverse_exp_2)),
    ),
    Claim(
        "k-beats-adam-figE4",
        "figE4",
        "Section 4.3, on a grid that holds every best",
        "With each at its own best learning rate, some k > 1 beats Adam",
        BEATS,
        GRID_OF_RATES,
        partial(beats, metric="loss", ours=above_one, theirs=adam),
    ),
    Claim(
        "normalization-layer-figE4",
        "figE4",
        "Section 4.3 expects it",
        "2-Adam with γ₂ = 0, Adam with a normalization layer made explicit, beats Adam",
        BEATS,
        GRID_OF_RATES,
        partial(beats, metric="loss", ours=strategy_is("normalization_layer"), theirs=adam),
    ),
)
