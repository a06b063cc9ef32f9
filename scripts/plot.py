"""Draw figures from finished runs, and print the verdict of every claim that they show.

    python scripts/plot.py fig3 fig11
    python scripts/plot.py fig3 --scale smoke seed=1

Nothing is trained here; a missing run is reported with the command that trains it.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "figures"
SCALES = ("smoke", "laptop", "paper")


def figure_files() -> dict[str, Path]:
    """Map the short names ("fig3", "figE1") to the files, in the paper's order."""
    files = {}
    for path in sorted(FIGURES.glob("fig[0-9E]*_*.py")):
        label = path.stem.split("_")[0].removeprefix("fig")
        files[f"fig{label.lstrip('0')}"] = path
    return files


def reads(path: Path) -> tuple[str, ...]:
    """Return the experiments that a figure reads, without importing it."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "READS":
            return tuple(ast.literal_eval(node.value))
    raise SystemExit(f"error: {path.name} has no line READS = (…), the experiments it reads")


def main() -> int:
    """Parse the command line, draw, print verdicts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument(
        "words", nargs="*", metavar="figN", help="figures, and Hydra overrides such as seed=1"
    )
    parser.add_argument("--scale", choices=SCALES, default="laptop")
    parser.add_argument("--out", type=Path, default=FIGURES / "out", help="folder of the pictures")
    parser.add_argument("--reads", action="store_true", help="print the experiments they read")
    parser.add_argument("--list", action="store_true", help="print the figures there are")
    arguments = parser.parse_intermixed_args()
    names = [word for word in arguments.words if "=" not in word]
    overrides = [word for word in arguments.words if "=" in word]
    files = figure_files()
    if arguments.list:
        print(" ".join(files))
        return 0
    if unknown := [name for name in names if name not in files]:
        parser.error(f"unknown figure {unknown[0]!r}; there are {', '.join(files)}")
    if not names:
        parser.error(f"name at least one figure; there are {', '.join(files)}")
    if arguments.reads:
        print(" ".join(dict.fromkeys(e for name in names for e in reads(files[name]))))
        return 0
    out = arguments.out.resolve()
    os.chdir(ROOT)  # relative paths, of runs and of prepared data, are the project's
    for name in names:
        draw(name, files[name], arguments.scale, overrides, out)
    return 0


def draw(name: str, path: Path, scale: str, overrides: list[str], out: Path) -> None:
    """Draw one figure and judge its claims."""
    import matplotlib as mpl

    mpl.use("Agg")
    from adamct import records as store_records
    from adamct.claims import CLAIMS, judge
    from adamct.compose import compose_cells
    from adamct.plotting.style import save, style
    from adamct.sweep import EXPECTED

    try:
        records = store_records.join(
            [
                store_records.load(
                    compose_cells([f"experiment={experiment}", f"scale={scale}", *overrides])
                )
                for experiment in reads(path)
            ]
        )
    except EXPECTED as error:
        raise SystemExit(f"error: {error}") from error
    module = import_file(path)
    with style():
        pictures = save(module.draw(records), out / scale / path.stem)
    if hasattr(module, "table"):  # the numbers behind the points, where a picture cannot name them
        pictures.append(out / scale / f"{path.stem}.csv")
        module.table(records).to_csv(pictures[-1], index=False)
    print(f"{name}: {', '.join(str(shown(picture)) for picture in pictures)}")
    verdicts = [
        judge(claim, records) for claim in CLAIMS if claim.figure == path.stem.split("_")[0]
    ]
    for verdict in verdicts:
        print(verdict.as_text())
    target = out / scale / f"{path.stem}.verdicts.json"
    target.write_text(json.dumps([v.as_dict() for v in verdicts], indent=1) + "\n")


def import_file(path: Path) -> ModuleType:
    """Import a figure's file by its path."""
    spec = importlib.util.spec_from_file_location(re.sub(r"\W", "_", path.stem), path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shown(path: Path) -> Path:
    """Return a path as a reader would type it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    sys.exit(main())
