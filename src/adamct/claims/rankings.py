"""Claims on k-Adam: which k and strategy is best (Section 4.3, Appendices O and P).

Each optimizer's learning rate and weight decay were chosen on pilot seeds, by a screen
(:mod:`adamct.analysis.choice`), and stand in the experiment that is scored here, on other seeds.
Optimizers are compared within a seed, where the batches are the same.
"""

from __future__ import annotations

from functools import partial

import pandas as pd

from adamct.analysis import grids
from adamct.analysis.choice import PAPERS_BEST
from adamct.analysis.grids import ADAM, Metric
from adamct.analysis.statistics import FIRST_FRESH, span
from adamct.claims.criterion import AllOf, Criterion, Estimate, InconclusiveError
from adamct.claims.verdict import Claim
from adamct.records import Records, training_command

UNIT: dict[Metric, str] = {"accuracy": "in test accuracy", "loss": "nats"}
FEWEST_SEEDS = 8  # for the best of several rivals (docs/STATISTICS.md)
LEARNED = 0.1  # of accuracy above chance: below it an optimizer has not learned
FAR = 0.1  # of accuracy


def advantage_over_adam(records: Records, *, metric: Metric, ours: str) -> Estimate:
    """Estimate the advantage of one optimizer over Adam with the same kind of weight decay.

    Args:
        records: of the contenders of a sweep.
        metric: accuracy or loss; an advantage is a higher accuracy, or a lower loss.
        ours: a condition on the columns of the scores that it meets.
    """
    scores = grids.run_scores(records, metric)
    own = scores.query(ours)
    rows = grids.advantages(
        scores[scores.decoupled.isin(own.decoupled)], ours, f"strategy == '{ADAM}'"
    )
    return Estimate.of_seeds(_one(rows), f"{_optimizer(own)} less {_optimizer(_adam(scores, own))}")


def advantages_of_strategy(records: Records, *, metric: Metric, strategy: str) -> Estimate:
    """Estimate what a strategy gains over AdamW, and over Adam, at the best k > 1 of the pilots."""
    scores = grids.run_scores(records, metric)
    parts = []
    for decoupled in (True, False):
        own = scores.query(f"strategy == '{strategy}' and decoupled == {decoupled}")
        if own.empty:
            raise InconclusiveError(f"the contenders lack the strategy {strategy}")
        # Of the paper's strategy two values of k contend; the smaller is the paper's best.
        ours = f"strategy == '{strategy}' and decoupled == {decoupled} and k == {own.k.min()}"
        parts.append(advantage_over_adam(records, metric=metric, ours=ours))
    return Estimate.of_parts(*parts, detail="; ".join(part.detail for part in parts))


def advantage_over_all(records: Records, *, metric: Metric) -> Estimate:
    """Estimate the advantage of the paper's best over each of the other contenders."""
    scores = grids.run_scores(records, metric)
    rows = grids.advantages(scores, PAPERS_BEST, f"not ({PAPERS_BEST})")
    if rows.empty:
        raise InconclusiveError("the contenders lack 2-Adam with inverse exp, or its rivals")
    n_rivals, n_seeds = rows.shape
    if n_seeds < FEWEST_SEEDS:
        raise InconclusiveError(_more_seeds(records, n_rivals + 1, n_seeds), n_seeds)
    nearest = rows.mean(axis=1).idxmin()
    rival = rows.loc[[nearest]].reset_index().iloc[0]
    beside = (
        f"its strongest rival of {n_rivals} is {_words(rival)}; the differences from all are "
        f"{span(rows.mean(axis=1).to_numpy())}"
    )
    return Estimate.of_seeds(rows.to_numpy(), beside)


def distance_behind(records: Records, *, strategy: str, above: int) -> Estimate:
    """Estimate how far a strategy falls behind the best other one at the same k, if it learned.

    The best other is that of the best mean over the seeds, at the same k and kind of weight decay;
    the statistic of a seed is the median over both of the strategy's optimizers that have learned:
    whose mean accuracy lies 0.1 above chance. Accuracies near chance order nothing: where fewer
    than half of them have learned, the runs were too short for it.
    """
    scores, chance = grids.run_scores(records, "accuracy"), grids.chance(records)
    own = scores[(scores.strategy == strategy) & (scores.k > above)]
    if own.empty:
        raise InconclusiveError(f"the sweep has no k > {above} with the strategy {strategy}")
    able = grids.learned(own, chance, LEARNED)
    n_able, n_own = (side.groupby(grids.OPTIMIZER).ngroups for side in (able, own))
    best = own.groupby(grids.OPTIMIZER).test.mean().max()
    if n_able < n_own / 2:
        raise InconclusiveError(
            f"{n_able} of its {n_own} optimizers with k > {above} have learned: the best reaches "
            f"{best:.3f}, and chance is {chance:.3f}. How far it falls behind says then how short "
            f"the training is; longer runs decide, n_steps={4 * records.runs.n_steps.iloc[0]}",
            scores.seed.nunique(),
        )
    distances = grids.distance_behind(
        pd.concat([able, scores[scores.strategy != strategy]]), strategy, above=above
    )
    beside = f"{n_able} of its {n_own} optimizers have learned; the best reaches {best:.3f}"
    return Estimate.of_seeds(distances.median(), beside)


def gain_of_selection(records: Records, *, metric: Metric) -> Estimate:
    """Estimate the median over runs of what reading the best evaluation off test gains."""
    if f"validation_{metric}" not in records.scalars:
        raise InconclusiveError(
            "no validation split was held out; train with task.data.validation_fraction=0.1"
        )
    return Estimate.over_seeds(
        records, lambda own: grids.selection_gain(grids.run_scores(own, metric))
    )


def _one(rows: pd.DataFrame) -> pd.Series:
    if rows.empty:
        raise InconclusiveError("the contenders lack one of the two sides")
    return rows.iloc[0]


def _adam(scores: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    return scores[(scores.strategy == ADAM) & scores.decoupled.isin(own.decoupled)]


def _optimizer(scores: pd.DataFrame) -> str:
    return _words(scores.iloc[0])


def _words(row: pd.Series) -> str:
    decay = "" if row.decoupled else ", coupled"
    return f"{grids.name(row)} at η = {row.lr:g}{decay}"


def _more_seeds(records: Records, n_optimizers: int, n_seeds: int) -> str:
    """Say what decides which of several optimizers is the best, with its price."""
    runs = records.runs
    command = training_command(
        runs.experiment.iloc[0],
        runs.scale.iloc[0],
        [f"seed=range({FIRST_FRESH},{FIRST_FRESH + FEWEST_SEEDS})"],
    )
    n_runs = n_optimizers * (FEWEST_SEEDS - n_seeds)
    each = f" of {runs.wall_s.mean():.0f} s" if "wall_s" in runs else ""
    return (
        f"{n_seeds} paired seeds cannot tell the best of {n_optimizers}; {FEWEST_SEEDS} can: "
        f"{n_runs} more runs{each}, {command}"
    )


IMAGES = partial(Claim, figure="fig06", reference="Section 4.3, Fig. 6")
NAIVE = partial(Claim, figure="fig15", reads=("kadam_cifar10",))
TEXT = partial(Claim, figure="fig16", reference="Appendix P, Fig. 16")
OF_IMAGES, OF_TEXT = ("kadam_cifar10_contenders",), ("kadam_c4_contenders",)
FIRST_THREE = {"inverse_exp": "Inverse exp", "exp": "Exp", "scaled": "Scaled"}
ON_PILOTS = "each optimizer at the learning rate and k chosen on pilots"


def far_behind(strategy: str, above: int) -> partial[Claim]:
    """Return the claim that a strategy falls far behind, but for its reference and statement."""
    return partial(
        NAIVE,
        name=f"{strategy}-is-bad-fig15",
        criterion=Criterion(
            "the median distance over k", at_least=FAR, unit=UNIT["accuracy"], note="if it learned"
        ),
        evaluate=partial(distance_behind, strategy=strategy, above=above),
    )


def selection_flatters_little(figure: str, experiment: str, metric: Metric, where: str) -> Claim:
    """Return the claim that reading scores off the test split, as the paper does, gains little."""
    return Claim(
        name=f"selection-on-test-{figure}",
        figure=figure,
        kind="extension",
        reference="beyond the paper, which selects on test",
        statement="Taking the evaluation that is best on test, not on validation, flatters "
        f"{where} by little",
        criterion=Criterion("the median gain", at_most=0.01, unit=UNIT[metric]),
        reads=(experiment,),
        evaluate=partial(gain_of_selection, metric=metric),
    )


CLAIMS = (
    *(
        IMAGES(
            name=f"{strategy.replace('_', '-')}-beats-adam-fig06",
            statement=f"{title} with some k > 1 outperforms AdamW, and Adam with coupled decay, on "
            "images",
            criterion=AllOf(
                (
                    Criterion("its advantage over AdamW", at_least=0, unit=UNIT["accuracy"]),
                    Criterion(
                        "its advantage over Adam", at_least=0, unit=UNIT["accuracy"], note=ON_PILOTS
                    ),
                )
            ),
            reads=OF_IMAGES,
            evaluate=partial(advantages_of_strategy, metric="accuracy", strategy=strategy),
        )
        for strategy, title in FIRST_THREE.items()
    ),
    IMAGES(
        name="2-adam-inverse-exp-best-fig06",
        statement="2-Adam with inverse exp and decoupled weight decay performs best on images",
        criterion=Criterion(
            "its smallest advantage", at_least=0, unit=UNIT["accuracy"], note=ON_PILOTS
        ),
        reads=OF_IMAGES,
        evaluate=partial(advantage_over_all, metric="accuracy"),
    ),
    selection_flatters_little("fig06", "kadam_cifar10", "accuracy", "the accuracy on images"),
    far_behind("naive", above=2)(
        reference="Section 4.3, Appendix O, Fig. 15",
        statement="The naive strategy falls far behind for k > 2",
    ),
    far_behind("root", above=1)(
        reference="Appendix O",
        statement="The strategy βᵢ = β^(1/k), γᵢ = γ^(1/k) falls far behind",
    ),
    TEXT(
        name="2-adam-beats-adamw-fig16",
        statement="2-Adam with inverse exp outperforms AdamW in language modelling",
        criterion=Criterion("its advantage", at_least=0, unit=UNIT["loss"], note=ON_PILOTS),
        reads=OF_TEXT,
        evaluate=partial(advantage_over_adam, metric="loss", ours=PAPERS_BEST),
    ),
    TEXT(
        name="2-adam-inverse-exp-best-fig16",
        statement="2-Adam with inverse exp performs best in language modelling",
        criterion=Criterion(
            "its smallest advantage", at_least=0, unit=UNIT["loss"], note=ON_PILOTS
        ),
        reads=OF_TEXT,
        evaluate=partial(advantage_over_all, metric="loss"),
    ),
    selection_flatters_little("fig16", "kadam_c4", "loss", "the loss on text"),
)
