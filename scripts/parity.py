"""Compare a precision with float32: what each claim of some figures comes to in both.

    python scripts/run.py -m experiment=max_update_normal_curve seed=10,11,12
    python scripts/run.py -m experiment=max_update_normal_curve seed=10 precision=bfloat16
    python scripts/parity.py fig3                 # bfloat16 against float32, laptop scale

The paths of single runs are chaotic, so statistics of single seeds are compared. They agree where
that of the other precision lies no further outside the range of the float32 seeds than that range
is wide. Exit code 1 where one does not. Nothing is trained.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from adamct.plotting.registry import chosen, short_name
from adamct.report.make import ROOT, add_scale
from adamct.runs.exits import exit_code

if TYPE_CHECKING:
    from adamct.claims import Claim, Verdict

FIRST = 10  # the first seed on which claims are judged
ROW = "{:46s} {:>12s} {:>12s} {:>12s}  {}"


def main() -> int:
    """Parse the command line, compare, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="+", metavar="figN", help="and Hydra overrides")
    add_scale(parser)
    parser.add_argument("--precision", choices=("tf32", "bfloat16"), default="bfloat16")
    parser.add_argument("--seeds", type=int, default=3, help=f"float32 runs, from seed {FIRST} on")
    arguments = parser.parse_intermixed_args()
    if arguments.seeds < 2:
        parser.error(f"--seeds {arguments.seeds}: expected at least 2, which have a range")
    os.chdir(ROOT)
    return exit_code(lambda: compare(arguments))


def compare(arguments: argparse.Namespace) -> int:
    """Judge each claim on the runs of every seed and precision, and print a row for it."""
    from adamct.claims import CLAIMS

    overrides = [word for word in arguments.words if "=" in word]
    figures = chosen([word for word in arguments.words if "=" not in word])
    claims = [c for c in CLAIMS if short_name(c.figure) in figures and c.reads]
    kinds = [("float32", FIRST + i) for i in range(arguments.seeds)]
    kinds.append((arguments.precision, FIRST))
    of_kinds = [
        judged(claims, arguments.scale, (*overrides, f"precision={precision}", f"seed={seed}"))
        for precision, seed in kinds
    ]
    print(ROW.format("claim", "float32: from", "to", arguments.precision, "").rstrip())
    all_agree = True
    for *exact, rough in zip(*of_kinds, strict=True):
        all_agree &= agree(exact, rough)
        print(row(exact, rough))
    return 0 if all_agree else 1


def judged(claims: Sequence[Claim], scale: str, overrides: tuple[str, ...]) -> list[Verdict]:
    """Judge claims on the runs that some overrides name."""
    from adamct import records
    from adamct.claims import judge
    from adamct.plotting.source import Source

    source = Source(scale, overrides)
    read = dict.fromkeys(name for claim in claims for name in claim.reads)
    return judge(claims, records.join([source.read(name) for name in read]))


def agree(exact: Sequence[Verdict], rough: Verdict) -> bool:
    """Return whether a statistic lies within the spread of those of the float32 seeds."""
    seen = [verdict.statistic for verdict in exact if verdict.statistic is not None]
    if rough.statistic is None or len(seen) < len(exact):
        return rough.statistic is None and not seen
    spread = max(seen) - min(seen)
    return min(seen) - spread <= rough.statistic <= max(seen) + spread


def row(exact: Sequence[Verdict], rough: Verdict) -> str:
    """Return a claim's line: the range over seeds, the other, and whether the two agree."""
    seen = [verdict.statistic for verdict in exact if verdict.statistic is not None]
    ends = (f"{end(seen):.5g}" if seen else "" for end in (min, max))
    value = "" if rough.statistic is None else f"{rough.statistic:.5g}"
    remark = "" if agree(exact, rough) else "differs"
    return ROW.format(f"{rough.figure} {rough.name}", *ends, value, remark).rstrip()


if __name__ == "__main__":
    sys.exit(main())
