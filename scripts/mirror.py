"""Mirror the finished runs of an experiment in W&B, from their local records.

    python scripts/mirror.py experiment=max_update_normal_curve
    python scripts/mirror.py experiment=kadam_cifar10 scale=paper tracker.mode=online
    python scripts/mirror.py experiment=max_update_normal_curve tracker.entity=my-team --again

Takes the overrides of run.py, and reads a sweep as its -m does. Nothing is trained, and what is
mirrored already is skipped. Offline, `wandb sync` uploads what this writes.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from adamct.report.make import ROOT
from adamct.runs.exits import exit_code


def main(arguments: Sequence[str]) -> int:
    """Parse the command line, mirror, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="+", metavar="key=value", help="as run.py takes them")
    parser.add_argument("-m", "--multirun", action="store_true", help="accepted, and always meant")
    parser.add_argument(
        "--again",
        action="store_true",
        help="mirror what is mirrored, too; online, rows that the server has are kept: for a fresh "
        "copy name another tracker.project",
    )
    parsed = parser.parse_intermixed_args(arguments)
    os.chdir(ROOT)  # relative paths, of runs and of W&B's files, are the project's

    return exit_code(lambda: mirror(parsed.overrides, again=parsed.again))


def mirror(overrides: Sequence[str], *, again: bool) -> int:
    """Mirror the points of an experiment whose runs are over."""
    from tqdm import tqdm

    from adamct.config.compose import compose_sweep
    from adamct.tracking.content import run_identity
    from adamct.tracking.mirror import Mirror
    from adamct.tracking.names import at_scale
    from adamct.tracking.sending import send

    sweep = compose_sweep(["tracker=wandb", *overrides])
    identities = {run_identity(point) for point in sweep}
    with Mirror.locked(sweep.tracker, at_scale(sweep.experiment, sweep.scale)) as to:
        if again:
            for identity in identities:
                to.forget(identity)
        with tqdm(total=len(identities), desc=sweep.experiment, unit="point") as bar:
            counts = send(to, sweep, done=bar.update)
    n = counts["left"]
    left = f"; {n} have no final outcome yet and are left out" if n else ""
    print(
        f"{sweep.experiment}, {sweep.scale} scale: {counts['sent']} of {len(identities)} points "
        f"mirrored now, {counts['was sent']} before{left}; {to.where()}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
