"""A claim is data; a verdict is what the records say of it, and how sure one can be."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from adamct.analysis.statistics import FIRST_FRESH, holm
from adamct.claims.criterion import (
    AnyCriterion,
    Estimate,
    InconclusiveError,
    Status,
    deciding_part,
)
from adamct.claims.numbers import in_unit, number
from adamct.records import Records

# What the paper states and measures; what it, or this project, proves, so that only a bug can fail
# it; what this project measures beyond the paper.
Kind = Literal["paper", "theorem", "extension"]
KINDS: dict[Kind, str] = {
    "paper": "the paper’s claim",
    "theorem": "theorem or identity",
    "extension": "beyond the paper",
}


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One checkable statement.

    Attributes:
        name: short and unique.
        figure: the figure that shows it, ``"fig03"``.
        kind: whether it is measured in the paper, proved, or measured beyond the paper.
        reference: where the paper makes it, or what the extension is about.
        statement: what is claimed.
        criterion: what decides.
        reads: the experiments whose records it reads; none for a statement about theory alone.
        evaluate: records of those experiments → estimate; raises
            :class:`~adamct.claims.criterion.InconclusiveError` where they cannot decide.
        whole_runs: it compares runs step by step, so that a diverged one makes it inconclusive.
        also: other figures that show it; it counts once, with its own.
        reads_pilots: it chooses on pilot seeds what it scores on fresh ones, and so reads both.
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
    also: tuple[str, ...] = ()
    reads_pilots: bool = False


class Verdict(BaseModel):
    """A claim, its estimate judged, and what that rests on: plain values, in a file as here.

    Attributes:
        statistic: ``None`` where the records cannot decide.
        interval: 95 %, where the statistic has one.
        decided_by: the interval that decides, where that is another: Holm's share of the level
            among the paper's measured claims of the figure, or that of an equivalence test.
        n: how many seeds it is a mean of; of a count, how many points or steps were looked at.
        unit: of the statistic; where it begins with %, both are shown in percent.
        detail: what it rests on in words, and the numbers that stand beside it.
        rule: how the interval is made, in a few words.
        scale: of the runs; ``"theory"`` without any.
        also: other figures that show it.
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
    decided_by: tuple[float, float] | None = None
    n: int
    unit: str = ""
    detail: str
    rule: str = ""
    also: tuple[str, ...] = ()
    scale: str
    seeds: tuple[int, ...]
    corpora: tuple[str, ...]
    devices: tuple[str, ...]

    def as_text(self, width: int = 96, aside: str = "") -> str:
        """Return a paragraph for the terminal.

        Args:
            width: of its lines.
            aside: what else to say at its end.
        """
        head = f"{self.status.upper():<15} {self.statement} ({self.reference})"
        known = self.statistic is not None
        found = f"{self.estimate}: {self.detail}" if known else self.detail
        basis = "; ".join(filter(None, (KINDS[self.kind], self.basis, aside)))
        indent = " " * 16
        return "\n".join(
            textwrap.fill(text, width, initial_indent=first, subsequent_indent=indent)
            for text, first in (
                (head, ""),
                *((text, indent) for text in (found, f"criterion: {self.criterion}", basis)),
            )
        )

    @property
    def basis(self) -> str:
        """By which rule it was decided, by which interval if not the one shown, on which seeds."""
        rule, seeds = self.rule, ", ".join(map(str, self.seeds))
        if self.decided_by is not None:
            rule += f": [{', '.join(number(in_unit(x, self.unit)) for x in self.decided_by)}]"
        words = f"seed{'s' if len(self.seeds) > 1 else ''} {seeds}" if seeds else ""
        return "; ".join(filter(None, (rule, words)))

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


def judge(claims: Iterable[Claim], records: Records) -> list[Verdict]:
    """Evaluate claims on the records that they read, and judge them.

    The paper's measured claims of one figure share the level α by Holm's procedure, so the claims
    of a figure are judged together.

    Args:
        claims: all claims of some figures.
        records: of all experiments that they read.
    """
    cases = [_evaluated(claim, records) for claim in claims]
    families: dict[str, list[_Case]] = {}
    for case in cases:
        if case.claim.kind == "paper" and case.claim.criterion.confidence and case.estimate:
            families.setdefault(case.claim.figure, []).append(case)
    for family in families.values():
        levels = [deciding_part(case.claim.criterion, case.known) for case in family]
        for case, case.divisor in zip(family, holm(levels), strict=True):
            case.family = len(family)
    return [case.verdict() for case in cases]


@dataclass
class _Case:
    """A claim on its way to a verdict.

    Attributes:
        records: those that it may be judged on.
        estimate: ``None`` where they cannot decide.
        reason: why not.
        n: of the verdict.
        family: how many claims share the level α.
        divisor: by which Holm's procedure divides it.
    """

    claim: Claim
    records: Records
    estimate: Estimate | None = None
    reason: str = ""
    n: int = 0
    family: int = 1
    divisor: int = 1

    @property
    def known(self) -> Estimate:
        assert self.estimate is not None
        return self.estimate

    def verdict(self) -> Verdict:
        said = ("name", "figure", "kind", "reference", "statement", "reads", "also")

        def distinct(column: str) -> tuple[Any, ...]:
            return tuple(sorted(set(self.records.runs[column]))) if self.claim.reads else ()

        return Verdict(
            **{field: getattr(self.claim, field) for field in said},
            criterion=str(self.claim.criterion),
            unit=self.claim.criterion.unit,
            scale="".join(distinct("scale")) or "theory",
            seeds=distinct("seed"),
            corpora=distinct("corpus"),
            devices=distinct("device"),
            **(self._decided() if self.estimate else self._undecided()),
        )

    def _undecided(self) -> dict[str, Any]:
        return {"status": "inconclusive", "n": self.n, "detail": self.reason}

    def _decided(self) -> dict[str, Any]:
        criterion, found, level = self.claim.criterion, self.known, None
        if criterion.confidence is not None:
            level = 1 - (1 - criterion.confidence_for(found)) / self.divisor
        return {
            "status": criterion.decide(found, 1 / self.divisor),
            **{name: getattr(found, name) for name in ("statistic", "n", "detail")},
            "interval": found.interval(),
            "decided_by": None if level in (None, 0.95) else found.interval(level),
            "rule": self._rule(level),
        }

    def _rule(self, level: float | None) -> str:
        if level is None:
            return "exact" if self.claim.kind == "theorem" else "count"
        n_rivals, n_seeds = np.shape(self.known.by_seed)
        if n_seeds == 1:
            return "one seed: a number without an interval"
        rivals = f", best of {n_rivals + 1}" if n_rivals > 1 else ""
        holm = f", Holm over {self.family}" if self.family > 1 else ""
        return f"t over {n_seeds} seeds, {100 * level:.4g} %{rivals}{holm}"


def _evaluated(claim: Claim, records: Records) -> _Case:
    case = _Case(claim, records.of(*claim.reads))
    try:
        case.records = _fresh(claim, case.records)
        if claim.whole_runs:
            _require_whole(case.records)
        estimate = claim.evaluate(case.records)
        if estimate.undefined:
            raise InconclusiveError("not a number: a value is missing or infinite", estimate.n)
        case.estimate = estimate
    except InconclusiveError as error:
        case.reason, case.n = str(error), error.n
    return case


def _fresh(claim: Claim, records: Records) -> Records:
    """Leave out the pilot seeds, on which criteria were set; what is proved holds on them, too."""
    if claim.kind == "theorem" or claim.reads_pilots or not claim.reads:
        return records
    fresh = records.runs[records.runs.seed >= FIRST_FRESH]
    if fresh.empty:
        seeds = ", ".join(map(str, sorted(set(records.runs.seed))))
        raise InconclusiveError(
            f"seed {seeds} alone: those below {FIRST_FRESH} are pilots, on which criteria were "
            f"set; train fresh ones with seed={FIRST_FRESH},{FIRST_FRESH + 1},{FIRST_FRESH + 2}"
        )
    return records.where(fresh)


def _require_whole(records: Records) -> None:
    diverged = records.runs[records.runs.status == "diverged"]
    if len(diverged):
        first = diverged.iloc[0]
        raise InconclusiveError(
            f"{len(diverged)} of {len(records.runs)} runs diverged, run {first.run_id} after "
            f"{first.n_recorded} steps"
        )
