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
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adamct.config.execution import Sweep

ROOT = Path(__file__).resolve().parents[1]


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
    overrides = list(parsed.overrides)
    if not any(override.startswith("tracker=") for override in overrides):
        overrides.insert(0, "tracker=wandb")
    from adamct.config.compose import compose_sweep
    from adamct.runs.sweep import EXPECTED
    from adamct.tracking.mode import TrackingError

    try:
        return mirror(compose_sweep(overrides), again=parsed.again)
    except KeyboardInterrupt:
        print("error: interrupted; start again to go on where it stopped", file=sys.stderr)
        return 130
    except (*EXPECTED, TrackingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def mirror(sweep: Sweep, *, again: bool) -> int:
    """Mirror the points of an experiment whose runs are over."""
    from tqdm import tqdm

    from adamct.tracking.content import run_identity
    from adamct.tracking.mirror import Mirror
    from adamct.tracking.mode import TrackingError
    from adamct.tracking.points import PointMirrors

    tracker = sweep.tracker
    if tracker is None:
        raise TrackingError(
            "tracker=none, tracker.mode=disabled and WANDB_MODE=disabled mirror nothing; leave "
            "them out"
        )
    with Mirror.held(tracker, run_identity(sweep[0]).group) as to:
        mirrors = PointMirrors(to, sweep)
        n_points = len(mirrors.left)
        if again:
            for point in mirrors.left.values():
                to.forget(point)
        with tqdm(total=n_points, desc=sweep.experiment, unit="point") as bar:
            mirrors.look(done=bar.update)
        mirrors.close()
    n = len(mirrors.left)
    left = f"; {n} have no final outcome yet and are left out" if n else ""
    print(
        f"{sweep.experiment}, {sweep.scale} scale: {mirrors.n_now} of {n_points} points mirrored "
        f"now, {mirrors.n_before} before{left}; {to.where()}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
