"""Imports go one way: a package imports only from the floors below its own."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "adamct"

# From the bottom to the top. The first floor stands alone; the library needs numpy and torch at
# most; every later floor of the suite reads those before it.
BELOW = ("files", "environment")
LIBRARY = ("theory", "optim", "continuous", "monitor")
SUITE = (
    *("models", "data", "config", "train", "runs", "records", "analysis", "claims"),
    *("plotting", "tracking", "report"),
)
FLOORS = (*BELOW, *LIBRARY, *SUITE)
FLOOR = {name: height for height, name in enumerate(FLOORS)}


def modules():
    return sorted(path for path in SRC.rglob("*.py") if path != SRC / "__init__.py")


def part_of(path):
    return path.relative_to(SRC).with_suffix("").parts[0]


def imported_names(path):
    """Yield the dotted names that a file imports, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module != "adamct":
                yield node.module
            else:
                # Parts only: a public name of the package would hide which part it comes from.
                assert {alias.name for alias in node.names} <= set(FLOOR), path
                yield from (f"adamct.{alias.name}" for alias in node.names)


def libraries(path):
    return {name.split(".")[0] for name in imported_names(path)}


def test_every_part_has_a_floor():
    assert {part_of(path) for path in modules()} == set(FLOOR)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SRC)))
def test_imports_go_down(path):
    part = part_of(path)
    for name in imported_names(path):
        if name.startswith("adamct."):
            other = name.split(".")[1]
            assert other == part or FLOOR[other] < FLOOR[part], f"{part} imports {name}, above it"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SRC)))
def test_hydra_is_imported_by_compose_alone(path):
    if libraries(path) & {"hydra", "omegaconf"}:
        assert path.relative_to(SRC) == Path("config/compose.py")


def test_no_two_modules_of_a_package_import_each_other():
    edges = {
        path.relative_to(SRC).with_suffix("").as_posix().replace("/", "."): {
            name.removeprefix("adamct.") for name in imported_names(path)
        }
        for path in modules()
        if path.name != "__init__.py"
    }
    for name, others in edges.items():
        mutual = [other for other in others if name in edges.get(other, ())]
        assert not mutual, f"{name} and {mutual[0]} import each other"


def test_the_library_needs_numpy_and_torch_alone():
    foreign = {"pydantic", "pandas", "scipy", "matplotlib", "hydra", "omegaconf", "wandb", "tqdm"}
    for part in LIBRARY:
        for path in (SRC / part).glob("*.py"):
            assert not libraries(path) & foreign, path
    for path in (SRC / "theory").glob("*.py"):
        assert "torch" not in libraries(path), path
