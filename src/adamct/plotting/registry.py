"""The figures there are: their names, their files, their titles, the experiments they read.

A figure's file ``figures/fig03_max_update.py`` is looked at without importing it, so that a list of
figures costs no time. On the command line it is ``fig3``, in print Figure 3.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from adamct.files import ExpectedError

FIGURES_DIR = Path(__file__).resolve().parents[3] / "figures"


class FigureError(ExpectedError):
    """A figure is unknown, or its file is not made as figures are."""


def short_name(stem: str) -> str:
    """Return the name on the command line, of a file's stem or of a claim's figure.

    Example:
        >>> short_name("fig03_max_update"), short_name("fig16"), short_name("figE1_instability")
        ('fig3', 'fig16', 'figE1')
    """
    return stem.partition("_")[0].replace("fig0", "fig")


def figure_number(name: str) -> str:
    """Return a figure's number in print.

    Example:
        >>> figure_number("fig3"), figure_number("fig03_max_update"), figure_number("figE1")
        ('3', '3', 'E1')
    """
    return short_name(name).removeprefix("fig")


def figure_files(folder: Path = FIGURES_DIR) -> dict[str, Path]:
    """Map the short names ("fig3", "figE1") to the files, in the paper's order."""
    return {short_name(path.stem): path for path in sorted(folder.glob("fig[0-9E]*_*.py"))}


def chosen(names: list[str]) -> dict[str, Path]:
    """Return the files of some figures.

    Raises:
        FigureError: if there is none of a name.
    """
    files = figure_files()
    if unknown := [name for name in names if name not in files]:
        raise FigureError(f"unknown figure {unknown[0]!r}; there are {', '.join(files)}")
    return {name: files[name] for name in names}


def reads(path: Path) -> tuple[str, ...]:
    """Return the experiments that a figure reads.

    Raises:
        FigureError: if its file does not say.
    """
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "READS":
            return tuple(ast.literal_eval(node.value))
    raise FigureError(f"{path.name} has no line READS = (…), the experiments it reads")


def title(path: Path) -> str:
    """Return what a figure shows: the first line of its file, without number and full stop."""
    first = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n")[0]
    return capital(re.sub(r"^Figure \w+: ", "", first).removesuffix("."))


def capital(text: str) -> str:
    """Return a text with a capital where it starts with a Latin letter.

    Example:
        >>> capital("beyond the paper"), capital("η falls")
        ('Beyond the paper', 'η falls')
    """
    return text[:1].upper() + text[1:] if text[:1].isascii() else text


@lru_cache
def fed_by(experiment: str) -> tuple[str, ...]:
    """Return the numbers of the figures that read an experiment, in the paper's order.

    Example:
        >>> fed_by("max_update_normal_curve")
        ('3', '11', 'E3')
    """
    return tuple(
        figure_number(name) for name, path in figure_files().items() if experiment in reads(path)
    )


def import_file(path: Path) -> ModuleType:
    """Import a figure's file by its path."""
    spec = importlib.util.spec_from_file_location(re.sub(r"\W", "_", path.stem), path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
