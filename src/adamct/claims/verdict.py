"""A claim is data; a verdict is what the records say of it, and how sure one can be."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from adamct.claims.criterion import AnyCriterion, Estimate, InconclusiveError, Status
from adamct.claims.numbers import in_unit, number
from adamct.records import Records

Kind = Literal["paper", "extension"]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One checkable statement.

    Attributes:
        name: short and unique.
        figure: the figure that shows it, ``"fig03"``.
        kind: whether the paper makes it, or this project beyond the paper.
        reference: where the paper makes it, or what the extension is about.
        statement: what is claimed.
        criterion: what decides.
        reads: the experiments whose records it reads; none for a statement about theory alone.
        evaluate: records of those experiments → estimate; raises
            :class:`~adamct.claims.criterion.InconclusiveError` where they cannot decide.
        whole_runs: it compares runs step by step, so that a diverged one makes it inconclusive.
    """

    name: str
    figure: str
    kind: Kind = "paper"
    reference: str
    statement: str
    criterion: AnyCriterion
    reads: tuple[str, ...]
    evaluate: Callable[[Records], Estimate]
    whole_runs: bool = False


class Verdict(BaseModel):
    """A claim, its estimate judged, and what that rests on: plain values, in a file as here.

    Attributes:
        statistic: ``None`` where the records cannot decide.
        interval: 95 %, where the statistic has one.
        n: how many points or steps it rests on.
        unit: of the statistic; where it begins with %, both are shown in percent.
        detail: what it rests on in words, and the numbers that stand beside it.
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
    statistic: int | float | None = None
    interval: tuple[float, float] | None = None
    n: int
    unit: str = ""
    detail: str
    scale: str
    seeds: tuple[int, ...]
    corpora: tuple[str, ...]
    devices: tuple[str, ...]

    def as_text(self, width: int = 96) -> str:
        """Return a paragraph for the terminal."""
        head = f"{self.status.upper():<15} {self.statement} ({self.reference})"
        known = self.statistic is not None
        found = f"{self.estimate}: {self.detail}" if known else self.detail
        indent = " " * 16
        return "\n".join(
            textwrap.fill(text, width, initial_indent=first, subsequent_indent=indent)
            for text, first in (
                (head, ""),
                (found, indent),
                (f"criterion: {self.criterion}", indent),
            )
        )

    @property
    def shown(self) -> tuple[str, str, str]:
        """The statistic, its interval and its unit as text; empty what there is not."""
        value, *ends = (
            number(None if x is None else in_unit(x, self.unit))
            for x in (self.statistic, *(self.interval or ()))
        )
        interval = f"[{', '.join(ends)}]" if ends else ""
        return value, interval, "" if self.statistic is None else self.unit

    @property
    def estimate(self) -> str:
        """The statistic with its interval and its unit, in a line."""
        return " ".join(filter(None, self.shown))


def judge(claim: Claim, records: Records) -> Verdict:
    """Evaluate a claim on the records that it reads."""
    own = records.of(*claim.reads)
    said = ("name", "figure", "kind", "reference", "statement", "reads")

    def distinct(column: str) -> tuple[Any, ...]:
        return tuple(sorted(set(own.runs[column].tolist()))) if claim.reads else ()

    return Verdict(
        **{field: getattr(claim, field) for field in said},
        criterion=str(claim.criterion),
        unit=claim.criterion.unit,
        scale="".join(distinct("scale")) or "theory",
        seeds=distinct("seed"),
        corpora=distinct("corpus"),
        devices=distinct("device"),
        **_judged(claim, own),
    )


def _judged(claim: Claim, records: Records) -> dict[str, Any]:
    try:
        if claim.whole_runs:
            _require_whole(records)
        found = claim.evaluate(records)
        if found.undefined:
            raise InconclusiveError("not a number: a value is missing or infinite", found.n)
    except InconclusiveError as error:
        return {"status": "inconclusive", "n": error.n, "detail": str(error)}
    numbers = {name: getattr(found, name) for name in ("statistic", "interval", "n", "detail")}
    return {"status": claim.criterion.decide(found), **numbers}


def _require_whole(records: Records) -> None:
    diverged = records.runs[records.runs.status == "diverged"]
    if len(diverged):
        first = diverged.iloc[0]
        raise InconclusiveError(
            f"{len(diverged)} of {len(records.runs)} runs diverged, run {first.run_id} after "
            f"{first.n_recorded} steps"
        )
