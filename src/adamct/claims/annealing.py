"""Claims on a learning rate annealed by exp(−n|C|/2) in B₋ (Appendix N)."""

from __future__ import annotations

from functools import partial

import numpy as np

from adamct.analysis.losses import (
    ANNEALED,
    annealed_updates,
    annealing_cost,
    at_default_pair,
    best_losses,
)
from adamct.analysis.statistics import span
from adamct.claims.criterion import Criterion, Estimate, InconclusiveError
from adamct.claims.generalization import CURVE, of_experiment
from adamct.claims.verdict import Claim
from adamct.records import Records

DECAYED = 900  # steps, after which annealing has made the learning rate small
EXPERIMENT = "annealed_unstable"


def annealed_update(records: Records, *, scaled: bool) -> Estimate:
    """Median over the points of annealed training's η_n‖u_n‖∞/η₀ at the end, or of its ‖u_n‖∞.

    Args:
        records: with constant and with annealed learning rates.
        scaled: by η_n/η₀, at the last step; otherwise ‖u_n‖∞ itself, over the second half.
    """

    def of_a_seed(own: Records) -> float:
        runs = own.runs
        n, with_rate, update = annealed_updates(own.where(runs[runs.schedule == "annealed"]))
        if n.max() < DECAYED:
            raise InconclusiveError(f"the records end at n = {n.max()}, before the decay shows")
        late = n >= n.max() / 2
        return float(np.median(with_rate[-1] if scaled else np.median(update[late], axis=0)))

    last = int(records.runs.n_steps.max()) - 1
    beside = f"medians over the points, at n = {last}"
    if not scaled:
        beside = f"medians over the points and n = {-(-last // 2)} to {last}"
    return Estimate.over_seeds(records, of_a_seed, beside)


def annealed_excess(records: Records) -> Estimate:
    """Best test loss with annealing in B₋, less that of (0.999, 0.9): median over the points."""

    def of_a_seed(own: Records) -> np.ndarray:
        default = best_losses(at_default_pair(of_experiment(own, CURVE))).best
        if default.empty:
            raise InconclusiveError("the sweep has no run at (0.999, 0.9) to compare with")
        table = best_losses(of_experiment(own, EXPERIMENT))
        return table.best[table.schedule == ANNEALED].to_numpy() - default.item()

    def median(own: Records) -> float:
        return float(np.median(of_a_seed(own)))

    excess = [of_a_seed(records.where(own)) for _, own in records.runs.groupby("seed")]
    beside = f"medians over the points, which are {span(np.concatenate(excess), '.2f')} nats above"
    return Estimate.over_seeds(records, median, beside)


def cost_of_annealing(records: Records) -> Estimate:
    """Best test loss with annealing, less that without: median over the points."""
    cost = annealing_cost(records)
    beside = f"medians over the points, which cost {span(cost.to_numpy(), '.2f')} nats"
    return Estimate.of_seeds(cost.groupby("seed").median(), beside)


claim = partial(Claim, figure="fig14", reads=(EXPERIMENT,))

CLAIMS = (
    claim(
        name="annealed-to-nothing",
        reference="Appendix N, Fig. 14",
        statement="With η_n = η₀ exp(−n|C|/2) the update becomes very small",
        criterion=Criterion("the median η_n‖u_n‖∞/η₀ at the end", at_most=1e-2),
        evaluate=partial(annealed_update, scaled=True),
    ),
    claim(
        name="unscaled-of-order-one",
        kind="extension",
        reference="beyond the paper",
        statement="Annealed, ‖u_n‖∞ itself stays of order 1",
        criterion=Criterion("its median over the second half", at_least=0.1, at_most=10),
        evaluate=partial(annealed_update, scaled=False),
    ),
    claim(
        name="annealing-does-not-rescue",
        reference="Appendix N, Fig. 14",
        statement="Annealing does not make B₋ generalize as (0.999, 0.9) does",
        criterion=Criterion("the median excess of the best test loss", at_least=0, unit="nats"),
        reads=(EXPERIMENT, CURVE),
        evaluate=annealed_excess,
    ),
    claim(
        name="annealing-is-worse-than-none",
        kind="extension",
        reference="beyond the paper",
        statement="At equal C in B₋, annealing generalizes worse than no annealing",
        criterion=Criterion(
            "the best test loss with annealing, less that without, at the median point,",
            at_least=0,
            unit="nats",
        ),
        evaluate=cost_of_annealing,
    ),
)
