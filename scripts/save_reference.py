"""Save the records, pictures and verdicts of finished runs in the repository, as reference.

    python scripts/save_reference.py                          # all that the figures read
    python scripts/save_reference.py kadam_c4 --scale laptop

The runs must be those of the commit that is checked out, with nothing edited.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from adamct.plotting.registry import figure_files, reads
from adamct.report.make import ROOT, add_scale
from adamct.runs.exits import complain, exit_code

REFERENCE = "figures/reference"
LIMIT_MB = 12.0  # of one scale's tables


def main() -> int:
    """Parse the command line, check, save, draw, report sizes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT")
    add_scale(parser)
    parser.add_argument("--out", type=Path, default=ROOT / REFERENCE, help="folder of the scales")
    mixed = "take runs of several commits, of another than is checked out, or of edited code"
    parser.add_argument("--allow-mixed", action="store_true", help=mixed)
    arguments = parser.parse_args()
    arguments.out = arguments.out.resolve()
    os.chdir(ROOT)
    return exit_code(lambda: save_all(arguments))


def save_all(arguments: argparse.Namespace) -> int:
    """Read every experiment before the first is saved."""
    from adamct import records
    from adamct.config.compose import compose_sweep
    from adamct.records import archive
    from adamct.runs.store import processes_of

    folder = arguments.out / arguments.scale
    shown = [experiment for path in figure_files().values() for experiment in reads(path)]
    found = {}
    for experiment in arguments.experiments or dict.fromkeys(shown):
        sweep = compose_sweep([f"experiment={experiment}", f"scale={arguments.scale}"])
        own = records.load(sweep)
        # Of every process that worked on a run: one that was resumed has several.
        made = processes_of(sweep)
        commits, edited = {e["commit"] for e in made}, any(e["dirty"] for e in made)
        if not arguments.allow_mixed and (reason := mixed(commits, edited)):
            complain(
                f"{experiment}: {reason}; train it anew from a clean checkout, or say --allow-mixed"
            )
            return 1
        found[experiment] = sweep, own
    for experiment, (sweep, own) in found.items():
        entry = archive.save(sweep, own, folder)
        n_bytes = sum(file["bytes"] for file in entry["files"].values())
        print(f"{experiment:<34}{entry['runs']:5} runs{entry['steps']:8} steps{n_bytes:9} bytes")
    show(arguments.scale, arguments.out)
    total = sum(path.stat().st_size for path in folder.glob("*.parquet"))
    pictures = sum(path.stat().st_size for path in folder.glob("*.png"))
    print(f"{folder}: tables {total / 1e6:.2f} MB, pictures {pictures / 1e6:.2f} MB")
    if total > LIMIT_MB * 1e6:
        complain(
            f"the tables exceed {LIMIT_MB} MB; name what no figure reads in the experiments' "
            "reference_omits, in conf/experiment/"
        )
        return 1
    return 0


def mixed(commits: set[str | None], edited: bool) -> str | None:
    """Say why runs are not all of the commit that is checked out; ``None`` if they are."""
    from adamct import environment

    here = Path.cwd()
    head = environment.commit(here)
    if None in commits:
        return "some runs were made outside git"
    if head is None:
        return "this is no checkout"
    if environment.is_edited(here, leaving_out=REFERENCE):
        return "this checkout has been edited"
    if edited:
        return "some runs are of edited code"
    if commits != {head}:
        names = ", ".join(sorted(str(commit)[:9] for commit in commits))
        return f"the runs are of {names}, but {head[:9]} is checked out"
    return None


def show(scale: str, folder: Path) -> None:
    """Draw the figures whose records are all there, in moderate size, and write the verdicts."""
    from adamct import files
    from adamct.plotting.render import draw_picture
    from adamct.plotting.source import judge_all, reference_source
    from adamct.report.summary import documents

    source = reference_source(scale, folder)
    for name, path in figure_files().items():
        if source.holds(reads(path)):
            draw_picture(name, source, folder / scale / f"{path.stem}.png")
    for name, text in documents(judge_all(source), scale).items():
        files.replace(folder / scale / name, text)


if __name__ == "__main__":
    sys.exit(main())
