"""Verdicts as a Markdown page, for a reader of the repository who runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adamct.claims import Verdict
from adamct.report import topics, wording
from adamct.report.contents import Judged, Status
from adamct.report.page import grouped, tally

COLUMNS = ("figure", "claim", "statistic [95 % interval]", "in words", "verdict")


def to_markdown(verdicts: Sequence[Verdict], scale: str) -> str:
    """Return the paper's claims and those beyond it, a table each, with their tallies.

    Args:
        verdicts: in the order in which they are to stand.
        scale: of the runs that they rest on.
    """
    judged = [
        topics.Verdict(Judged.model_validate(v.model_dump()), v.figure.removeprefix("fig"))
        for v in verdicts
    ]
    parts = [
        f"# Verdicts at {scale} scale",
        f"{len(judged)} claims: {_words(tally(judged))}. An interval stands where the statistic "
        "has one. The criterion of each is in the report: "
        f"`{wording.make_command('report', scale)} RECORDS=reference`. Written by "
        "`scripts/save_reference.py` from the records in this folder.",
    ]
    for _, heading, group, counts in grouped(judged):
        rows = [COLUMNS, ["---"] * len(COLUMNS), *map(_row, group)]
        table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
        parts += [f"## {heading}", f"{len(group)} claims: {_words(counts)}.", table]
    return "\n\n".join(parts) + "\n"


def _words(counts: Mapping[Status, int]) -> str:
    return ", ".join(f"{n} {status}" for status, n in counts.items())


def _row(verdict: topics.Verdict) -> list[str]:
    own = verdict.judged
    interval = "" if own.interval is None else f" {wording.interval(own.interval)}"
    cells = (
        verdict.figure.lstrip("0"),
        f"{own.statement} ({own.where})" if own.where else own.statement,
        wording.number(own.statistic) + interval,
        own.detail,
        f"**{own.status}**",
    )
    return [cell.replace("|", r"\|") for cell in cells]
