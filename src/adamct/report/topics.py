"""The results beyond the paper: which claims bear on each; the template has the words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from adamct.claims import CLAIMS, Verdict
from adamct.plotting.registry import short_name

# Of each topic, as the template calls it: its claims, in the order of the argument.
TOPICS = {
    "bound": (
        "D-bounds-max-update",
        "D-where-stable",
        "D-on-boundary",
        "growth-rate-D",
        "growth-rate-D-float64",
        "exact-is-closer",
    ),
    "region": (
        "paper-overestimates",
        "exactly-stable-is-bounded",
        "beyond-exact-boundary-is-unstable",
    ),
    "strip": ("strip-is-bounded", "B-minus-is-unstable"),
    "norm": (
        "theorem-2-as-printed",
        "theorem-2-without-memory",
        "theorem-2-corrected",
        "growth-ratio-follows-memory",
        "recursion-is-exact",
        "recursion-elementwise",
        "equilibrium-factor",
    ),
    "grid": (
        "ranking-turns-on-the-grid-figE4",
        "grid-holds-the-best-figE4",
        "k-beats-adam-figE4",
    ),
    "levels": ("D-bounds-every-level",),
}


@dataclass(frozen=True)
class Evidence:
    """What a page has to say of a topic: verdicts, and the figures still to draw."""

    verdicts: tuple[Verdict, ...]
    missing: tuple[str, ...] = ()


def evidence(verdicts: Sequence[Verdict], drawn: Collection[str]) -> dict[str, Evidence]:
    """Return the evidence for each topic.

    Args:
        verdicts: all of the page's.
        drawn: the names of its figures, ``"fig3"``.

    Returns:
        The topics' keys → evidence; and ``"rest"``, with what the paper does not claim and no
        topic mentions.
    """
    shown_by = {claim.name: short_name(claim.figure) for claim in CLAIMS}
    by_name = {verdict.name: verdict for verdict in verdicts}
    found = {}
    for topic, claims in TOPICS.items():
        figures = dict.fromkeys(shown_by[name] for name in claims)
        found[topic] = Evidence(
            tuple(by_name[name] for name in claims if name in by_name),
            tuple(figure for figure in figures if figure not in drawn),
        )
    quoted = {name for claims in TOPICS.values() for name in claims}
    rest = (v for v in verdicts if v.kind == "extension" and v.name not in quoted)
    return {**found, "rest": Evidence(tuple(rest))}
