"""Claims on k-Adam: which k and strategy is best, and how sure that is (Section 4.3, O and P).

Every comparison is between the best points of two sets of optimizers, cross-fitted over seeds
(:func:`~adamct.analysis.grids.held_out_advantage`). An ordering that one of the seeds overturns is
``inconclusive``, and so is one with a single seed. A best point at the end of its grid is named:
beyond it a better one may lie, and with it another ranking.

The paper takes the best over a sweep on the test split, from grids whose ends may hold the best.
Neither is innocent, and what each does to the result is measured, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from adamct.analysis import grids
from adamct.analysis.grids import Metric
from adamct.claims.criterion import AllOf, Criterion, Estimate, InconclusiveError, none
from adamct.claims.verdict import Claim
from adamct.records import Records

UNIT: dict[Metric, str] = {"accuracy": "in test accuracy", "loss": "nats"}

# Sets of optimizers, as statements call them: conditions on the columns of the scores.
LAYER = "2-Adam with γ₂ = 0, Adam with a normalization layer made explicit,"
PAPERS_BEST = "2-Adam with inverse exp and decoupled weight decay"
ALL_OTHERS = "every other optimizer"
OPTIMIZERS = {
    "Adam": "strategy == 'adam'",
    "AdamW": "strategy == 'adam' and decoupled",
    "Some k > 1": "strategy != 'adam'",
    "Inverse exp": "strategy == 'inverse_exp'",
    "every other strategy": "strategy not in ('adam', 'inverse_exp')",
    LAYER: "strategy == 'normalization_layer'",
    PAPERS_BEST: "strategy == 'inverse_exp' and k == 2 and decoupled",
    ALL_OTHERS: "not (strategy == 'inverse_exp' and k == 2 and decoupled)",
}


def advantage(
    records: Records, *, metric: Metric, ours: str, theirs: str, decoupled: bool | None = None
) -> Estimate:
    """Advantage of the best of some optimizers over the best of others, cross-fitted over seeds.

    Args:
        records: of one sweep.
        metric: accuracy or loss; an advantage is a higher accuracy, or a lower loss.
        ours: which of ``OPTIMIZERS`` should win.
        theirs: against which.
        decoupled: restricts the sweep to one kind of weight decay.
    """
    scores = _scores_of_seeds(records, metric)
    if decoupled is not None:
        scores = scores[scores.decoupled == decoupled]
    found = _advantage(scores, ours, theirs)
    winners = " against ".join(
        grids.winner(scores.query(OPTIMIZERS[side])) for side in (ours, theirs)
    )
    detail = f"{_by_seed(found.by_seed, metric)}; over all seeds {winners}; {grids.edges(scores)}"
    return replace(found, detail=detail)


def naive_distance(records: Records, *, metric: Metric) -> Estimate:
    """Median over k > 2 of how far the naive strategy falls behind the best other at that k."""
    scores = _scores_of_seeds(records, metric)
    distances = grids.distance_behind(scores, "naive")
    noise, _ = grids.seed_noise(grids.by_point(scores))
    by_seed = tuple(distances.median())
    return Estimate.over(
        distances.mean(axis=1).to_numpy(),
        of="values of k > 2 and kinds of weight decay",
        beside=f"{_by_seed(by_seed, metric)}; a seed moves a run by {noise:.4f}",
        by_seed=by_seed,
        scale=noise,
    )


def gain_of_selection(records: Records, *, metric: Metric) -> Estimate:
    """Median over optimizers of what selecting on test gains over selecting on validation."""
    scores = grids.run_scores(records, metric)
    if "validation" not in scores:
        raise InconclusiveError(
            "no validation split was held out; train with task.data.validation_fraction=0.1"
        )
    found = grids.selection_gain(scores)
    best = [grids.name(found.sort_values(by).iloc[-1]) for by in ("on_test", "on_validation")]
    beside = (
        f"{found.moved.sum()} of them take another point; the best is {best[0]} selected on test, "
        f"{best[1]} on validation"
    )
    return Estimate.over(found.gain.to_numpy(), of="optimizers", beside=beside)


def best_at_an_end(records: Records, *, metric: Metric) -> Estimate:
    """Number of optimizers whose best η lies at an end of the grid."""
    scores = grids.run_scores(records, metric)
    best = grids.best_points(scores)
    points = "; ".join(f"{grids.name(row)} at η = {row.lr:g}" for _, row in best.iterrows())
    detail = f"η = {scores.lr.min():g} … {scores.lr.max():g}: {points}"
    return Estimate(int(best.edge.str.contains("lr").sum()), len(best), detail)


def change_of_advantage(records: Records, *, metric: Metric, end: float) -> Estimate:
    """Advantage of 2-Adam over Adam with the grid cut at ``end``, less that on the whole grid."""
    scores = _scores_of_seeds(records, metric)
    grids_of_lr = {f"up to {end:g}": scores[scores.lr <= end], "of every size": scores}
    parts = {
        where: _advantage(points, PAPERS_BEST, "Adam", f" with η {where}")
        for where, points in grids_of_lr.items()
    }
    words = [
        f"{part.statistic:+.4f} {part.interval:+.4f} with η {where}, "
        + _by_seed(part.by_seed, metric)
        for where, part in parts.items()
    ]
    detail = f"the advantage is {'; '.join(words)}; {grids.edges(scores)}"
    cut, whole = parts.values()
    return Estimate(cut.statistic - whole.statistic, whole.n, detail, parts=(cut, whole))


def _scores_of_seeds(records: Records, metric: Metric) -> pd.DataFrame:
    """Return the scores of a sweep; inconclusive with one seed."""
    scores = grids.run_scores(records, metric)
    if scores.seed.nunique() < 2:
        raise InconclusiveError(
            "one seed cannot tell an advantage from noise; train more with n_seeds=3", 1
        )
    return scores


def _advantage(scores: pd.DataFrame, ours: str, theirs: str, which: str = "") -> Estimate:
    """Compare two of ``OPTIMIZERS``; ``which``: of the points of the sweep."""
    sides = [OPTIMIZERS[side] for side in (ours, theirs)]
    n_seeds = scores.seed.nunique()
    if any(scores.query(side).empty for side in sides):
        raise InconclusiveError(f"the sweep lacks one of the two sides{which}", n_seeds)
    by_seed, interval = grids.held_out_advantage(scores, *sides)
    return Estimate(float(by_seed.mean()), n_seeds, interval=interval, by_seed=tuple(by_seed))


def _by_seed(values: Iterable[float], metric: Metric) -> str:
    return f"by seed {', '.join(f'{value:+.4f}' for value in values)} {UNIT[metric]}"


C4, CIFAR10, LR_GRID = ("kadam_c4",), ("kadam_cifar10",), ("kadam_lr_grid",)
# Sweeps, as statements call them: the figure, where the paper shows it, the experiment, the metric.
SWEEPS: dict[str, tuple[str, str, tuple[str, ...], Metric]] = {
    "on images": ("fig06", "Section 4.3, Fig. 6", CIFAR10, "accuracy"),
    "in language modelling": ("fig16", "Appendix P, Fig. 16", C4, "loss"),
    "at the best learning rate of each": ("figE4", "Section 4.3", LR_GRID, "loss"),
}


def beats(
    name: str, ours: str, theirs: str, where: str, *, decoupled: bool | None = None, also: str = ""
) -> Claim:
    """Return the claim that some of ``OPTIMIZERS`` beat others, in one of ``SWEEPS``.

    Args:
        name: of the claim, without its figure.
        ours: those that should win.
        theirs: against which.
        where: the sweep.
        decoupled: restricts it to one kind of weight decay.
        also: what is added to the reference.
    """
    figure, reference, reads, metric = SWEEPS[where]
    kind = {True: ", with decoupled weight decay", False: ", with coupled weight decay", None: ""}
    return Claim(
        name=f"{name}-{figure}",
        figure=figure,
        reference=reference + also,
        statement=f"{ours} beats {theirs} {where}{kind[decoupled]}",
        criterion=BEATS,
        reads=reads,
        evaluate=partial(advantage, metric=metric, ours=ours, theirs=theirs, decoupled=decoupled),
    )


def selection_flatters_little(where: str) -> Claim:
    """Return the claim that selecting on test, as the paper does, gains little in a sweep."""
    figure, _, reads, metric = SWEEPS[where]
    return Claim(
        name=f"selection-on-test-{figure}",
        figure=figure,
        kind="extension",
        reference="beyond the paper, which selects on test",
        statement=f"Selecting on test instead of validation flatters the result {where} by little",
        criterion=Criterion("the median gain", at_most=0.01, unit=UNIT[metric]),
        reads=reads,
        evaluate=partial(gain_of_selection, metric=metric),
    )


short = partial(np.format_float_scientific, trim="-", exp_digits=1)
decides = Criterion
BEATS = decides("its advantage", at_least=0, note="both sides are picked on other seeds")
in_figure_E4 = partial(
    Claim, figure="figE4", kind="extension", reference="beyond the paper", reads=LR_GRID
)
IMAGES, TEXT, BEST_RATES = SWEEPS

CLAIMS = (
    beats("k-beats-adamw", "Some k > 1", "AdamW", IMAGES, decoupled=True),
    beats("k-beats-adam", "Some k > 1", "Adam", IMAGES, decoupled=False),
    beats("2-adam-inverse-exp-best", PAPERS_BEST, ALL_OTHERS, IMAGES),
    selection_flatters_little(IMAGES),
    Claim(
        name="naive-is-bad-fig15",
        figure="fig15",
        reference="Section 4.3, Appendix O, Fig. 15",
        statement="The naive strategy falls far behind for k > 2",
        criterion=decides(
            "the median distance",
            at_least=2,
            unit=UNIT["accuracy"],
        ),
        reads=CIFAR10,
        evaluate=partial(naive_distance, metric="accuracy"),
    ),
    beats("k-beats-adamw", "Some k > 1", "AdamW", TEXT),
    beats("inverse-exp-best", "Inverse exp", "every other strategy", TEXT),
    beats("2-adam-inverse-exp-best", PAPERS_BEST, ALL_OTHERS, TEXT),
    selection_flatters_little(TEXT),
    beats(
        "k-beats-adam", "Some k > 1", "Adam", BEST_RATES, also=", on a grid that holds every best"
    ),
    beats("normalization-layer", LAYER, "Adam", BEST_RATES, also=" expects it"),
    in_figure_E4(
        name="grid-holds-the-best-figE4",
        statement="The grid is wide enough: every optimizer's best learning rate lies inside it",
        criterion=none("the number of best learning rates at an end"),
        evaluate=partial(best_at_an_end, metric="loss"),
    ),
    in_figure_E4(
        name="ranking-turns-on-the-grid-figE4",
        statement=f"2-Adam beats Adam with η up to {short(grids.PAPER_END)}, where Appendix H's "
        "grid for C4 ends, and loses to it with each at its own best",
        criterion=AllOf(
            (
                decides("its advantage on the cut grid", at_least=0),
                decides("its advantage on the whole one", at_most=0),
            )
        ),
        evaluate=partial(change_of_advantage, metric="loss", end=grids.PAPER_END),
    ),
)
