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
from typing import TYPE_CHECKING

from adamct.plotting.registry import figure_files, reads

if TYPE_CHECKING:
    from adamct.plotting.render import Source

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = "figures/reference"
VERDICTS = "verdicts.md"
LIMIT_MB = 5.0  # of one scale's tables


def main() -> int:
    """Parse the command line, check, save, draw, report sizes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT")
    parser.add_argument("--scale", choices=("smoke", "laptop", "paper"), default="laptop")
    parser.add_argument("--out", type=Path, default=ROOT / REFERENCE, help="folder of the scales")
    parser.add_argument(
        "--allow-mixed",
        action="store_true",
        help="take runs of several commits, of another than is checked out, or of edited code",
    )
    arguments = parser.parse_args()
    folder = arguments.out.resolve() / arguments.scale
    os.chdir(ROOT)
    from adamct.runs.sweep import EXPECTED

    try:
        return save_all(arguments, folder)
    except EXPECTED as error:
        return complain(str(error))


def save_all(arguments: argparse.Namespace, folder: Path) -> int:
    """Read every experiment before the first is saved."""
    from adamct import records
    from adamct.config.compose import compose_sweep
    from adamct.records import archive as reference
    from adamct.runs.store import RunFolder

    shown = [experiment for path in figure_files().values() for experiment in reads(path)]
    found = {}
    for experiment in arguments.experiments or dict.fromkeys(shown):
        sweep = compose_sweep([f"experiment={experiment}", f"scale={arguments.scale}"])
        own = records.load(sweep)
        # Of every process that worked on a run: one that was resumed has several.
        made = [
            entry
            for spec in sweep.runs.values()
            for entry in RunFolder.of(spec, sweep.runs_dir).environments()
        ]
        commits, edited = {e["commit"] for e in made}, any(e["dirty"] for e in made)
        if not arguments.allow_mixed and (reason := mixed(commits, edited)):
            return complain(
                f"{experiment}: {reason}; train it anew from a clean checkout, or say --allow-mixed"
            )
        found[experiment] = sweep, own
    for experiment, (sweep, own) in found.items():
        entry = reference.save(sweep, own, folder)
        n_bytes = sum(file["bytes"] for file in entry["files"].values())
        print(f"{experiment:<34}{entry['runs']:5} runs{entry['steps']:8} steps{n_bytes:9} bytes")
    show(arguments.scale, folder)
    total = sum(path.stat().st_size for path in folder.glob("*.parquet"))
    pictures = sum(path.stat().st_size for path in folder.glob("*.png"))
    print(f"{folder}: tables {total / 1e6:.2f} MB, pictures {pictures / 1e6:.2f} MB")
    if total > LIMIT_MB * 1e6:
        return complain(
            f"the tables exceed {LIMIT_MB} MB; leave out what no figure reads: ONLY_IN in "
            "src/adamct/records/archive.py"
        )
    return 0


def complain(message: str) -> int:
    """Say what is wrong; return the exit code."""
    print(f"error: {message}", file=sys.stderr)
    return 1


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
    from adamct.plotting.render import Source, draw_picture

    source = Source(scale, reference=folder)
    there = saved(source)
    for name, path in figure_files().items():
        if there.issuperset(reads(path)):
            draw_picture(name, source, folder / f"{path.stem}.png")
    files.replace(folder / VERDICTS, verdicts(source))


def verdicts(source: Source) -> str:
    """Return the verdicts on all claims whose records are there, figure by figure."""
    from adamct import records
    from adamct.claims import CLAIMS, judge
    from adamct.report.verdicts import to_markdown

    there = saved(source)
    judged = [
        judge(claim, records.join([source.read(experiment) for experiment in claim.reads]))
        for claim in sorted(CLAIMS, key=lambda claim: claim.figure)
        if there.issuperset(claim.reads)
    ]
    return to_markdown(judged, source.scale)


def saved(source: Source) -> set[str]:
    """Return the experiments of which there is a reference."""
    from adamct.records import archive as reference

    assert source.reference is not None
    return set(reference.read_provenance(source.reference))


if __name__ == "__main__":
    sys.exit(main())
