"""A claim is data; a verdict is what the records say of it, and how sure one can be."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Concatenate, Literal, ParamSpec

from adamct.analysis.statistics import Interval
from adamct.records import Records

Status = Literal["reproduced", "not reproduced", "inconclusive"]
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


@dataclass(frozen=True)
class Verdict:
    """A claim's finding, with everything that it rests on."""

    claim: Claim
    finding: Finding
    scale: str
    seeds: tuple[int, ...]
    corpora: tuple[str, ...]
    devices: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for a file."""
        claim = {k: v for k, v in asdict(self.claim).items() if k != "evaluate"}
        basis = {"scale": self.scale, "seeds": list(self.seeds)}
        basis |= {"corpora": list(self.corpora), "devices": list(self.devices)}
        return {**claim, **asdict(self.finding), **basis}

    def as_text(self, width: int = 96) -> str:
        """Return a paragraph for the terminal."""
        head = f"{self.finding.status.upper():<15} {self.claim.statement} ({self.claim.reference})"
        indent = " " * 16
        return "\n".join(
            textwrap.fill(text, width, initial_indent=first, subsequent_indent=indent)
            for text, first in (
                (head, ""),
                (self.finding.detail, indent),
                (f"criterion: {self.claim.criterion}", indent),
            )
        )


def judge(claim: Claim, records: Records) -> Verdict:
    """Evaluate a claim on the records that it reads."""
    own = records.of(*claim.reads)

    def distinct(column: str) -> tuple[Any, ...]:
        return tuple(sorted(set(own.runs[column].tolist()))) if claim.reads else ()

    return Verdict(
        claim=claim,
        finding=claim.evaluate(own),
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
