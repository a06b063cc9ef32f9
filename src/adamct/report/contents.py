"""What a drawn figure leaves behind: its picture, its numbers, and a JSON file that explains it."""

from __future__ import annotations

import ast
import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from adamct.plotting.registry import figure_files
from adamct.report.wording import capital

Status = Literal["reproduced", "not reproduced", "inconclusive"]
BEYOND = "beyond the paper"
PNG = b"\x89PNG\r\n\x1a\n"


class ReportError(ValueError):
    """A file that the report reads is missing or foreign; the message has the remedy."""


class Contents(BaseModel):
    """Values of a JSON file; keys that the report has no use for are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Judged(Contents):
    """One claim and its verdict, as :class:`adamct.claims.Verdict` is written."""

    name: str = Field(pattern=r"^[\w-]+$")
    reference: str
    statement: str
    criterion: str
    status: Status
    statistic: float | None
    interval: tuple[float, float] | None
    n: int
    detail: str

    @property
    def beyond(self) -> bool:
        """Whether the paper does not make this claim."""
        return self.reference.startswith(BEYOND)

    @property
    def where(self) -> str:
        """The reference, under a heading that says already what is beyond the paper."""
        return self.reference.removeprefix(BEYOND).lstrip(":, ") if self.beyond else self.reference


class Trained(Contents):
    """One experiment that a figure reads, and the runs behind it."""

    experiment: str = Field(pattern=r"^\w+$")
    question: str
    command: str
    points: int
    runs: int
    seeds: tuple[int, ...]
    n_steps: tuple[int, ...]
    settings: dict[str, str]
    corpora: tuple[str, ...]
    data_sha256: tuple[str, ...]
    commits: tuple[str, ...]
    dirty: bool
    devices: tuple[str, ...]
    statuses: dict[str, int]
    wall_s: float
    run_ids_sha256: str


class Drawn(Contents):
    """One figure at one scale, as ``<stem>.json`` describes it."""

    figure: str = Field(pattern=r"^figE?\d+$")
    stem: str = Field(pattern=r"^\w+$")
    title: str
    caption: str
    alt: str = Field(min_length=1)
    scale: str
    source: Literal["runs", "reference"]
    drawn: AwareDatetime
    seconds: float
    verdicts: tuple[Judged, ...]
    experiments: tuple[Trained, ...]


class Times(Contents):
    """What the last ``make`` of several figures took, as ``times.json`` says."""

    records: Literal["runs", "reference"]
    figures: dict[str, float]
    total: float
    commit: str | None = None
    cores: int | None = None


@dataclass(frozen=True)
class Known:
    """A figure that the project can draw.

    Attributes:
        name: as make knows it, ``"fig3"``.
        stem: of its files, ``"fig03_max_update"``.
        title: what it shows.
    """

    name: str
    stem: str
    title: str


@dataclass(frozen=True)
class Shown:
    """A figure that has been drawn.

    Attributes:
        drawn: what its JSON file says.
        picture: the PNG file.
        table: the rows of its CSV file, the header first; empty if it has none.
    """

    drawn: Drawn
    picture: bytes
    table: tuple[tuple[str, ...], ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture in pixels."""
        return int.from_bytes(self.picture[16:20], "big"), int.from_bytes(
            self.picture[20:24], "big"
        )


def known_figures(folder: Path) -> tuple[Known, ...]:
    """Return the figures whose scripts lie in a folder, in the paper's order.

    Only the first line of each is read, nothing is imported.
    """
    known = []
    for name, path in figure_files(folder).items():
        first = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n")[0]
        known.append(Known(name, path.stem, bare_title(first)))
    return tuple(known)


def bare_title(title: str) -> str:
    """Return a title without ``Figure 3:`` and the full stop, and with a capital.

    Example:
        >>> bare_title("Figure E2: growth against γ.")
        'Growth against γ'
    """
    head, colon, rest = title.partition(": ")
    title = rest if colon and head.startswith("Figure ") else title
    return capital(title).removesuffix(".")


def read_figures(folder: Path, known: Iterable[Known], *, scale: str) -> tuple[Shown, ...]:
    """Read what has been drawn at one scale; a figure without a JSON file is left out.

    Raises:
        ReportError: if a file is damaged, of another scale or figure, or without its picture.
    """
    shown = []
    for figure in known:
        path = folder / f"{figure.stem}.json"
        if not path.exists():
            continue
        drawn = _read(path, Drawn, remedy=_redraw(figure.name, scale))
        if (drawn.figure, drawn.scale) != (figure.name, scale):
            raise ReportError(
                f"{path} describes {drawn.figure} at {drawn.scale} scale, expected {figure.name} "
                f"at {scale} scale: {_redraw(figure.name, scale)}"
            )
        shown.append(
            Shown(drawn, _picture(path.with_suffix(".png"), figure.name, scale), _table(path))
        )
    return tuple(shown)


def read_times(folder: Path) -> Times | None:
    """Read the times that ``make`` measured, if it has made several figures."""
    path = folder / "times.json"
    remedy = "delete it, or run make all again"
    return _read(path, Times, remedy=remedy) if path.exists() else None


AnyContents = TypeVar("AnyContents", bound=Contents)


def _read(path: Path, kind: type[AnyContents], *, remedy: str) -> AnyContents:
    try:
        return kind.model_validate(json.loads(path.read_text("utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ReportError(f"{path}: {where}: {first['msg']}: {remedy}") from error
    except ValueError as error:
        raise ReportError(f"{path} is no JSON file ({error}): {remedy}") from error


def _picture(path: Path, name: str, scale: str) -> bytes:
    picture = path.read_bytes() if path.exists() else b""
    if not picture.startswith(PNG) or len(picture) < 24:
        raise ReportError(f"{path} is missing or no PNG picture: {_redraw(name, scale)}")
    return picture


def _table(path: Path) -> tuple[tuple[str, ...], ...]:
    path = path.with_suffix(".csv")
    if not path.exists():
        return ()
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(tuple(row) for row in csv.reader(file))


def _redraw(name: str, scale: str) -> str:
    return f"draw it again with python scripts/plot.py {name} --scale {scale}"
