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

from adamct.report import topics, wording
from adamct.report.contents import Known, Shown, Status, Times, Trained, bare_title
from adamct.report.topics import Verdict

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
    "laptop": "Laptop scale takes about an hour on two CPU cores, on data that comes with Python "
    "and its packages: Python's reference manual, and for Figures 6 and 15 scikit-learn's 8 × 8 "
    "digits. The models are small: a verdict is about these runs, not about those of the paper.",
    "paper": "Paper scale follows the paper's Appendix H, on C4, on CIFAR-10 and on GPUs, with the "
    "choices listed below where it leaves something open.",
}


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
    ambiguities: Markup,
    times: Times | None = None,
    versions: Mapping[str, str],
) -> str:
    """Return the report.

    It is a function of its arguments alone: the same figures give the same bytes.

    Args:
        shown: the figures that have been drawn.
        known: all figures that there are; what is missing is listed with its command.
        scale: smoke, laptop or paper.
        ambiguities: what the paper leaves open, of :func:`adamct.report.markdown.read_body`.
        times: what the last ``make`` of several figures took, if there was one.
        versions: what the page was made with, name → version.

    Returns:
        One HTML page that needs no other file.

    Raises:
        ValueError: if there is nothing to show.
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
        evidence=topics.evidence(verdicts, names),
        sweeps=sweeps,
        anchors={
            (sweep.trained.experiment, sweep.trained.run_ids_sha256): sweep.anchor
            for sweep in sweeps
        },
        basis=basis(shown, sweeps),
        tally=tally(verdicts),
        ambiguities=ambiguities,
        times=times,
        versions=versions,
        make=lambda name: wording.make_command(name, scale),
    )


def grouped(verdicts: Iterable[Verdict]) -> list[tuple[str, str, list[Verdict], dict[Status, int]]]:
    """Return (key, heading, verdicts, tally): the paper's claims first, each in figures' order."""
    paper: list[Verdict] = []
    beyond: list[Verdict] = []
    for verdict in verdicts:
        (beyond if verdict.judged.beyond else paper).append(verdict)
    headings = (("paper", "The paper’s claims", paper), ("beyond", "Beyond the paper", beyond))
    return [(key, words, group, tally(group)) for key, words, group in headings if group]


def tally(verdicts: Iterable[Verdict]) -> dict[Status, int]:
    """Return how many verdicts there are of each kind."""
    counts = Counter(verdict.judged.status for verdict in verdicts)
    return {status: counts[status] for status in STATUSES}


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
