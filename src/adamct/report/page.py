"""The page: what was drawn at one scale, read back and checked, as one HTML file."""

from __future__ import annotations

import base64
import csv
import io
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict, ValidationError

from adamct.claims import CLAIMS
from adamct.claims.verdict import KINDS
from adamct.files import ExpectedError
from adamct.plotting import registry
from adamct.plotting.rendered import ExperimentRuns, Rendered
from adamct.report import format
from adamct.report.summary import TOPICS

PNG = b"\x89PNG\r\n\x1a\n"
TIMES = "times.json"
FILTERS = (
    *(format.cell, format.count, format.counts, format.duration, format.formula, format.integers),
    *(format.label, format.tally, format.where),
    *(registry.capital, registry.short_name, registry.title),
)


class ReportError(ExpectedError):
    """A file that the report reads is missing or foreign; the message has the remedy."""


class Times(BaseModel):
    """What the last ``make`` of several figures took, in seconds; ``times.json`` holds it.

    Attributes:
        figures: by their short names, in the order in which they were made.
        report: what writing the page took, if it was written.
        commit: of the checkout.
        cores: that were free to use.
    """

    model_config = ConfigDict(frozen=True)

    records: Literal["runs", "reference"]
    figures: dict[str, float]
    total: float
    report: float | None = None
    commit: str | None = None
    cores: int | None = None


@dataclass(frozen=True)
class Shown:
    """A figure on the page.

    Attributes:
        rendered: what its JSON file says.
        picture: the PNG file.
        table: the rows of its CSV file, the header first; empty if it has none.
    """

    rendered: Rendered
    picture: bytes
    table: Sequence[Sequence[str]] = ()

    @property
    def size(self) -> tuple[int, ...]:
        """Width and height of the picture in pixels."""
        return struct.unpack(">II", self.picture[16:24])

    @property
    def address(self) -> Markup:
        """The address that holds the picture itself."""
        return Markup("data:image/png;base64," + base64.b64encode(self.picture).decode())


def read_figures(folder: Path, figures: Mapping[str, Path], *, scale: str) -> list[Shown]:
    """Read what has been drawn at one scale; a figure without a JSON file is left out.

    Args:
        folder: of the pictures.
        figures: the files that draw them, by their short names.
        scale: smoke, laptop or paper.

    Raises:
        ReportError: if a file is damaged, of another scale or figure, or without its picture.
    """
    shown = []
    for name, figure in figures.items():
        path = folder / f"{figure.stem}.json"
        if not path.exists():
            continue
        redraw = f"draw it again with python scripts/plot.py {name} --scale {scale}"
        rendered = _read(path, Rendered, remedy=redraw)
        if (rendered.figure, rendered.scale) != (name, scale):
            raise ReportError(
                f"{path} describes {rendered.figure} at {rendered.scale} scale, expected {name} "
                f"at {scale} scale: {redraw}"
            )
        picture, table = path.with_suffix(".png"), path.with_suffix(".csv")
        content = picture.read_bytes() if picture.exists() else b""
        if not content.startswith(PNG) or len(content) < 24:
            raise ReportError(f"{picture} is missing or no PNG picture: {redraw}")
        rows = table.read_text("utf-8") if table.exists() else ""
        shown.append(Shown(rendered, content, list(csv.reader(io.StringIO(rows)))))
    return shown


def read_times(folder: Path) -> Times | None:
    """Read the times that ``make`` measured, if it has made several figures."""
    path = folder / TIMES
    return _read(path, Times, remedy="delete it, or run make all again") if path.exists() else None


AnyModel = TypeVar("AnyModel", bound=BaseModel)


def _read(path: Path, kind: type[AnyModel], *, remedy: str) -> AnyModel:
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "as a whole"
        raise ReportError(f"{path}: {where}: {first['msg']}: {remedy}") from error


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
    make = partial(format.make_command, scale=scale)
    if not shown:
        raise ReportError(
            f"no figure has been drawn at {scale} scale; {make('fig3')} trains and draws one"
        )
    environment = Environment(
        loader=PackageLoader("adamct.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {function.__name__: function for function in FILTERS}
    shown_by = {claim.name: registry.short_name(claim.figure) for claim in CLAIMS}
    environment.filters |= {"shown_by": shown_by.__getitem__, "kind": KINDS.__getitem__}
    pairs = [(s.rendered, verdict) for s in shown for verdict in s.rendered.verdicts]
    # First those of the figure that counts them: another that shows one adds nothing to a tally.
    pairs.sort(key=lambda pair: bool(pair[0].counted_elsewhere(pair[1])))
    listed = list_runs(s.rendered for s in shown)
    return environment.get_template("report.html.jinja").render(
        scale=scale,
        shown=shown,
        figures=figures,
        drawn=[s.rendered.figure for s in shown],
        verdicts={verdict.name: verdict for _, verdict in pairs},
        home={verdict.name: figure.figure for figure, verdict in reversed(pairs)},
        groups=format.grouped([v for figure, v in pairs if not figure.counted_elsewhere(v)]),
        topics=TOPICS,
        listed=listed,
        basis={
            name: sorted({value for runs, _ in listed for value in getattr(runs, name)})
            for name in ("corpora", "devices", "commits", "seeds")
        },
        ambiguities=ambiguities,
        times=times,
        versions=versions,
        make=make,
    )


def list_runs(figures: Iterable[Rendered]) -> list[tuple[ExperimentRuns, list[str]]]:
    """Return every experiment with the figures that were drawn from the very same runs of it."""
    found: dict[tuple[str, str], tuple[ExperimentRuns, list[str]]] = {}
    for figure in figures:
        for runs in figure.experiments:
            key = runs.experiment, runs.run_ids_sha256
            found.setdefault(key, (runs, []))[1].append(figure.figure)
    return list(found.values())
