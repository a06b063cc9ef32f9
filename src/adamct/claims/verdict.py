"""A claim is data; a verdict is what the records say of it, and how sure one can be."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate, Literal, ParamSpec

from pydantic import BaseModel, ConfigDict

from adamct.analysis.statistics import Interval
from adamct.records import Records

Status = Literal["reproduced", "not reproduced", "inconclusive"]
Kind = Literal["paper", "extension"]
P = ParamSpec("P")


@dataclass(frozen=True)
class Finding:
    """What a claim's statistic came to.

    Attributes:
        status: the verdict.
        statistic: the number that the criterion is about; ``None`` if it cannot be computed.
        interval: its 95 % bootstrap interval, where it has one.
        n: how many points or steps it rests on.
        detail: the numbers in words, with what stands beside them.
    """

    status: Status
    statistic: float | None
    interval: Interval | None
    n: int
    detail: str


@dataclass(frozen=True)
class Claim:
    """One checkable statement.

    Attributes:
        name: short and unique.
        figure: the figure that shows it, ``"fig03"``.
        reference: where the paper makes it, or ``"beyond the paper"``.
        statement: what is claimed.
        criterion: what decides.
        reads: the experiments whose records it reads; none for a statement about theory alone.
        evaluate: records of those experiments → finding.
    """

    name: str
    figure: str
    reference: str
    statement: str
    criterion: str
    reads: tuple[str, ...]
    evaluate: Callable[[Records], Finding]


class Verdict(BaseModel):
    """A claim, its finding, and what that rests on: plain values, in a file as here.

    Attributes:
        kind: whether the paper makes the claim, or this project beyond the paper.
        statistic: ``None`` where the records cannot decide.
        interval: 95 %, where the statistic has one.
        n: how many points or steps it rests on.
        detail: the numbers in words.
        scale: of the runs; ``"theory"`` without any.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    figure: str
    kind: Kind
    reference: str
    statement: str
    criterion: str
    reads: tuple[str, ...]
    status: Status
    statistic: int | float | None
    interval: tuple[float, float] | None
    n: int
    detail: str
    scale: str
    seeds: tuple[int, ...]
    corpora: tuple[str, ...]
    devices: tuple[str, ...]

    def as_text(self, width: int = 96) -> str:
        """Return a paragraph for the terminal."""
        head = f"{self.status.upper():<15} {self.statement} ({self.reference})"
        indent = " " * 16
        return "\n".join(
            textwrap.fill(text, width, initial_indent=first, subsequent_indent=indent)
            for text, first in (
                (head, ""),
                (self.detail, indent),
                (f"criterion: {self.criterion}", indent),
            )
        )


def judge(claim: Claim, records: Records) -> Verdict:
    """Evaluate a claim on the records that it reads."""
    own = records.of(*claim.reads)

    def distinct(column: str) -> tuple[Any, ...]:
        return tuple(sorted(set(own.runs[column].tolist()))) if claim.reads else ()

    values = {k: v for k, v in vars(claim).items() if k != "evaluate"}
    return Verdict(
        **values,
        **vars(claim.evaluate(own)),
        kind="extension" if claim.reference.startswith("beyond the paper") else "paper",
        scale="".join(distinct("scale")) or "theory",
        seeds=distinct("seed"),
        corpora=distinct("corpus"),
        devices=distinct("device"),
    )


def inconclusive(reason: str, n: int = 0) -> Finding:
    """Return the finding of a claim that these records cannot decide."""
    return Finding("inconclusive", None, None, n, reason)


def of_whole_runs(
    evaluate: Callable[Concatenate[Records, P], Finding],
) -> Callable[Concatenate[Records, P], Finding]:
    """Let a claim that compares runs step by step decide nothing where one of them diverged."""

    @functools.wraps(evaluate)
    def checked(records: Records, *args: P.args, **kwargs: P.kwargs) -> Finding:
        diverged = records.runs[records.runs.status == "diverged"]
        if len(diverged):
            first = diverged.iloc[0]
            return inconclusive(
                f"{len(diverged)} of {len(records.runs)} runs diverged, run {first.run_id} after "
                f"{first.n_recorded} steps"
            )
        return evaluate(records, *args, **kwargs)

    return checked


def below(interval: Interval, threshold: float) -> Status:
    """Decide whether a statistic is at most a threshold, by its whole interval."""
    if interval[1] <= threshold:
        return "reproduced"
    return "not reproduced" if interval[0] > threshold else "inconclusive"


def above(interval: Interval, threshold: float) -> Status:
    """Decide whether a statistic is at least a threshold, by its whole interval."""
    return below((-interval[1], -interval[0]), -threshold)


def within(interval: Interval, low: float, high: float) -> Status:
    """Decide whether a statistic lies between two limits, by its whole interval."""
    both = {below(interval, high), above(interval, low)}
    if both == {"reproduced"}:
        return "reproduced"
    return "not reproduced" if "not reproduced" in both else "inconclusive"
