"""Claims on k-Adam with every optimizer at its own best learning rate, looked at as seeds grow.

The paper expects 2-Adam to beat Adam (Section 4.3). The difference is small against the noise of
seeds, so it is judged by three looks, at 8, 16 and 32 seeds, with O'Brien and Fleming's boundaries.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from adamct.analysis import choice, grids
from adamct.analysis.grids import ADAM
from adamct.analysis.sequential import obrien_fleming
from adamct.analysis.statistics import FIRST_FRESH
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError, Status, none
from adamct.claims.verdict import Claim
from adamct.records import Records, training_command

SCREEN, SCORES = "kadam_lr_grid_screen", "kadam_lr_grid"
LOOKS = (8, 16, 32)  # seeds
TIE = 0.02  # nats
TWO_ADAM = choice.PAPERS_BEST
LAYER = "strategy == 'normalization_layer'"


@dataclass(frozen=True)
class Sequential(Criterion):
    """A limit that is looked at as seeds grow, and a tie at the last look.

    Attributes:
        looks: at how many seeds.
        tie: at the last look, an advantage whose 90 % interval lies within ± this is none.
    """

    looks: tuple[int, ...] = LOOKS
    tie: float = TIE

    def confidence_for(self, estimate: Estimate) -> float:
        """Return that of the look: 1 less its nominal level."""
        levels = obrien_fleming(tuple(n / self.looks[-1] for n in self.looks))
        return 1 - levels[self.looks.index(estimate.n)]

    def decide(self, estimate: Estimate, part: float = 1.0) -> Status:
        """Judge an estimate at its look; a tie at the last one is no advantage."""
        if estimate.n == self.looks[-1] and self.is_tie(estimate):
            return "not reproduced"
        return super().decide(estimate, part)

    def is_tie(self, estimate: Estimate) -> bool:
        """Return whether the 90 % interval lies within ± ``tie``."""
        interval = estimate.interval(0.9)
        return interval is not None and -self.tie < interval.low and interval.high < self.tie

    def __str__(self) -> str:
        looks = ", ".join(map(str, self.looks[:-1]))
        return (
            f"at {looks} or {self.looks[-1]} seeds, the interval of {self.of} at the level of "
            f"O'Brien and Fleming {self._limits()} {self.unit}; at the last, a 90 % interval "
            f"within ±{self.tie:g} is a tie"
        )


def advantage_at_best(records: Records, *, ours: str, criterion: Sequential) -> Estimate:
    """Estimate an optimizer's advantage over Adam, each at the η that pilots choose for it.

    Args:
        records: of the screen, and of the runs that are scored.
        ours: a condition on the columns of the scores that the optimizer meets.
        criterion: whose looks are taken: of the seeds the first 8, 16 or 32.
    """
    own, adam = (_tuned(records, side) for side in (ours, f"strategy == '{ADAM}'"))
    rows = (own.scores - adam.scores).dropna()
    looks = [n for n in criterion.looks if n <= len(rows)]
    if not looks:
        raise InconclusiveError(
            f"{len(rows)} seeds, and the first look is at {criterion.looks[0]}: "
            f"{_command(records, criterion.looks[0])}",
            len(rows),
        )
    estimate = Estimate.of_seeds(rows.to_numpy()[: looks[-1]])
    words = [f"{own.name} at η = {own.lr:g} less Adam at η = {adam.lr:g}"]
    words.append(f"look {len(looks)} of {len(criterion.looks)}")
    if looks[-1] == criterion.looks[-1]:
        words.append("a tie" if criterion.is_tie(estimate) else "no tie")
    elif criterion.decide(estimate) == "inconclusive":
        words.append(f"the next: {_command(records, criterion.looks[len(looks)])}")
    return Estimate.of_seeds(rows.to_numpy()[: looks[-1]], "; ".join(words))


def change_of_advantage(records: Records, *, ours: str, end: float) -> Estimate:
    """Estimate by how much a grid that ends at ``end`` raises an optimizer's advantage over Adam.

    The advantage with each at its best η up to the end, less that with each at its best of all.
    """
    sides = (ours, f"strategy == '{ADAM}'")
    cut, whole = ([_tuned(records, side, end=limit) for side in sides] for limit in (end, np.inf))
    change = (cut[0].scores - cut[1].scores) - (whole[0].scores - whole[1].scores)
    pairs = " and ".join(f"{best.lr:g}" for best in whole)
    beside = f"the best η of the two are {pairs}, up to the end "
    return Estimate.of_seeds(
        change.dropna().to_numpy(), beside + " and ".join(f"{best.lr:g}" for best in cut)
    )


def best_at_an_end(records: Records) -> Estimate:
    """Count the optimizers whose best η on the pilots lies at an end of the grid."""
    scores = grids.run_scores(records, "loss")
    best = choice.best_points(scores)
    points = "; ".join(f"{grids.name(row)} at η = {row.lr:g}" for _, row in best.iterrows())
    detail = f"η = {scores.lr.min():g} … {scores.lr.max():g}: {points}"
    return Estimate(int(best.edge.str.contains("lr").sum()), len(best), detail)


def _tuned(records: Records, which: str, *, end: float = np.inf) -> choice.Tuned:
    screen, scores = (grids.run_scores(records.of(name), "loss") for name in (SCREEN, SCORES))
    try:
        found = choice.tuned(screen, scores, which, end=end)
    except LookupError as error:
        raise InconclusiveError(str(error)) from error
    if found.scores.empty:
        raise InconclusiveError(
            f"{found.name} was not scored at η = {found.lr:g}, its best on the pilots; put the "
            f"choice of scripts/choose.py {SCREEN} into conf/experiment/{SCORES}.yaml"
        )
    return found


def _command(records: Records, n_seeds: int) -> str:
    seeds = f"seed=range({FIRST_FRESH},{FIRST_FRESH + n_seeds})"
    return training_command(SCORES, str(records.runs.scale.iloc[0]), [seeds])


BEATS = Sequential("its advantage", at_least=0, unit="nats")
beyond = partial(Claim, figure="figE4", kind="extension")
scored = partial(beyond, reads=(SCREEN, SCORES), reads_pilots=True)

CLAIMS = (
    scored(
        name="2-adam-beats-adam-figE4",
        reference="Section 4.3 expects it",
        statement="2-Adam with inverse exp beats Adam, each at its own best learning rate",
        criterion=BEATS,
        evaluate=partial(advantage_at_best, ours=TWO_ADAM, criterion=BEATS),
    ),
    scored(
        name="normalization-layer-figE4",
        reference="Section 4.3 expects it",
        statement="2-Adam with γ₂ = 0, Adam with a normalization layer made explicit, beats Adam, "
        "each at its own best learning rate",
        criterion=BEATS,
        evaluate=partial(advantage_at_best, ours=LAYER, criterion=BEATS),
    ),
    beyond(
        name="grid-holds-the-best-figE4",
        reference="beyond the paper",
        statement="The grid is wide enough: every optimizer's best learning rate lies inside it",
        criterion=none("the number of best learning rates at an end"),
        reads=(SCREEN,),
        reads_pilots=True,
        evaluate=best_at_an_end,
    ),
    scored(
        name="cut-grid-flatters-2-adam-figE4",
        reference="beyond the paper, whose grid for C4 ends at 0.001 (Appendix H)",
        statement="A grid of learning rates that ends at 0.001 flatters 2-Adam against Adam",
        criterion=Criterion("what the end adds to its advantage", at_least=0, unit="nats"),
        evaluate=partial(change_of_advantage, ours=TWO_ADAM, end=choice.PAPER_END),
    ),
)
