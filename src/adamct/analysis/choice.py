"""The choice of a screen: each optimizer's best point on pilot seeds, and who contends.

What is chosen here is scored on other seeds. Points are chosen on the validation split where one
was held out, else on the test split, as the paper does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from adamct.analysis.grids import ADAM, GRID, OPTIMIZER, by_point, name

PAPER_END = 1e-3  # η, where Appendix H's grid for C4 ends
SYMBOLS = {"lr": "η", "weight_decay": "λ"}
# The paper's best: 2-Adam with inverse exp and decoupled weight decay (Section 4.3, Appendix P).
PAPERS_BEST = "strategy == 'inverse_exp' and k == 2 and decoupled"
CONTENDING = (ADAM, "inverse_exp", "exp", "scaled")  # naive and root are compared on their own


def best_points(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the best point of every optimizer: that with the best mean over seeds.

    Args:
        scores: of :func:`~adamct.analysis.grids.run_scores`, on a grid.

    Returns:
        One row an optimizer: ``strategy, k, decoupled, lr, weight_decay``; ``score``, the mean by
        which it was chosen; and ``edge``, the names of the grid's axes at whose end the point lies,
        so that a better one may lie beyond. The axes of a grid are those with several values.
    """
    means = by_point(scores, "validation" if "validation" in scores else "test").mean(axis=1)
    best = means.loc[means.groupby(OPTIMIZER).idxmax().to_list()].rename("score").reset_index()
    axes = [axis for axis in GRID if scores[axis].nunique() > 1]
    ends = {axis: (scores[axis].min(), scores[axis].max()) for axis in axes}
    at_ends = [
        " ".join(axis for axis in axes if row[axis] in ends[axis]) for _, row in best.iterrows()
    ]
    return best.assign(edge=at_ends)


def contenders(best: pd.DataFrame) -> pd.DataFrame:
    """Return the optimizers that may be the best of all: of each strategy and kind of decay one.

    Of the strategy of the paper's best there are two: the paper's best, and its best rival.

    Args:
        best: of :func:`best_points`.
    """
    papers = best.query(PAPERS_BEST)
    others = best[best.strategy.isin(CONTENDING)].drop(papers.index)
    winners = others.groupby(["strategy", "decoupled"]).score.idxmax()
    return best.loc[sorted([*papers.index, *winners])]


@dataclass(frozen=True)
class Tuned:
    """An optimizer at the learning rate that pilots chose for it.

    Attributes:
        name: as a reader says it.
        lr: its learning rate η.
        scores: per fresh seed; empty where it was not scored at that rate.
    """

    name: str
    lr: float
    scores: pd.Series


def tuned(screen: pd.DataFrame, scores: pd.DataFrame, which: str, *, end: float = np.inf) -> Tuned:
    """Choose an optimizer's learning rate on pilots, and look up its scores at that rate.

    Args:
        screen: of :func:`~adamct.analysis.grids.run_scores`, on pilot seeds.
        scores: likewise, on fresh seeds.
        which: a condition on their columns that one optimizer meets.
        end: no rate above this is chosen.

    Raises:
        LookupError: if the screen lacks the optimizer.
    """
    tried = screen.query(f"({which}) and lr <= {end}")
    if tried.empty:
        raise LookupError(f"the screen lacks the optimizer with {which}")
    [(_, best)] = best_points(tried).iterrows()
    own = by_point(scores).query(f"({which}) and lr == {best.lr!r}")
    return Tuned(name(best), float(best.lr), pd.Series(dtype=float) if own.empty else own.iloc[0])


def settings(best: pd.DataFrame) -> list[str]:
    """Return points as an experiment sweeps them, its ``setting``.

    >>> of_adam = {"strategy": "adam", "k": 1, "decoupled": True, "lr": 1e-3, "weight_decay": 0.0}
    >>> settings(pd.DataFrame([of_adam]))
    ['[null,1,true,0.001,0]']
    """
    return [
        f"[{'null' if row.strategy == ADAM else row.strategy},{row.k},"
        f"{str(bool(row.decoupled)).lower()},{row.lr:g},{row.weight_decay:g}]"
        for _, row in best.iterrows()
    ]


def edges(best: pd.DataFrame) -> str:
    """Say which best points lie at an end of their grid.

    >>> edges(pd.DataFrame({"edge": ["", ""]}))
    '0 of 2 best points lie at an end of the grid'
    """
    at_edge = best[best.edge != ""]
    said = f"{len(at_edge)} of {len(best)} best points lie at an end of the grid"
    shown = [
        f"{name(row)}{'' if row.decoupled else ', coupled'} ({SYMBOLS[row.edge.split()[0]]})"
        for _, row in at_edge.iterrows()
    ]
    return f"{said}: {'; '.join(shown)}" if shown else said
