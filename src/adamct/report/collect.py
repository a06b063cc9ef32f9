"""The rendered figures of a folder, read back and checked, with their pictures and tables."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from adamct.plotting.registry import short_name
from adamct.plotting.rendered import Rendered

PNG = b"\x89PNG\r\n\x1a\n"
TIMES = "times.json"


class ReportError(ValueError):
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
    table: tuple[tuple[str, ...], ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture in pixels."""
        width, height = self.picture[16:20], self.picture[20:24]
        return int.from_bytes(width, "big"), int.from_bytes(height, "big")


def read_figures(folder: Path, figures: Iterable[Path], *, scale: str) -> tuple[Shown, ...]:
    """Read what has been drawn at one scale; a figure without a JSON file is left out.

    Args:
        folder: of the pictures.
        figures: the files that draw them.
        scale: smoke, laptop or paper.

    Raises:
        ReportError: if a file is damaged, of another scale or figure, or without its picture.
    """
    shown = []
    for figure in figures:
        path, name = folder / f"{figure.stem}.json", short_name(figure.stem)
        if not path.exists():
            continue
        redraw = f"draw it again with python scripts/plot.py {name} --scale {scale}"
        rendered = _read(path, Rendered, remedy=redraw)
        if (rendered.figure, rendered.scale) != (name, scale):
            raise ReportError(
                f"{path} describes {rendered.figure} at {rendered.scale} scale, expected {name} "
                f"at {scale} scale: {redraw}"
            )
        picture = path.with_suffix(".png")
        content = picture.read_bytes() if picture.exists() else b""
        if not content.startswith(PNG) or len(content) < 24:
            raise ReportError(f"{picture} is missing or no PNG picture: {redraw}")
        shown.append(Shown(rendered, content, _table(path.with_suffix(".csv"))))
    return tuple(shown)


def read_times(folder: Path) -> Times | None:
    """Read the times that ``make`` measured, if it has made several figures."""
    path = folder / TIMES
    remedy = "delete it, or run make all again"
    return _read(path, Times, remedy=remedy) if path.exists() else None


AnyModel = TypeVar("AnyModel", bound=BaseModel)


def _read(path: Path, kind: type[AnyModel], *, remedy: str) -> AnyModel:
    try:
        return kind.model_validate(json.loads(path.read_text("utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ReportError(f"{path}: {where}: {first['msg']}: {remedy}") from error
    except ValueError as error:
        raise ReportError(f"{path} is no JSON file ({error}): {remedy}") from error


def _table(path: Path) -> tuple[tuple[str, ...], ...]:
    if not path.exists():
        return ()
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(tuple(row) for row in csv.reader(file))
