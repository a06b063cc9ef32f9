"""The page: what was drawn at one scale, through the template, as one HTML file."""

from __future__ import annotations

import base64
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from adamct.report import markdown, wording
from adamct.report.contents import Judged, Known, Shown, Status, Times, Trained, bare_title

STATUSES: tuple[Status, ...] = ("reproduced", "not reproduced", "inconclusive")
WORDINGS = (
    "capital",
    "cell",
    "count",
    "duration",
    "formula",
    "integers",
    "interval",
    "label",
    "number",
)
SCALES = {
    "smoke": "Smoke scale takes seconds and proves that the path from configuration to verdict "
    "works. Its runs are far too short to judge a claim: the verdicts mean nothing.",
    "laptop": "Laptop scale takes minutes on two CPU cores, on data that comes with Python and "
    "its packages: the models are small, the effects the same in kind.",
    "paper": "Paper scale follows the paper's Appendix H to the letter, on GPUs.",
}


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
class Verdict:
    """A verdict and the figure that shows it."""

    judged: Judged
    figure: str


@dataclass(frozen=True)
class Sweep:
    """One experiment's runs, and the figures that were drawn from these very runs."""

    trained: Trained
    figures: tuple[str, ...]
    anchor: str


def render(
    shown: Sequence[Shown],
    known: Sequence[Known],
    *,
    scale: str,
    ambiguities: str,
    times: Times | None = None,
    versions: Mapping[str, str],
) -> str:
    """Return the report.

    It is a function of its arguments alone: the same figures give the same bytes.

    Args:
        shown: the figures that have been drawn.
        known: all figures that there are; what is missing is listed with its command.
        scale: smoke, laptop or paper.
        ambiguities: what the paper leaves open, in Markdown (see :mod:`adamct.report.markdown`).
        times: what ``make all`` took, if it has been run.
        versions: what the page was made with, name → version.

    Returns:
        One HTML page that needs no other file.

    Raises:
        ValueError: if there is nothing to show, or ``ambiguities`` cannot be set.
    """
    if not shown:
        raise ValueError(
            f"no figure has been drawn at {scale} scale; {wording.make_command('fig3', scale)} "
            "trains and draws one"
        )
    verdicts = [Verdict(judged, s.drawn.figure) for s in shown for judged in s.drawn.verdicts]
    names = {s.drawn.figure for s in shown}
    environment = Environment(
        loader=PackageLoader("adamct.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(wording, name) for name in WORDINGS}
    environment.filters |= {"bare_title": bare_title, "data_uri": data_uri, "slug": slug}
    sweeps = distinct_sweeps(shown)
    return environment.get_template("report.html.jinja").render(
        scale=scale,
        scale_note=SCALES[scale],
        shown=shown,
        missing=[figure for figure in known if figure.name not in names],
        groups=grouped(verdicts),
        evidence=evidence(verdicts),
        sweeps=sweeps,
        anchors={
            (sweep.trained.experiment, sweep.trained.run_ids_sha256): sweep.anchor
            for sweep in sweeps
        },
        basis=basis(shown, sweeps),
        tally=tally(verdicts),
        ambiguities=markdown.to_html(body_of(ambiguities), top=2),
        times=times,
        versions=versions,
        make=lambda name: wording.make_command(name, scale),
    )


def grouped(verdicts: Iterable[Verdict]) -> list[tuple[str, str, list[Verdict], dict[Status, int]]]:
    """Return (key, heading, verdicts, tally): the paper's claims first, each in figures' order."""
    paper, beyond = [], []
    for verdict in verdicts:
        (beyond if verdict.judged.beyond else paper).append(verdict)
    headings = (("paper", "The paper’s claims", paper), ("beyond", "Beyond the paper", beyond))
    return [(key, words, group, tally(group)) for key, words, group in headings if group]


def tally(verdicts: Iterable[Verdict]) -> dict[Status, int]:
    """Return how many verdicts there are of each kind."""
    counts = Counter(verdict.judged.status for verdict in verdicts)
    return {status: counts[status] for status in STATUSES}


def evidence(verdicts: Sequence[Verdict]) -> dict[str, dict[str, Any]]:
    """Return, for each topic, the verdicts that bear on it and the figures still to draw.

    The key ``"rest"`` holds what the paper does not claim and no topic mentions.
    """
    by_name = {verdict.judged.name: verdict for verdict in verdicts}
    found: dict[str, dict[str, Any]] = {}
    for topic in TOPICS:
        own = [by_name.pop(name) for name in topic.claims if name in by_name]
        drawn = {verdict.figure for verdict in verdicts}
        missing = [figure for figure in topic.figures if figure not in drawn]
        found[topic.key] = {"verdicts": own, "missing": missing}
    rest = [verdict for verdict in by_name.values() if verdict.judged.beyond]
    return {**found, "rest": {"verdicts": rest, "missing": []}}


def distinct_sweeps(shown: Iterable[Shown]) -> list[Sweep]:
    """Return every experiment once, or once for each set of runs that figures were drawn from."""
    found: dict[tuple[str, str], tuple[Trained, list[str]]] = {}
    for s in shown:
        for trained in s.drawn.experiments:
            key = trained.experiment, trained.run_ids_sha256
            found.setdefault(key, (trained, []))[1].append(s.drawn.figure)
    repeats: Counter[str] = Counter()
    sweeps = []
    for trained, figures in found.values():
        repeats[trained.experiment] += 1
        nth = repeats[trained.experiment]
        anchor = f"run-{trained.experiment}" + (f"-{nth}" if nth > 1 else "")
        sweeps.append(Sweep(trained, tuple(dict.fromkeys(figures)), anchor))
    return sweeps


def basis(shown: Sequence[Shown], sweeps: Sequence[Sweep]) -> dict[str, Any]:
    """Return what the whole page rests on: data, devices, commits, seeds, date, totals."""
    trained = [sweep.trained for sweep in sweeps]

    def distinct(name: str) -> list[Any]:
        return sorted(set(itertools.chain.from_iterable(getattr(t, name) for t in trained)))

    return {
        **{name: distinct(name) for name in ("corpora", "devices", "commits", "seeds")},
        "dirty": any(t.dirty for t in trained),
        "sources": sorted({s.drawn.source for s in shown}),
        "drawn": max(s.drawn.drawn for s in shown),
        "runs": sum(t.runs for t in trained),
        "wall_s": sum(t.wall_s for t in trained),
        "drawing_s": sum(s.drawn.seconds for s in shown),
    }


def body_of(document: str) -> str:
    """Return a document without its ``# title``: the page has a heading of its own."""
    first, _, rest = document.lstrip().partition("\n")
    return rest if first.startswith("# ") else document


def data_uri(picture: bytes) -> Markup:
    """Return a PNG picture as an address that holds it."""
    return Markup("data:image/png;base64," + base64.b64encode(picture).decode())


def slug(words: str) -> str:
    """Return words as a CSS class.

    Example:
        >>> slug("not reproduced")
        'not-reproduced'
    """
    return words.replace(" ", "-")
