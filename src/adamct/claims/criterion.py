"""What decides a claim: an estimate, and a criterion that judges it and says how."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from adamct.analysis.statistics import FEWEST, Interval

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
        raise InconclusiveError(f"only {n} {what}", n)


@dataclass(frozen=True)
class Estimate:
    """What a claim's statistic came to.

    Attributes:
        statistic: the number that the criterion is about.
        n: how many points or steps it rests on.
        detail: the numbers in words, with what stands beside them.
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


@dataclass(frozen=True)
class Criterion:
    """Limits of a statistic.

    Attributes:
        of: what is measured, as the subject of a sentence.
        at_least: lower limit, included; ``None`` for none.
        at_most: upper limit, included; ``None`` for none.
        interval: the whole 95 % interval decides, so that one across a limit is inconclusive;
            otherwise the statistic itself.
        unit: of the limits. Where it begins with %, they are shown in percent.
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
    no_seed_overturns: bool = False
    note: str = ""

    def decide(self, estimate: Estimate) -> Status:
        """Judge an estimate."""
        signs = np.sign(estimate.by_seed)
        if self.no_seed_overturns and abs(signs.sum()) != len(signs):
            return "inconclusive"
        low, high = self._decisive(estimate)
        least = -math.inf if self.at_least is None else self.at_least * estimate.scale
        most = math.inf if self.at_most is None else self.at_most * estimate.scale
        if least <= low and high <= most:
            return "reproduced"
        return "not reproduced" if high < least or low > most else "inconclusive"

    def __str__(self) -> str:
        subject = f"the 95 % interval of {self.of}" if self.interval else self.of
        overturned = ", and no seed overturns its sign" if self.no_seed_overturns else ""
        note = f"; {self.note}" if self.note else ""
        return f"{subject} {self._limits()}{overturned}{note}"

    def _decisive(self, estimate: Estimate) -> tuple[float, float]:
        if not self.interval:
            return estimate.statistic, estimate.statistic
        if estimate.interval is None:
            raise ValueError(f"the criterion on {self.of} needs an interval, and there is none")
        return estimate.interval

    def _limits(self) -> str:
        least, most = (self._shown(limit) for limit in (self.at_least, self.at_most))
        unit = f" {self.unit}" if self.unit else ""
        if least == most:
            return f"is {least}{unit}"
        if least and most:
            return f"lies within {least} to {most}{unit}"
        return f"is at least {least}{unit}" if least else f"is at most {most}{unit}"

    def _shown(self, limit: float | None) -> str:
        if limit is None:
            return ""
        shown = 100 * limit if self.unit.startswith("%") else limit
        return f"{shown:.3g}".replace("-", "\N{MINUS SIGN}")


@dataclass(frozen=True)
class AllOf:
    """Several criteria, each on its own part of an estimate; the worst status counts."""

    parts: tuple[Criterion, ...]

    def decide(self, estimate: Estimate) -> Status:
        """Judge the parts of an estimate."""
        pairs = zip(self.parts, estimate.parts, strict=True)
        return min((part.decide(own) for part, own in pairs), key=WORST_FIRST.index)

    def __str__(self) -> str:
        return ", and ".join(map(str, self.parts))


AnyCriterion: TypeAlias = Criterion | AllOf
