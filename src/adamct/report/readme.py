"""The README's numbers, from the reference records: they stand between markers, never typed.

A block of the README is ``<!-- generated: NAME -->`` … ``<!-- end -->``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adamct.claims import Verdict
from adamct.plotting import registry
from adamct.report import format, summary

BLOCK = re.compile(r"(<!-- generated: (?P<name>\w+) -->\n).*?(?=<!-- end -->)", re.DOTALL)
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?")
# The claims that the README quotes, by name, in the order of its argument.
HEADLINES = (
    "D-bounds-max-update",
    "eq5-bounds-max-update",
    "growth-rate-half-C",
    "growth-rate-D",
    "exactly-stable-is-bounded",
    "B-minus-is-unstable",
    "beyond-exact-boundary-is-unstable",
    "bounded-on-boundary",
    "eq5-on-boundary",
    "faster-with-C-fig04",
    "sharp-rise-fig04",
    "annealing-does-not-rescue",
    "assumption-1",
    "coarse-graining-changes-little",
    "theorem-2-as-printed",
    "theorem-2-corrected",
    "recursion-is-exact",
    "direction-turns-as-printed",
    "direction-turns-as-corrected",
    "continuous-follows-discrete",
    "continuous-follows-given-gradients",
    "k-beats-adamw-fig06",
    "k-beats-adamw-fig16",
    "k-beats-adam-figE4",
)


class ReadmeError(ValueError):
    """The README's blocks are not those that can be generated."""


def blocks(
    verdicts: Sequence[Verdict],
    provenance: Mapping[str, Mapping[str, Any]],
    figures: Mapping[str, Path],
) -> dict[str, str]:
    """Return the text of every block, by name.

    Args:
        verdicts: on all claims.
        provenance: of the reference, per experiment: ``wall_s``, what its runs took.
        figures: all that there are.
    """
    return {
        "tally": _tally(verdicts),
        "results": _results(verdicts),
        "figures": _figures(provenance, figures),
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
    plain = text.translate({ord(sup): str(i) for i, sup in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")})
    plain = plain.translate({ord("⁻"): "-", ord("−"): "-"}).replace(" × 10", "e")
    return NUMBER.split(plain), [float(n.replace(",", "")) for n in NUMBER.findall(plain)]


def _tally(verdicts: Sequence[Verdict]) -> str:
    return " ".join(
        f"{group.heading}: {summary.counts(group.tally)}." for group in summary.grouped(verdicts)
    )


def _results(verdicts: Sequence[Verdict]) -> str:
    by_name = {verdict.name: verdict for verdict in verdicts}
    rows = [
        [
            registry.label(verdict.figure),
            verdict.statement,
            summary.statistic(verdict),
            verdict.status,
        ]
        for verdict in (by_name[name] for name in HEADLINES)
    ]
    return summary.table(("figure", "claim", "statistic [95 % interval]", "verdict"), rows)


def _figures(provenance: Mapping[str, Mapping[str, Any]], figures: Mapping[str, Path]) -> str:
    """Return the table of figures; what several read is counted with the first of them."""
    seconds = {experiment: float(entry["wall_s"]) for experiment, entry in provenance.items()}
    total = format.duration(sum(seconds.values()))
    rows = []
    for name, path in figures.items():
        new = [seconds.pop(experiment, 0.0) for experiment in registry.reads(path)]
        took = format.duration(sum(new)) if sum(new) else ""
        rows.append([registry.label(name), f"`make {name}`", registry.title(path), took])
    rows.append(["all", "`make all`", "All of them, and the report", total])
    return summary.table(("figure", "command", "what it shows", "training, one core"), rows)
