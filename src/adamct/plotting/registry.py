"""The figures there are: their names, their files, and the experiments they read.

Looked up without importing a figure, so that a list of them costs no time.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import lru_cache
from pathlib import Path
from types import ModuleType

FIGURES_DIR = Path(__file__).resolve().parents[3] / "figures"


class FigureError(ValueError):
    """A figure is unknown, or its file is not made as figures are."""


def figure_files(folder: Path = FIGURES_DIR) -> dict[str, Path]:
    """Map the short names ("fig3", "figE1") to the files, in the paper's order."""
    files = {}
    for path in sorted(folder.glob("fig[0-9E]*_*.py")):
        label = path.stem.split("_")[0].removeprefix("fig")
        files[f"fig{label.lstrip('0')}"] = path
    return files


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


@lru_cache
def fed_by(experiment: str) -> tuple[str, ...]:
    """Return the labels of the figures that read an experiment, in the paper's order.

    Example:
        >>> fed_by("max_update_normal_curve")
        ('3', '11', '14', 'E3')
    """
    return tuple(
        name.removeprefix("fig")
        for name, path in figure_files().items()
        if experiment in reads(path)
    )


def import_file(path: Path) -> ModuleType:
    """Import a figure's file by its path."""
    spec = importlib.util.spec_from_file_location(re.sub(r"\W", "_", path.stem), path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
