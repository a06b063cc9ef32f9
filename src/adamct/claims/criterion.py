"""What decides a claim: an estimate, and a criterion that judges it and says how."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from adamct.analysis.statistics import Interval, student
from adamct.claims.numbers import MINUS, in_unit, number
from adamct.records import Records

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


@dataclass(frozen=True)
class Estimate:
    """What a claim's statistic came to.

    Attributes:
        statistic: the number that the criterion is about.
        n: how many seeds it is a mean of; of a count, how many points or steps were looked at.
        detail: what it rests on in words, and the numbers that stand beside it.
        by_seed: its values, shape (rivals, seeds); one row where nothing has rivals; empty for a
            count.
        parts: the estimates that the parts of an :class:`AllOf` judge.
    """

    statistic: float
    n: int = 0
    detail: str = ""
    by_seed: tuple[tuple[float, ...], ...] = ()
    parts: tuple[Estimate, ...] = ()

    @classmethod
    def of_seeds(cls, by_seed: ArrayLike, beside: str = "", **others: Any) -> Estimate:
        """Estimate a mean over seeds, or the smallest of several: the advantage over every rival.

        Args:
            by_seed: the statistic in each seed, shape (seeds,), or against each of some rivals,
                shape (rivals, seeds).
            beside: the numbers that stand beside the statistic.
            others: attributes of the estimate.

        >>> Estimate.of_seeds([0.5, 1.0], "of 12 points").detail
        'by seed 0.5, 1; of 12 points'
        """
        rows = np.atleast_2d(np.asarray(by_seed, dtype=float))
        nearest = rows[rows.mean(axis=1).argmin()]
        words = f"by seed {', '.join(f'{value:.3g}'.replace('-', MINUS) for value in nearest)}"
        return cls(
            float(nearest.mean()),
            n=rows.shape[1],
            detail=f"{words}; {beside}" if beside else words,
            by_seed=tuple(map(tuple, rows.tolist())),
            **others,
        )

    @classmethod
    def over_seeds(
        cls,
        records: Records,
        statistic: Callable[[Records], ArrayLike],
        beside: str = "",
        **others: Any,
    ) -> Estimate:
        """Take a statistic of the records of each seed, and estimate its mean.

        Args:
            records: of some seeds.
            statistic: of one seed's records: a number, or one against each of some rivals.
            beside: as in :meth:`of_seeds`.
            others: attributes of the estimate.

        Raises:
            InconclusiveError: without any record.
        """
        if records.runs.empty:
            raise InconclusiveError("no run to measure")
        return cls.of_seeds(by_seed(records, statistic).T, beside, **others)

    @classmethod
    def of_parts(cls, *parts: Estimate, detail: str) -> Estimate:
        """Return what an :class:`AllOf` judges; its statistic is that of the first part."""
        first = parts[0]
        return cls(first.statistic, first.n, detail, first.by_seed, parts)

    def interval(self, confidence: float = 0.95) -> Interval | None:
        """Return the interval of the statistic over seeds; ``None`` for a count or one seed."""
        return student(self.by_seed, confidence) if self.by_seed else None

    @property
    def undefined(self) -> bool:
        """Whether the statistic is not a number, in any seed."""
        values = (self.statistic, *(value for row in self.by_seed for value in row))
        return any(map(math.isnan, values))


def by_seed(records: Records, statistic: Callable[[Records], ArrayLike]) -> np.ndarray:
    """Return a statistic of each seed's records, in the order of the seeds: shape (seeds, …)."""
    runs = records.runs
    return np.array([statistic(records.where(own)) for _, own in runs.groupby("seed")], dtype=float)


@dataclass(frozen=True)
class Criterion:
    """Limits of a statistic.

    Attributes:
        of: what is measured, as the subject of a sentence.
        at_least: lower limit, included; ``None`` for none.
        at_most: upper limit, included; ``None`` for none.
        confidence: of the interval over seeds that decides: one across a limit is inconclusive.
            0.9 makes an equivalence test, two one-sided ones at 5 %. ``None``: it is a count, or
            something exact, and decides by itself.
        unit: of the statistic and its limits. Where it begins with %, they are shown in percent.
        note: what else a reader should know.

    >>> few = Criterion("the share of bad steps", at_most=0.05, unit="%")
    >>> str(few)
    'the 95 % interval of the share of bad steps is at most 5 %'
    >>> few.decide(Estimate.of_seeds([0.04, 0.05, 0.06]))
    'inconclusive'
    """

    of: str
    at_least: float | None = None
    at_most: float | None = None
    confidence: float | None = 0.95
    unit: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"the criterion on {self.of} has no limit; give at_least or at_most")

    def decide(self, estimate: Estimate, part: float = 1.0) -> Status:
        """Judge an estimate; one that is not a number, or has one seed, decides nothing.

        Args:
            estimate: of what the criterion is about.
            part: of α = 1 − ``confidence`` that this claim may spend, in (0, 1].
        """
        low, high = estimate.statistic, estimate.statistic
        if self.confidence is not None:
            if not estimate.by_seed:
                raise ValueError(f"the criterion on {self.of} needs a value of each seed")
            interval = estimate.interval(1 - part * (1 - self.confidence_for(estimate)))
            low, high = interval or (-math.inf, math.inf)
        if estimate.undefined:
            return "inconclusive"
        least = -math.inf if self.at_least is None else self.at_least
        most = math.inf if self.at_most is None else self.at_most
        if least <= low and high <= most:
            return "reproduced"
        return "not reproduced" if high < least or low > most else "inconclusive"

    def confidence_for(self, estimate: Estimate) -> float:
        """Return the confidence of the interval that decides an estimate."""
        assert self.confidence is not None
        return self.confidence

    def __str__(self) -> str:
        subject = self.of
        if self.confidence is not None:
            subject = f"the {100 * self.confidence:.3g} % interval of {self.of}"
        note = f"; {self.note}" if self.note else ""
        return f"{subject} {self._limits()} {self.unit}".rstrip() + note

    def _limits(self) -> str:
        limits = (x for x in (self.at_least, self.at_most) if x is not None)
        shown = [_shown(in_unit(x, self.unit)) for x in limits]
        if len(shown) == 2:
            return f"is {shown[0]}" if shown[0] == shown[1] else f"lies within {' to '.join(shown)}"
        return f"is at {'most' if self.at_least is None else 'least'} {shown[0]}"


def _shown(limit: float) -> str:
    tiny = 0 < abs(limit) < 1e-4
    return number(limit) if tiny else f"{limit:.3g}".replace("-", MINUS)


def none(of: str, note: str = "") -> Criterion:
    """Return the criterion of a count that has to be 0."""
    return Criterion(of, at_least=0, at_most=0, confidence=None, note=note)


def equivalent(of: str, margin: float, *, to: float = 0.0, **others: Any) -> Criterion:
    """Return an equivalence test: the statistic equals ``to`` up to a margin.

    Two one-sided tests at 5 % (Schuirmann 1987) are the 90 % interval inside the margins.

    >>> str(equivalent("the difference", 0.02, unit="nats"))
    'the 90 % interval of the difference lies within −0.02 to 0.02 nats'
    """
    return Criterion(of, at_least=to - margin, at_most=to + margin, confidence=0.9, **others)


@dataclass(frozen=True)
class AllOf:
    """Several criteria, each on its own part of an estimate; the worst status counts."""

    parts: tuple[Criterion, ...]

    @property
    def unit(self) -> str:
        """Of the statistic, which is that of the first part."""
        return self.parts[0].unit

    @property
    def confidence(self) -> float | None:
        """Of the interval of the first part; ``None`` if it is a count."""
        return self.parts[0].confidence

    def confidence_for(self, estimate: Estimate) -> float:
        """Return that of the interval of the first part; as :meth:`Criterion.confidence_for`."""
        return self.parts[0].confidence_for(estimate)

    def decide(self, estimate: Estimate, part: float = 1.0) -> Status:
        """Judge the parts of an estimate; as :meth:`Criterion.decide`."""
        pairs = zip(self.parts, estimate.parts, strict=True)
        return min((each.decide(own, part) for each, own in pairs), key=WORST_FIRST.index)

    def __str__(self) -> str:
        return ", and ".join(map(str, self.parts))


AnyCriterion: TypeAlias = Criterion | AllOf


def deciding_part(criterion: AnyCriterion, estimate: Estimate) -> float:
    """Return the smallest part of α at which a claim is decided: its p-value over α.

    Infinite if it is not decided at α itself.
    """
    if criterion.decide(estimate) == "inconclusive":
        return math.inf
    low, high = -9.0, 0.0  # log10 of the part: below 1e-9 nothing tells claims apart
    for _ in range(50):
        middle = (low + high) / 2
        if criterion.decide(estimate, 10**middle) == "inconclusive":
            low = middle
        else:
            high = middle
    return float(10**high)
