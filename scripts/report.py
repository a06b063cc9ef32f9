"""Write one self-contained HTML page from the figures that have been drawn at one scale.

    python scripts/report.py
    python scripts/report.py --scale smoke

It reads what scripts/plot.py left in figures/out/<scale>/ and writes report.html beside it. Nothing
is trained or drawn here; what is missing is listed on the page with the command that makes it.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from adamct.report.make import OUT, ROOT, add_scale
from adamct.runs.exits import exit_code

NAMED = ("adamct", "torch", "numpy", "scipy", "pandas", "matplotlib", "hydra-core")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, read, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_scale(parser)
    parser.add_argument(
        "--out", type=Path, default=OUT, help="folder of the pictures, as given to scripts/plot.py"
    )
    arguments = parser.parse_args(argv)
    folder = arguments.out.resolve() / arguments.scale

    return exit_code(lambda: write(folder, arguments.scale))


def write(folder: Path, scale: str) -> int:
    """Read the figures in a folder, and write the page beside them."""
    from adamct import files
    from adamct.plotting.registry import figure_files
    from adamct.report import document, page

    figures = figure_files()
    shown = page.read_figures(folder, figures, scale=scale)
    html = page.render_page(
        shown,
        figures,
        scale=scale,
        ambiguities=document.read_body(ROOT / "docs" / "AMBIGUITIES.md"),
        times=page.read_times(folder),
        versions=versions(),
    )
    target = folder / "report.html"
    files.replace(target, html)
    where = target.relative_to(Path.cwd()) if target.is_relative_to(Path.cwd()) else target
    print(f"{where}: {len(shown)} of {len(figures)} figures, {len(html.encode()) / 1e6:.1f} MB")
    return 0


def versions() -> dict[str, str]:
    """Return what the page is made with; a package that is not installed is left out."""
    found = {
        "Python": platform.python_version(),
        "System": f"{platform.system()} {platform.machine()}",
    }
    for name in NAMED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())
