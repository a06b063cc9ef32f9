"""Imports go one way: a module imports only from layers below its own."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "adamct"

# From the bottom to the top. theory is numpy alone, so what the optimizer's guard needs of it does
# not tie the two together.
LAYERS = (
    {"surroundings", "files", "gallery", "lazy", "metrics", "spec", "theory"},
    {"optim", "models", "data", "continuous", "columns"},
    {"monitor", "train"},
    {"store"},
    {"configuration", "cost", "runner", "records"},
    {"cells", "reference"},
    {"selection", "tracking"},
    {"plotting"},
    {"claims", "dashboards"},
    {"report"},
    {"compose"},
    {"drawing", "sweep"},
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def modules():
    return sorted(path for path in SRC.rglob("*.py") if path != SRC / "__init__.py")


def part_of(path):
    return path.relative_to(SRC).with_suffix("").parts[0]


def imported_names(path):
    """Yield the dotted names that a file imports, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            if node.module == "adamct":
                # Parts only: a public name of the package would hide which part it comes from.
                assert {alias.name for alias in node.names} <= set(LEVEL), path
                yield from (f"adamct.{alias.name}" for alias in node.names)


def test_every_part_has_a_layer():
    assert {part_of(path) for path in modules()} == set(LEVEL)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SRC)))
def test_imports_go_down(path):
    part = part_of(path)
    for name in imported_names(path):
        pieces = name.split(".")
        if pieces[0] == "adamct" and len(pieces) > 1 and pieces[1] in LEVEL:
            below = LEVEL[pieces[1]] < LEVEL[part]
            assert below or pieces[1] == part, f"{part} imports {name}, which is not below it"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SRC)))
def test_hydra_is_imported_by_compose_alone(path):
    libraries = {name.split(".")[0] for name in imported_names(path)}
    if libraries & {"hydra", "omegaconf"}:
        assert part_of(path) == "compose"


def test_theory_needs_numpy_alone():
    allowed = {"numpy", "adamct", "__future__", "abc", "collections", "dataclasses", "typing"}
    for path in (SRC / "theory").glob("*.py"):
        assert {name.split(".")[0] for name in imported_names(path)} <= allowed, path
