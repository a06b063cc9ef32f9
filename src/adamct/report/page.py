"""The page: what was drawn at one scale, through the template, as one HTML file."""

from __future__ import annotations

import base64
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from adamct.plotting import registry
from adamct.plotting.rendered import ExperimentRuns
from adamct.report import format, summary, topics
from adamct.report.collect import ReportError, Shown, Times

FILTERS = (
    *(format.capital, format.cell, format.count, format.duration, format.formula),
    *(format.integers, format.interval, format.label, format.number),
    *(registry.bare_title, registry.short_name, registry.title, summary.counts, summary.where),
)
SCALE_NOTES = {
    "smoke": "Smoke scale takes seconds and proves that the path from configuration to verdict "
    "works. Its runs are far too short to judge a claim: the verdicts mean nothing.",
    "laptop": "Laptop scale takes about an hour on two CPU cores, on data that comes with Python "
    "and its packages: Python's reference manual, and for Figures 6 and 15 scikit-learn's 8 × 8 "
    "digits. The models are small: a verdict is about these runs, not about those of the paper.",
    "paper": "Paper scale follows the paper's Appendix H, on C4, on CIFAR-10 and on GPUs, with the "
    "choices listed below where it leaves something open.",
}


@dataclass(frozen=True)
class Listed:
    """One experiment's runs, and the figures that were drawn from these very runs."""

    runs: ExperimentRuns
    figures: tuple[str, ...]
    anchor: str


def render_page(
    shown: Sequence[Shown],
    figures: Mapping[str, Path],
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
        figures: all that there are; what is missing is listed with its command.
        scale: smoke, laptop or paper.
        ambiguities: what the paper leaves open, of :func:`adamct.report.document.read_body`.
        times: what the last ``make`` of several figures took, if there was one.
        versions: what the page was made with, name → version.

    Returns:
        One HTML page that needs no other file.

    Raises:
        ReportError: if there is nothing to show.
    """
    if not shown:
        raise ReportError(
            f"no figure has been drawn at {scale} scale; {format.make_command('fig3', scale)} "
            "trains and draws one"
        )
    verdicts = [verdict for s in shown for verdict in s.rendered.verdicts]
    names = {s.rendered.figure for s in shown}
    environment = Environment(
        loader=PackageLoader("adamct.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {function.__name__: function for function in FILTERS}
    environment.filters |= {"data_uri": data_uri, "slug": slug}
    listed = list_runs(shown)
    return environment.get_template("report.html.jinja").render(
        scale=scale,
        scale_note=SCALE_NOTES[scale],
        shown=shown,
        missing={name: path for name, path in figures.items() if name not in names},
        groups=summary.grouped(verdicts),
        evidence=topics.evidence(verdicts, names),
        listed=listed,
        anchors={(one.runs.experiment, one.runs.run_ids_sha256): one.anchor for one in listed},
        basis=basis(shown, listed),
        tally=summary.tally(verdicts),
        ambiguities=ambiguities,
        times=times,
        versions=versions,
        make=lambda name: format.make_command(name, scale),
    )


def list_runs(shown: Iterable[Shown]) -> list[Listed]:
    """Return every experiment once, or once for each set of runs that figures were drawn from."""
    found: dict[tuple[str, str], tuple[ExperimentRuns, list[str]]] = {}
    for s in shown:
        for runs in s.rendered.experiments:
            key = runs.experiment, runs.run_ids_sha256
            found.setdefault(key, (runs, []))[1].append(s.rendered.figure)
    repeats: Counter[str] = Counter()
    listed = []
    for runs, figures in found.values():
        repeats[runs.experiment] += 1
        nth = repeats[runs.experiment]
        anchor = f"run-{runs.experiment}" + (f"-{nth}" if nth > 1 else "")
        listed.append(Listed(runs, tuple(dict.fromkeys(figures)), anchor))
    return listed


def basis(shown: Sequence[Shown], listed: Sequence[Listed]) -> dict[str, Any]:
    """Return what the whole page rests on: data, devices, commits, seeds, date, totals."""
    runs = [one.runs for one in listed]

    def distinct(name: str) -> list[Any]:
        return sorted(set(itertools.chain.from_iterable(getattr(of, name) for of in runs)))

    return {
        **{name: distinct(name) for name in ("corpora", "devices", "commits", "seeds")},
        "dirty": any(of.dirty for of in runs),
        "sources": sorted({s.rendered.source for s in shown}),
        "drawn": max(s.rendered.drawn for s in shown),
        "runs": sum(of.runs for of in runs),
        "wall_s": sum(of.wall_s for of in runs),
        "drawing_s": sum(s.rendered.seconds for s in shown),
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
