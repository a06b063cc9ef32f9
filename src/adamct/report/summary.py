"""Verdicts counted and grouped, for the page; and as Markdown, for a reader who runs nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from adamct.claims import Status, Verdict
from adamct.plotting import registry
from adamct.report import format

STATUSES: tuple[Status, ...] = get_args(Status)
COLUMNS = ("figure", "claim", "statistic [95 % interval]", "in words", "verdict")


@dataclass(frozen=True)
class Group:
    """The claims of the paper, or those beyond it.

    Attributes:
        heading: of the group.
        verdicts: in the order of the figures.
    """

    heading: str
    verdicts: tuple[Verdict, ...]

    @property
    def tally(self) -> dict[Status, int]:
        """How many verdicts there are of each status."""
        return tally(self.verdicts)


def grouped(verdicts: Sequence[Verdict]) -> list[Group]:
    """Return the paper's claims, then those beyond it; a group without claims is left out."""
    extensions = tuple(v for v in verdicts if v.kind == "extension")
    paper = tuple(v for v in verdicts if v.kind != "extension")
    groups = [Group("The paper’s claims", paper), Group("Beyond the paper", extensions)]
    return [group for group in groups if group.verdicts]


def tally(verdicts: Iterable[Verdict]) -> dict[Status, int]:
    """Return how many verdicts there are of each status."""
    counts = Counter(verdict.status for verdict in verdicts)
    return {status: counts[status] for status in STATUSES}


def where(verdict: Verdict) -> str:
    """Return where a claim is made, under a heading that says already what is beyond the paper."""
    if verdict.kind == "extension":
        return verdict.reference.removeprefix("beyond the paper").lstrip(":, ")
    return verdict.reference


def statistic(verdict: Verdict) -> str:
    """Return a verdict's statistic with its interval, if it has one."""
    ends = verdict.interval
    return format.number(verdict.statistic) + (f" {format.interval(ends)}" if ends else "")


def counts(of: Mapping[Status, int]) -> str:
    """Return a tally in words.

    Example:
        >>> counts({"reproduced": 3, "not reproduced": 1, "inconclusive": 0})
        '3 reproduced, 1 not reproduced, 0 inconclusive'
    """
    return ", ".join(f"{n} {status}" for status, n in of.items())


def to_markdown(verdicts: Sequence[Verdict], scale: str) -> str:
    """Return the paper's claims and those beyond it, a table each, with their tallies.

    Args:
        verdicts: in the order in which they are to stand.
        scale: of the runs that they rest on.
    """
    parts = [
        f"# Verdicts at {scale} scale",
        f"{len(verdicts)} claims: {counts(tally(verdicts))}. An interval stands where the "
        "statistic has one. The criterion of each is in the report: "
        f"`{format.make_command('report', scale)} RECORDS=reference`. Written by `make verdicts` "
        "from the records in this folder.",
    ]
    for group in grouped(verdicts):
        parts += [
            f"## {group.heading}",
            f"{len(group.verdicts)} claims: {counts(group.tally)}.",
            table(COLUMNS, map(_row, group.verdicts)),
        ]
    return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; a pipe within a cell is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines
    )


def _row(verdict: Verdict) -> list[str]:
    reference = where(verdict)
    return [
        registry.label(verdict.figure),
        f"{verdict.statement} ({reference})" if reference else verdict.statement,
        statistic(verdict),
        verdict.detail,
        f"**{verdict.status}**",
    ]
