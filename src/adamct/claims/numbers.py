"""Numbers of verdicts as text: on the terminal, on the page and in the README alike."""

from __future__ import annotations

import math

MINUS = "\N{MINUS SIGN}"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def in_unit(value: float, unit: str) -> float:
    """Return a number of some unit as it is shown: where that begins with %, in percent.

    >>> in_unit(-0.25, "nats"), in_unit(-0.25, "% of the displacement")
    (-0.25, -25.0)
    """
    return 100 * value if unit.startswith("%") else value


def number(value: float | None) -> str:
    """Return a measured number to three figures, whole ones in full.

    >>> [number(x) for x in (64640, -0.0242, 1.26e-6, 17.558, None, math.inf)]
    ['64,640', '−0.0242', '1.26 × 10⁻⁶', '17.6', '–', '∞']
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        text = f"{value:.0f}".replace("inf", "∞")
    elif value == int(value) and abs(value) < 1e9:
        text = f"{value:,.0f}"
    elif 1e-3 <= abs(value) < 1e6:
        text = f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"
    else:
        mantissa, exponent = f"{value:.2e}".split("e")
        text = f"{mantissa} × 10{str(int(exponent)).translate(SUPERSCRIPTS)}"
    return text.replace("-", MINUS)
