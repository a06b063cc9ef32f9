"""What decides a claim: an estimate, and a criterion that judges it and says how."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from adamct.analysis.statistics import FEWEST, Interval, span, with_interval
from adamct.claims.numbers import MINUS, in_unit

Status = Literal["reproduced", "not reproduced", "inconclusive"]
WORST_FIRST: tuple[Status, ...] = ("not reproduced", "inconclusive", "reproduced")


class InconclusiveError(Exception):
    """Records that cannot decide a claim; the message says why.

    Args:
        reason: what they lack.
        n: how many points there were.
    """

    def __init__(self, reason: str, n: int = 0) -> None:
        super().__init__(reason)
        self.n = n


def require_points(n: int, what: str) -> None:
    """Raise :class:`InconclusiveError` unless there are enough points for an interval."""
    if n < FEWEST:
        raise InconclusiveError(f"only {n} {what}; an interval needs {FEWEST}", n)


@dataclass(frozen=True)
class Estimate:
    """What a claim's statistic came to.

    Attributes:
        statistic: the number that the criterion is about.
        n: how many points or steps it rests on.
        detail: what it rests on in words, and the numbers that stand beside it.
        interval: its 95 % interval, where it has one.
        by_seed: its value in each seed, for a criterion that no seed may overturn.
        scale: what the limits of the criterion are multiples of.
        parts: the estimates that the parts of an :class:`AllOf` judge.
    """

    statistic: float
    n: int = 0
    detail: str = ""
    interval: Interval | None = None
    by_seed: tuple[float, ...] = ()
    scale: float = 1.0
    parts: tuple[Estimate, ...] = ()

    @classmethod
    def over(
        cls,
        *samples: np.ndarray,
        of: str,
        beside: str = "",
        statistic: Callable[..., Any] = np.median,
        paired: bool = False,
        n: int | None = None,
        **others: Any,
    ) -> Estimate:
        """Estimate a statistic over independent points, with its 95 % bootstrap interval.

        Args:
            samples: as :func:`~adamct.analysis.statistics.with_interval` takes them.
            of: what the points are called.
            beside: the numbers that stand beside the statistic.
            statistic: of the samples.
            paired: several samples are columns of one.
            n: how many points there are; ``None`` for those of the first sample.
            others: attributes of the estimate.

        Raises:
            InconclusiveError: for fewer points than an interval needs.

        >>> Estimate.over(np.arange(1.0, 8.0), of="runs").detail
        '7 runs, 1 to 7'
        """
        require_points(min(map(len, samples)), of)
        n = len(samples[0]) if n is None else n
        own = f", {span(samples[0])}" if len(samples) == 1 else ""
        detail = f"{n} {of}{own}" + (f"; {beside}" if beside else "")
        value, interval = with_interval(*samples, statistic=statistic, paired=paired)
        return cls(value, n, detail, interval, **others)

    @property
    def undefined(self) -> bool:
        """Whether the statistic, or an end of its interval, is not a number."""
        return any(map(math.isnan, (self.statistic, *(self.interval or ()))))


@dataclass(frozen=True)
class Criterion:
    """Limits of a statistic.

    Attributes:
        of: what is measured, as the subject of a sentence.
        at_least: lower limit, included; ``None`` for none.
        at_most: upper limit, included; ``None`` for none.
        interval: the whole 95 % interval decides, so that one across a limit is inconclusive;
            otherwise the statistic itself.
        unit: of the statistic and its limits. Where it begins with %, they are shown in percent.
        times: what the limits are multiples of, where that is not 1: the estimate's ``scale``.
        no_seed_overturns: seeds that disagree about the sign, or tie, make it inconclusive.
        note: what else a reader should know.

    >>> few = Criterion("the share of bad steps", at_most=0.05, unit="%")
    >>> str(few)
    'the 95 % interval of the share of bad steps is at most 5 %'
    >>> few.decide(Estimate(0.04, interval=Interval(0.02, 0.06)))
    'inconclusive'
    """

    of: str
    at_least: float | None = None
    at_most: float | None = None
    interval: bool = True
    unit: str = ""
    times: str = ""
    no_seed_overturns: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"the criterion on {self.of} has no limit; give at_least or at_most")

    def decide(self, estimate: Estimate) -> Status:
        """Judge an estimate; one that is not a number decides nothing."""
        if self.interval and estimate.interval is None:
            raise ValueError(f"the criterion on {self.of} needs an interval, and there is none")
        if self.no_seed_overturns and not estimate.by_seed:
            raise ValueError(f"the criterion on {self.of} needs a value of each seed")
        signs = np.sign(estimate.by_seed)
        if estimate.undefined or (self.no_seed_overturns and abs(signs.sum()) != len(signs)):
            return "inconclusive"
        low, high = (self.interval and estimate.interval) or (estimate.statistic,) * 2
        least = -math.inf if self.at_least is None else self.at_least * estimate.scale
        most = math.inf if self.at_most is None else self.at_most * estimate.scale
        if least <= low and high <= most:
            return "reproduced"
        return "not reproduced" if high < least or low > most else "inconclusive"

    def __str__(self) -> str:
        subject = f"the 95 % interval of {self.of}" if self.interval else self.of
        overturned = ", and no seed overturns its sign" if self.no_seed_overturns else ""
        note = f"; {self.note}" if self.note else ""
        unit = f"times {self.times}" if self.times else self.unit
        return f"{subject} {self._limits()} {unit}".rstrip() + overturned + note

    def _limits(self) -> str:
        limits = (x for x in (self.at_least, self.at_most) if x is not None)
        shown = [f"{in_unit(x, self.unit):.3g}".replace("-", MINUS) for x in limits]
        if len(shown) == 2:
            return f"is {shown[0]}" if shown[0] == shown[1] else f"lies within {' to '.join(shown)}"
        return f"is at {'most' if self.at_least is None else 'least'} {shown[0]}"


def none(of: str, note: str = "") -> Criterion:
    """Return the criterion of a count that has to be 0."""
    return Criterion(of, at_least=0, at_most=0, interval=False, note=note)


@dataclass(frozen=True)
class AllOf:
    """Several criteria, each on its own part of an estimate; the worst status counts."""

    parts: tuple[Criterion, ...]

    @property
    def unit(self) -> str:
        """Of the statistic, which is that of the first part."""
        return self.parts[0].unit

    def decide(self, estimate: Estimate) -> Status:
        """Judge the parts of an estimate."""
        pairs = zip(self.parts, estimate.parts, strict=True)
        return min((part.decide(own) for part, own in pairs), key=WORST_FIRST.index)

    def __str__(self) -> str:
        return ", and ".join(map(str, self.parts))


AnyCriterion: TypeAlias = Criterion | AllOf
