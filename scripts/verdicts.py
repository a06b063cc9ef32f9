"""Write the verdicts and the README's numbers from the reference records; nothing is trained.

python scripts/verdicts.py             # verdicts.md, verdicts.json and README.md
python scripts/verdicts.py --check     # fails where they are of other claims or records
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCALE = "laptop"


def main() -> int:
    """Parse the command line; write, or compare."""
    from adamct.runs.exits import exit_code

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; compare")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    return exit_code(lambda: check() if arguments.check else write())


def texts() -> dict[Path, str]:
    """Return what the files should say."""
    from adamct.plotting.registry import figure_files
    from adamct.plotting.source import judge_all, reference_source
    from adamct.records.archive import read_provenance
    from adamct.report import summary

    source = reference_source(SCALE)
    assert source.reference is not None
    verdicts = judge_all(source)
    blocks = summary.blocks(verdicts, read_provenance(source.reference), figure_files())
    path = ROOT / "README.md"
    documents = summary.documents(verdicts, SCALE)
    return {
        **{source.reference / name: text for name, text in documents.items()},
        path: summary.fill(path.read_text("utf-8"), blocks),
    }


def write() -> int:
    """Write the files."""
    from adamct import files

    for path, text in texts().items():
        files.replace(path, text)
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


def check() -> int:
    """Compare the files with what they should say."""
    from adamct.report.summary import differs
    from adamct.runs.exits import complain

    stale = [
        path
        for path, text in texts().items()
        if not path.exists() or differs(path.read_text("utf-8"), text)
    ]
    for path in stale:
        complain(f"{path.relative_to(ROOT)} is stale: make verdicts")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
