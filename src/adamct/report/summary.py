"""The verdicts as Markdown and as JSON, and the README's numbers: from the reference records.

A block of the README is ``<!-- generated: NAME -->`` … ``<!-- end -->``; nothing in it is typed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from adamct.claims import Verdict
from adamct.claims.numbers import MINUS, SUPERSCRIPTS
from adamct.files import ExpectedError
from adamct.plotting import registry
from adamct.report import format

BLOCK = re.compile(r"(<!-- generated: (?P<name>\w+) -->\n).*?(?=<!-- end -->)", re.DOTALL)
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?")
# The claims that the README quotes, by name, in the order of its argument.
HEADLINES = (
    *("D-bounds-max-update", "growth-equals-half-C", "growth-rate-half-C", "growth-rate-D"),
    *("net-growth", "eq5-is-tight-where-unstable", "bounded-on-boundary"),
    *("strip-is-bounded", "beyond-exact-boundary-exceeds-stable"),
    *("faster-with-C-fig04", "sharp-rise-fig04"),
    *("annealing-does-not-rescue", "annealing-is-worse-than-none"),
    *("assumption-1", "coarse-graining-keeps-trajectory", "coarse-graining-keeps-loss"),
    *("theorem-2-as-printed", "theorem-2-corrected", "recursion-is-exact"),
    *("proposition-3-as-printed", "direction-turns-as-printed", "direction-turns-as-corrected"),
    *("continuous-follows-discrete", "continuous-follows-given-gradients"),
    *("2-adam-inverse-exp-best-fig06", "2-adam-beats-adamw-fig16"),
    *("normalization-layer-figE4", "k-adam-is-more-stable"),
)

# Those that the page quotes beside each result beyond the paper, in the order of its argument.
TOPICS = {
    "bound": (
        *("D-bounds-max-update", "D-on-boundary", "D-is-attained"),
        *("D-bounds-rmsprop", "sign-sgd-is-one", "eq5-above-D"),
        *("growth-equals-D", "growth-rate-D", "growth-rate-D-float64", "exact-is-closer"),
    ),
    "region": (
        *("paper-overestimates", "D-on-map", "stable-does-not-grow"),
        *("beyond-exact-boundary-exceeds-stable", "beyond-exact-boundary-follows-D"),
    ),
    "strip": ("strip-is-bounded",),
    "norm": (
        *("lemma-2", "theorem-2-as-printed", "theorem-2-without-memory", "theorem-2-corrected"),
        *("growth-ratio-follows-memory", "recursion-is-exact", "recursion-elementwise"),
        *("equilibrium-factor", "proposition-3-as-printed", "proposition-3"),
    ),
    "grid": (
        *("cut-grid-flatters-2-adam-figE4", "grid-holds-the-best-figE4"),
        *("2-adam-beats-adam-figE4", "normalization-layer-figE4"),
    ),
    "levels": ("eq10-bounds-every-level", "D-bounds-every-level", "k-adam-is-more-stable"),
}
# What verdicts.json says of each claim.
FIELDS = ("name", "figure", "kind", "status", "statistic", "interval", "seeds", "n")


class ReadmeError(ExpectedError):
    """The README's blocks are not those that can be generated."""


def documents(verdicts: Sequence[Verdict], scale: str) -> dict[str, str]:
    """Return the files that stand beside the records of a scale: name → text."""
    return {"verdicts.md": to_markdown(verdicts, scale), "verdicts.json": to_json(verdicts)}


def to_json(verdicts: Sequence[Verdict]) -> str:
    """Return ``FIELDS`` of every verdict in full precision, a line each, for other programs.

    An infinite statistic is written as ``Infinity``, one that there is not as ``null``.
    """
    rows = ({field: getattr(verdict, field) for field in FIELDS} for verdict in verdicts)
    return "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n"


def to_markdown(verdicts: Sequence[Verdict], scale: str) -> str:
    """Return the claims of each kind as a table, with their tallies.

    Args:
        verdicts: in the order in which they are to stand.
        scale: of the runs that they rest on.
    """
    parts = [
        f"# Verdicts at {scale} scale",
        f"{len(verdicts)} claims of three kinds, counted apart. An interval is over seeds; where a "
        "rule names another one, as Holm's procedure or a test of equivalence does, that one "
        "decides. [The rules](../../../docs/STATISTICS.md); the criterion of each claim is in the "
        f"report: `{format.make_command('report', scale)} RECORDS=reference`. Written by `make "
        "verdicts` from the records in this folder.",
    ]
    header = ("figure", "claim", "statistic [95 % interval]", "rule, seeds", "in words", "verdict")
    for heading, group in format.grouped(verdicts).items():
        rows = []
        for verdict in group:
            where = f" ({of})" if (of := format.where(verdict)) else ""
            figure, statement, statistic, status = _row(verdict)
            found = statistic, verdict.basis, verdict.detail
            rows.append([figure, statement + where, *found, f"**{status}**"])
        tally = f"{format.count(len(group), 'claim')}: {format.counts(group)}."
        parts += [f"## {heading}", tally, _table(header, rows)]
    return "\n\n".join(parts) + "\n"


def blocks(
    verdicts: Sequence[Verdict],
    provenance: Mapping[str, Mapping[str, Any]],
    figures: Mapping[str, Path],
) -> dict[str, str]:
    """Return the text of every block of the README, by name.

    Args:
        verdicts: on all claims.
        provenance: of the reference, per experiment: ``wall_s``, what its runs took.
        figures: all that there are. What several of them read is counted with the first.
    """
    by_name = {verdict.name: verdict for verdict in verdicts}
    seconds = {experiment: float(entry["wall_s"]) for experiment, entry in provenance.items()}
    total = format.duration(sum(seconds.values()))
    rows = []
    for name, path in figures.items():
        new = sum(seconds.pop(experiment, 0.0) for experiment in registry.reads(path))
        took = format.duration(new) if new else ""
        rows.append([registry.figure_number(name), f"`make {name}`", registry.title(path), took])
    rows.append(["all", "`make all`", "All of them, and the report", total])
    groups = format.grouped(verdicts).items()
    return {
        "tally": " ".join(f"{heading}: {format.counts(group)}." for heading, group in groups),
        "results": _table(
            ("figure", "claim", "kind", "statistic [95 % interval]", "verdict"),
            [_row(verdict, verdict.kind) for verdict in map(by_name.__getitem__, HEADLINES)],
        ),
        "figures": _table(("figure", "command", "what it shows", "training, one core"), rows),
    }


def fill(readme: str, texts: Mapping[str, str]) -> str:
    r"""Return a README with its blocks filled in.

    Raises:
        ReadmeError: if it lacks a block, has one twice, or names one that there is not.

    Example:
        >>> print(fill("<!-- generated: sum -->\n3\n<!-- end -->", {"sum": "4"}))
        <!-- generated: sum -->
        4
        <!-- end -->
    """
    named = [match["name"] for match in BLOCK.finditer(readme)]
    if sorted(named) != sorted(texts):
        raise ReadmeError(
            f"README.md has the generated blocks {', '.join(named) or 'none'}; expected "
            f"{', '.join(texts)}, each once, as <!-- generated: NAME --> … <!-- end -->"
        )
    return BLOCK.sub(lambda match: f"{match[1]}{texts[match['name']]}\n", readme)


def differs(text: str, other: str) -> bool:
    """Return whether generated texts differ: in words, or by more than 2 % in a number.

    Rounding differs between machines, and with it the last digit that is shown.

    Example:
        >>> differs("slope 0.951", "slope 0.952"), differs("slope 1", "slope 2")
        (False, True)
    """
    (words, numbers), (others, other_numbers) = _parts(text), _parts(other)
    pairs = zip(numbers, other_numbers, strict=False)
    return words != others or any(abs(a - b) > 1e-9 + 0.02 * abs(b) for a, b in pairs)


def _parts(text: str) -> tuple[list[str], list[float]]:
    plain = text.translate({made: written for written, made in SUPERSCRIPTS.items()})
    plain = plain.replace(MINUS, "-").replace(" × 10", "e")
    return NUMBER.split(plain), [float(n.replace(",", "")) for n in NUMBER.findall(plain)]


def _row(verdict: Verdict, *said: str) -> list[str]:
    figure = registry.figure_number(verdict.figure)
    return [figure, verdict.statement, *said, verdict.estimate, verdict.status]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; a pipe within a cell is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines
    )
