"""Times, commands, counts and headings as text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import get_args

from markupsafe import Markup, escape

from adamct.claims import Kind, Status, Verdict
from adamct.claims.numbers import MINUS
from adamct.plotting import registry


def duration(seconds: float) -> str:
    """Return a time in its two largest units.

    Example:
        >>> [duration(x) for x in (0.31, 3.2, 59.7, 200, 3700, 200_000)]
        ['0.3 s', '3.2 s', '1 min', '3 min 20 s', '1 h 2 min', '55 h 33 min']
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    if round(seconds) < 3600:
        large, small, units = *divmod(round(seconds), 60), ("min", "s")
    else:
        large, small, units = *divmod(round(seconds / 60), 60), ("h", "min")
    return f"{large} {units[0]}" + (f" {small} {units[1]}" if small else "")


def integers(values: Collection[int]) -> str:
    """Return whole numbers, consecutive ones as a range.

    Example:
        >>> integers([0, 1, 2, 5, 1000])
        '0–2, 5, 1,000'
    """
    runs: list[list[int]] = []
    for value in sorted(set(values)):
        if runs and value == runs[-1][-1] + 1:
            runs[-1][1:] = [value]
        else:
            runs.append([value])
    return ", ".join("–".join(f"{end:,}" for end in run) for run in runs) or "–"


def cell(text: str) -> str:
    """Return a table's value, long decimals to six figures.

    Example:
        >>> [cell(x) for x in ("0.9765432109", "adam", "12", "")]
        ['0.976543', 'adam', '12', '']
    """
    try:
        return f"{float(text):.6g}" if len(text) > 8 else text
    except ValueError:
        return text


def formula(text: str) -> Markup:
    """Return a line of text with its subscripts and minus signs set as such.

    Example:
        >>> formula("ln D_n < -0.02")
        Markup('ln D<sub>n</sub> &lt; −0.02')
    """
    text = re.sub(r"(?<![\w−-])-(?=\d)", MINUS, text).replace(" %", "\N{NO-BREAK SPACE}%")
    html = re.sub(r"\b([^\W_])_(?:(\w)\b|{([^{}]+)})", r"\1<sub>\2\3</sub>", str(escape(text)))
    return Markup(html)


def label(name: str) -> str:
    """Return a figure's number in words.

    Example:
        >>> label("figE3") == label("figE3_slopes") == "Figure\N{NO-BREAK SPACE}E3"
        True
    """
    return f"Figure\N{NO-BREAK SPACE}{registry.figure_number(name)}"


def make_command(name: str, scale: str) -> str:
    """Return the command that trains and draws; laptop is make's default scale.

    Example:
        >>> make_command("fig3", "smoke")
        'make fig3 SCALE=smoke'
    """
    return f"make {name}" + ("" if scale == "laptop" else f" SCALE={scale}")


def count(number_of: int, noun: str) -> str:
    """Return a number with its noun.

    Example:
        >>> count(1, "run"), count(1250, "run")
        ('1 run', '1,250 runs')
    """
    return f"{number_of:,} {noun}{'' if number_of == 1 else 's'}"


# The three kinds of claims, by heading, in the order in which they stand.
HEADINGS: dict[str, Kind] = {
    "The paper’s claims": "paper",
    "Theorems and identities": "theorem",
    "Beyond the paper": "extension",
}


def grouped(verdicts: Sequence[Verdict]) -> dict[str, list[Verdict]]:
    """Return the verdicts of each kind of claim by heading; a kind without any is left out.

    Each is in the order of the verdicts.
    """
    groups = {
        heading: [verdict for verdict in verdicts if verdict.kind == kind]
        for heading, kind in HEADINGS.items()
    }
    return {heading: group for heading, group in groups.items() if group}


def tally(verdicts: Iterable[Verdict]) -> dict[Status, int]:
    """Return how many verdicts there are of each status."""
    found = Counter(verdict.status for verdict in verdicts)
    return {status: found[status] for status in get_args(Status)}


def counts(verdicts: Iterable[Verdict]) -> str:
    """Return a tally in words: ``"3 reproduced, 1 not reproduced, 0 inconclusive"``."""
    return ", ".join(f"{n} {status}" for status, n in tally(verdicts).items())


def where(verdict: Verdict) -> str:
    """Return where a claim is made, under a heading that says already what is beyond the paper."""
    return verdict.reference.removeprefix("beyond the paper").lstrip(":, ")
