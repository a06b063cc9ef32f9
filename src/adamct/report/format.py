"""Numbers, intervals, durations and commands as text."""

from __future__ import annotations

import math
import re
from collections.abc import Collection

from markupsafe import Markup, escape

from adamct.plotting import registry

MINUS = "\N{MINUS SIGN}"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None) -> str:
    """Return a number to three figures, whole ones in full.

    Example:
        >>> [number(x) for x in (64640, -0.0242, 1.26e-6, 17.558, None, math.inf)]
        ['64,640', '−0.0242', '1.26 × 10⁻⁶', '17.6', '–', '∞']
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    if value == int(value) and abs(value) < 1e9:
        return f"{value:,.0f}".replace("-", MINUS)
    if 1e-3 <= abs(value) < 1e6:
        digits = max(0, 2 - math.floor(math.log10(abs(value))))
        return f"{value:,.{digits}f}".replace("-", MINUS)
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(SUPERSCRIPTS)}".replace("-", MINUS)


def interval(ends: tuple[float, float] | None) -> str:
    """Return an interval, or a dash where there is none.

    Example:
        >>> interval((-0.998, -0.7805))
        '[−0.998, −0.780]'
    """
    return (
        "–" if ends is None or any(map(math.isnan, ends)) else f"[{', '.join(map(number, ends))}]"
    )


def duration(seconds: float) -> str:
    """Return a time in its two largest units.

    Example:
        >>> [duration(x) for x in (0.31, 3.2, 59.7, 200, 3700, 200_000)]
        ['0.3 s', '3.2 s', '1 min', '3 min 20 s', '1 h 2 min', '55 h 33 min']
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        large, small, units = *divmod(whole, 60), ("min", "s")
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
            runs[-1].append(value)
        else:
            runs.append([value])
    ends = [sorted({run[0], run[-1]}) for run in runs]
    return ", ".join("–".join(f"{end:,}" for end in pair) for pair in ends) or "–"


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


def capital(text: str) -> str:
    """Return a text with a capital where it starts with a Latin letter.

    Example:
        >>> capital("beyond the paper"), capital("η falls")
        ('Beyond the paper', 'η falls')
    """
    return text[:1].upper() + text[1:] if text[:1].isascii() else text


def label(name: str) -> str:
    """Return a figure's number in words.

    Example:
        >>> label("figE3") == label("figE3_slopes") == "Figure\N{NO-BREAK SPACE}E3"
        True
    """
    return f"Figure\N{NO-BREAK SPACE}{registry.label(name)}"


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
