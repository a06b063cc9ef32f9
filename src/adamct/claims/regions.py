"""Claims on the regions of the (β, γ) square: Figure 2, and where instability begins (E1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from adamct.analysis.statistics import FEWEST, ROUNDING
from adamct.claims.verdict import Claim, Finding, Status, inconclusive
from adamct.records import Records
from adamct.theory import (
    discrete_growth_rate,
    discrete_max_update_bound,
    growth_rate,
    max_update_bound,
    normal_curve,
    share_at_predicted_rate,
    stability_coefficient,
)

# What counts as growth, and as none, of a max-update that grows and resets: shares of the steps.
GROWS = 0.2
FLAT_SHARE = 0.02
LEAST_GROWTH = 5.0  # e-foldings at the paper's rate, without which a run says nothing of growth


def monotone_along_normal_curves(records: Records) -> Finding:
    """Count steps at which C does not increase with β along 200 normal curves."""
    del records  # a statement about theory alone
    rng = np.random.default_rng(0)
    wrong = checked = 0
    for beta0, gamma0 in rng.uniform(0.02, 0.98, size=(200, 2)):
        curve = normal_curve(beta0, gamma0)
        low, high = curve.beta_interval
        beta = np.linspace(low, high, 402)[1:-1]
        steps = np.diff(stability_coefficient(beta, curve.gamma(beta)))
        wrong += int((steps <= 0).sum())
        checked += steps.size
    detail = f"C fails to increase with β at {wrong} of {checked:,} steps along 200 normal curves"
    return Finding(_none(wrong), wrong, None, checked, detail)


def beta_above_gamma_is_stable(records: Records) -> Finding:
    """Count random pairs with β > γ and C ≤ 0."""
    del records
    pairs = np.sort(np.random.default_rng(1).uniform(0, 1, size=(1_000_000, 2)), axis=1)
    gamma, beta = pairs[pairs[:, 0] < pairs[:, 1]].T
    wrong = int((stability_coefficient(beta, gamma) <= 0).sum())
    detail = f"C ≤ 0 at {wrong} of {beta.size:,} random pairs with β > γ"
    return Finding(_none(wrong), wrong, None, beta.size, detail)


def paper_overestimates(records: Records) -> Finding:
    """Count random pairs at which |C|/2 lies below the exact growth rate."""
    del records
    beta, gamma = np.random.default_rng(2).uniform(0, 1, size=(2, 1_000_000))
    gap = growth_rate(beta, gamma) - discrete_growth_rate(beta, gamma)
    wrong = int((gap < -1e-12).sum())
    strip = np.mean((stability_coefficient(beta, gamma) < 0) & (gamma**2 < beta))
    detail = (
        f"|C|/2 is below the exact rate at {wrong} of {beta.size:,} random pairs; the strip "
        f"between C = 0 and γ² = β covers {strip:.1%} of the square"
    )
    return Finding(_none(wrong), wrong, None, beta.size, detail)


@dataclass(frozen=True)
class Growth:
    """What the runs of a map did, one value a run.

    Attributes:
        share: riding share: of the steps, those whose local slope is within 2 % of a predicted
            exponential; of the exact theory where it predicts one, else of the paper's. NaN in
            B₊, where neither does.
        exceeded: whether some step exceeds D_n beyond rounding.
    """

    share: np.ndarray
    exceeded: np.ndarray

    @property
    def grows(self) -> np.ndarray:
        """Growth: the max-update rides the exponential for a good part of its steps."""
        return self.share > GROWS

    @property
    def none(self) -> np.ndarray:
        """No growth: D_n holds, and hardly a step rides an exponential, where one is predicted."""
        return ~(self.share >= FLAT_SHARE) & ~self.exceeded


def growth(records: Records) -> Growth:
    """Measure each run of a map, over the steps that it has if it diverged."""
    rows = [_grown(*records.series(run.run_id, "max_update"), run) for run in _rows(records)]
    share, exceeded = zip(*rows, strict=True)
    return Growth(np.array(share), np.array(exceeded))


def strip_is_bounded(records: Records) -> Finding:
    """Count the runs with C < 0 and γ² < β that grow."""
    return _count_growing(records, "strip", "between C = 0 and γ² = β")


def exactly_stable_is_bounded(records: Records) -> Finding:
    """Count the runs with γ² < β that grow."""
    return _count_growing(records, ("B+", "B0", "strip"), "with γ² < β")


def unstable_grows(records: Records, *, regions: tuple[str, ...], where: str) -> Finding:
    """Share of the runs on the unstable side of a theory's boundary that grow."""
    own = _decidable(records.where(records.runs[records.runs.region.isin(regions)]))
    if len(own.runs) < FEWEST or own.runs.n_steps.min() < 100:
        return inconclusive(f"{len(own.runs)} runs {where}, of {_longest(own)} steps", 0)
    measured = growth(own)
    count, total = int(measured.grows.sum()), len(own.runs)
    quiet = own.runs[measured.none]
    detail = (
        f"{count} of {total} runs {where}, of {LEAST_GROWTH:g} e-foldings or more at the paper's "
        f"rate, grow (riding share above {GROWS})"
    )
    if len(quiet):
        detail += (
            f"; {len(quiet)} do not at all (below {FLAT_SHARE}), at β from {quiet.beta.min():g} to "
            f"{quiet.beta.max():g} and exact rates up to {quiet.exact_rate.max():.3g} per step"
        )
    growing = own.runs[measured.grows]
    if len(growing):
        detail += f"; those that grow have β ≥ {growing.beta.min():g}"
    status: Status = "reproduced" if count == total else "not reproduced"
    return Finding(status, count / total, None, total, detail)


def _count_growing(records: Records, regions: str | tuple[str, ...], where: str) -> Finding:
    names = (regions,) if isinstance(regions, str) else regions
    own = records.where(records.runs[records.runs.region.isin(names)])
    if regions == "strip":
        own = _decidable(own)
    if len(own.runs) < FEWEST or own.runs.n_steps.min() < 100:
        return inconclusive(f"{len(own.runs)} runs {where}, of {_longest(own)} steps", 0)
    measured = growth(own)
    wrong = int((~measured.none).sum())
    share = np.nanmax(measured.share, initial=0.0)
    detail = (
        f"{wrong} of {len(own.runs)} runs {where} grow; largest riding share {share:.3f}, "
        f"{int(measured.exceeded.sum())} runs exceed D_n"
    )
    return Finding(_none(wrong), wrong, None, len(own.runs), detail)


def _decidable(records: Records) -> Records:
    """Keep the runs that are long enough for growth at the paper's rate to show."""
    runs = records.runs
    return records.where(runs[runs.paper_rate * runs.n_steps >= LEAST_GROWTH])


def _grown(n: np.ndarray, values: np.ndarray, run: Any) -> tuple[float, bool]:
    finite = np.isfinite(values) & (values > 0)
    n, values = n[finite], values[finite]
    ln_bound = discrete_max_update_bound(n, run.beta, run.gamma, log=True)
    exceeded = bool((np.log(values) > ln_bound + np.log1p(ROUNDING)).any())
    if run.paper_rate == 0 or len(n) < 12:
        return float("nan"), exceeded
    bound = discrete_max_update_bound if run.exact_rate > 0 else max_update_bound
    return float(share_at_predicted_rate(n, values, run.beta, run.gamma, bound=bound)), exceeded


def _rows(records: Records) -> Iterator[Any]:
    return records.runs.itertuples()


def _longest(records: Records) -> int:
    return 0 if records.runs.empty else int(records.runs.n_steps.max())


def _none(wrong: int) -> Status:
    return "not reproduced" if wrong else "reproduced"


MAP = ("instability_map", "instability_strip")

CLAIMS = (
    Claim(
        "monotone-along-normal-curves",
        "fig02",
        "Section 3.1, Fig. 2",
        "C varies monotonically along a normal curve",
        "no step along any of 200 curves goes the other way",
        (),
        monotone_along_normal_curves,
    ),
    Claim(
        "beta-above-gamma",
        "fig02",
        "Section 3.1",
        "β > γ suffices for B₊",
        "none of a million random pairs with β > γ has C ≤ 0",
        (),
        beta_above_gamma_is_stable,
    ),
    Claim(
        "paper-overestimates",
        "fig02",
        "beyond the paper: the exact region",
        "|C|/2 never falls below the exact growth rate, so B₊ lies inside γ² < β",
        "none of a million random pairs has |C|/2 below the exact rate",
        (),
        paper_overestimates,
    ),
    Claim(
        "strip-is-bounded",
        "figE1",
        "beyond the paper: the strip",
        "Between C = 0 and γ² = β, where Eq. (5) grows exponentially, the max-update does not",
        f"every run: at most D_n, and a riding share (of Eq. (5)'s slope) below {FLAT_SHARE}",
        MAP,
        strip_is_bounded,
    ),
    Claim(
        "exactly-stable-is-bounded",
        "figE1",
        "beyond the paper: the exact region",
        "Where γ² < β the max-update does not grow",
        f"every run: at most D_n, whose limit is finite, and a riding share below {FLAT_SHARE}",
        MAP,
        exactly_stable_is_bounded,
    ),
    Claim(
        "B-minus-is-unstable",
        "figE1",
        "Section 3.2",
        "Where C < 0 the max-update grows exponentially",
        f"every run rides an exponential for more than {GROWS:.0%} of its steps",
        MAP,
        partial(unstable_grows, regions=("strip", "B-"), where="with C < 0"),
    ),
    Claim(
        "beyond-exact-boundary-is-unstable",
        "figE1",
        "beyond the paper: necessary, not sufficient",
        "Where γ² > β the max-update grows exponentially",
        f"every run rides an exponential for more than {GROWS:.0%} of its steps",
        MAP,
        partial(unstable_grows, regions=("B-",), where="with γ² > β"),
    ),
)
