"""The results beyond the paper: which verdicts bear on each; the template has the words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from adamct.report.contents import Judged


@dataclass(frozen=True)
class Verdict:
    """A verdict and the figure that shows it."""

    judged: Judged
    figure: str


@dataclass(frozen=True)
class Topic:
    """A result beyond the paper; the template has its words, these are its evidence.

    Attributes:
        key: as the template calls it.
        figures: whose claims bear on it.
        claims: their names, in the order of the argument.
    """

    key: str
    figures: tuple[str, ...]
    claims: tuple[str, ...]


TOPICS = (
    Topic(
        "bound",
        ("fig3", "fig7", "fig11", "figE3"),
        (
            "D-bounds-max-update",
            "D-where-stable",
            "D-on-boundary",
            "growth-rate-D",
            "growth-rate-D-float64",
            "exact-is-closer",
        ),
    ),
    Topic(
        "region",
        ("fig2", "figE1"),
        (
            "paper-overestimates",
            "exactly-stable-is-bounded",
            "beyond-exact-boundary-is-unstable",
        ),
    ),
    Topic("strip", ("figE1",), ("strip-is-bounded", "B-minus-is-unstable")),
    Topic(
        "norm",
        ("fig5", "figE2"),
        (
            "theorem-2-as-printed",
            "theorem-2-without-memory",
            "theorem-2-corrected",
            "growth-ratio-follows-memory",
            "recursion-is-exact",
            "recursion-elementwise",
            "equilibrium-factor",
        ),
    ),
    Topic(
        "grid",
        ("figE4",),
        ("ranking-turns-on-the-grid-figE4", "grid-holds-the-best-figE4", "k-beats-adam-figE4"),
    ),
    Topic("levels", ("figE5",), ("D-bounds-every-level",)),
)


@dataclass(frozen=True)
class Evidence:
    """What a page has to say of a topic: verdicts, and the figures still to draw."""

    verdicts: tuple[Verdict, ...]
    missing: tuple[str, ...] = ()


def evidence(verdicts: Sequence[Verdict], drawn: Collection[str]) -> dict[str, Evidence]:
    """Return the evidence for each topic.

    Args:
        verdicts: all of the page's.
        drawn: the names of its figures.

    Returns:
        The topics' keys → evidence; and ``"rest"``, with what the paper does not claim and no
        topic mentions.
    """
    by_name = {verdict.judged.name: verdict for verdict in verdicts}
    found = {
        topic.key: Evidence(
            tuple(by_name[name] for name in topic.claims if name in by_name),
            tuple(figure for figure in topic.figures if figure not in drawn),
        )
        for topic in TOPICS
    }
    quoted = {name for topic in TOPICS for name in topic.claims}
    rest = (v for v in verdicts if v.judged.beyond and v.judged.name not in quoted)
    return {**found, "rest": Evidence(tuple(rest))}
