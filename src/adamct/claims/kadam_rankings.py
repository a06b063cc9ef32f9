"""Claims on k-Adam: which k and strategy is best, and how sure that is (Section 4.3, O and P).

Every comparison is between the best points of two sets of optimizers, cross-fitted over seeds
(:func:`~adamct.analysis.grids.held_out_advantage`). An ordering that one of the seeds overturns is
``inconclusive``, and so is one with a single seed. A best point at the end of its grid is named:
beyond it a better one may lie, and with it another ranking.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import pandas as pd

from adamct.analysis.grids import (
    Metric,
    best_points,
    distance_behind,
    held_out_advantage,
    name,
    run_scores,
    seed_noise,
    varied_axes,
)
from adamct.analysis.statistics import FEWEST, median_with_interval
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError
from adamct.claims.verdict import Claim
from adamct.records import Records

SYMBOLS = {"lr": "η", "weight_decay": "λ"}
UNIT: dict[Metric, str] = {"accuracy": "in test accuracy", "loss": "nats of test loss"}

# Sets of optimizers, as conditions on the columns of the scores.
ADAM = "strategy == 'adam'"
ABOVE_ONE = "strategy != 'adam'"
INVERSE_EXP = "strategy == 'inverse_exp'"
INVERSE_EXP_2 = "strategy == 'inverse_exp' and k == 2 and decoupled"  # the paper's best
OTHER_STRATEGIES = "strategy not in ('adam', 'inverse_exp')"
NORMALIZATION_LAYER = "strategy == 'normalization_layer'"


def advantage(
    records: Records, *, metric: Metric, ours: str, theirs: str, only: str | None = None
) -> Estimate:
    """Advantage of the best of some optimizers over the best of others, cross-fitted over seeds.

    Args:
        records: of one sweep.
        metric: accuracy or loss; an advantage is a higher accuracy, or a lower loss.
        ours: which optimizers should win.
        theirs: against which.
        only: restricts the sweep, to one kind of weight decay.
    """
    scores = run_scores(records, metric)
    if only is not None:
        scores = scores.query(only)
    n_seeds = scores.seed.nunique()
    if n_seeds < 2:
        raise InconclusiveError(
            "one seed cannot tell an advantage from noise; train more with n_seeds=3", n_seeds
        )
    sides = [scores.query(side) for side in (ours, theirs)]
    if any(side.empty for side in sides):
        raise InconclusiveError("the sweep lacks one of the two sides", n_seeds)
    by_seed, interval = held_out_advantage(scores, ours, theirs)
    mean = float(by_seed.mean())
    detail = (
        f"advantage, chosen on all seeds but one and scored on that one, {mean:+.4f} "
        f"{UNIT[metric]}, 95 % interval {interval:+.4f}, by seed {signed(by_seed)}; over all seeds "
        f"{_winner(sides[0])} against {_winner(sides[1])}; {edges(scores)}"
    )
    return Estimate(mean, n_seeds, detail, interval, by_seed=tuple(by_seed))


def naive_distance(records: Records, *, metric: Metric) -> Estimate:
    """Median over k > 2 of how far the naive strategy falls behind the best other at that k."""
    scores = run_scores(records, metric)
    distances = distance_behind(scores, "naive")
    if distances.empty:
        raise InconclusiveError("the sweep has no naive strategy at k > 2")
    behind = distances.mean(axis=1).to_numpy()
    noise, freedom = seed_noise(scores)
    if len(behind) < FEWEST or not freedom:
        raise InconclusiveError(f"{len(behind)} values of k > 2 and {scores.seed.nunique()} seeds")
    median, interval = median_with_interval(behind)
    by_seed = distances.median().to_numpy()
    detail = (
        f"behind the best other strategy by {median:.4f} {UNIT[metric]} in the median over k > 2, "
        f"95 % interval {interval:.4f}, {len(behind)} values, {behind.min():.4f} to "
        f"{behind.max():.4f}, by seed {signed(by_seed)}; a seed moves a run by {noise:.4f}"
    )
    return Estimate(median, len(behind), detail, interval, by_seed=tuple(by_seed), scale=noise)


def signed(values: Iterable[float]) -> str:
    """Return numbers with their signs, in a row."""
    return ", ".join(f"{value:+.4f}" for value in values)


def edges(scores: pd.DataFrame) -> str:
    """Say which best points lie at an end of the grid, and of which axes that can be said."""
    best = best_points(scores)
    at_edge = best[best.edge != ""]
    if at_edge.empty:
        axes = " and ".join(SYMBOLS[axis] for axis in varied_axes(scores))
        return f"every best cell lies inside the grid of {axes}" if axes else "a grid of one cell"
    shown = "; ".join(name(row) + _decay(row) for _, row in at_edge.head(3).iterrows())
    more = f" and {len(at_edge) - 3} more" if len(at_edge) > 3 else ""
    return f"best cell at the grid's edge for {len(at_edge)} of {len(best)}: {shown}{more}"


def _winner(scores: pd.DataFrame) -> str:
    """Name the best optimizer, its score and its point, and say if that lies at the grid's edge."""
    row = best_points(scores).sort_values("mean").iloc[-1]
    return (
        f"{name(row)} with {abs(row['mean']):.4f} at η = {row.lr:g}, λ = {row.weight_decay:g}"
        f"{_decay(row)}{', at the edge of the grid' if row.edge else ''}"
    )


def _decay(row: pd.Series) -> str:
    return "" if row.decoupled else ", coupled"


BEATS = Criterion(
    "its advantage",
    at_least=0,
    no_seed_overturns=True,
    note="both sides are picked on other seeds",
)
CIFAR10, C4, LR_GRID = ("kadam_cifar10",), ("kadam_c4",), ("kadam_lr_grid",)

on_images = partial(Claim, figure="fig06", reference="Section 4.3, Fig. 6", reads=CIFAR10)
on_text = partial(Claim, figure="fig16", reference="Appendix P, Fig. 16", reads=C4)
in_figure_E4 = partial(Claim, figure="figE4", reads=LR_GRID)
accuracy, loss = (partial(advantage, metric=metric) for metric in ("accuracy", "loss"))

CLAIMS = (
    on_images(
        name="k-beats-adamw-fig06",
        statement="With decoupled weight decay, some k > 1 beats AdamW on pictures",
        criterion=BEATS,
        evaluate=partial(accuracy, ours=ABOVE_ONE, theirs=ADAM, only="decoupled"),
    ),
    on_images(
        name="k-beats-adam-fig06",
        statement="With coupled weight decay, some k > 1 beats Adam on pictures",
        criterion=BEATS,
        evaluate=partial(accuracy, ours=ABOVE_ONE, theirs=ADAM, only="not decoupled"),
    ),
    on_images(
        name="2-adam-inverse-exp-best-fig06",
        statement="2-Adam with inverse exp and decoupled weight decay is the best of all on "
        "pictures",
        criterion=BEATS,
        evaluate=partial(accuracy, ours=INVERSE_EXP_2, theirs=f"not ({INVERSE_EXP_2})"),
    ),
    Claim(
        name="naive-is-bad-fig15",
        figure="fig15",
        reference="Section 4.3, Appendix O, Fig. 15",
        statement="The naive strategy falls far behind for k > 2",
        criterion=Criterion(
            "the median distance",
            at_least=2,
            unit="times what a seed moves a run by",
            no_seed_overturns=True,
        ),
        reads=CIFAR10,
        evaluate=partial(naive_distance, metric="accuracy"),
    ),
    on_text(
        name="k-beats-adamw-fig16",
        statement="Some k > 1 beats AdamW in language modelling",
        criterion=BEATS,
        evaluate=partial(loss, ours=ABOVE_ONE, theirs=ADAM),
    ),
    on_text(
        name="inverse-exp-best-fig16",
        statement="Inverse exp is the best strategy in language modelling",
        criterion=BEATS,
        evaluate=partial(loss, ours=INVERSE_EXP, theirs=OTHER_STRATEGIES),
    ),
    on_text(
        name="2-adam-inverse-exp-best-fig16",
        statement="2-Adam with inverse exp is the best of all in language modelling",
        criterion=BEATS,
        evaluate=partial(loss, ours=INVERSE_EXP_2, theirs=f"not ({INVERSE_EXP_2})"),
    ),
    in_figure_E4(
        name="k-beats-adam-figE4",
        reference="Section 4.3, on a grid that holds every best",
        statement="With each at its own best learning rate, some k > 1 beats Adam",
        criterion=BEATS,
        evaluate=partial(loss, ours=ABOVE_ONE, theirs=ADAM),
    ),
    in_figure_E4(
        name="normalization-layer-figE4",
        reference="Section 4.3 expects it",
        statement="2-Adam with γ₂ = 0, Adam with a normalization layer made explicit, beats Adam",
        criterion=BEATS,
        evaluate=partial(loss, ours=NORMALIZATION_LAYER, theirs=ADAM),
    ),
)
