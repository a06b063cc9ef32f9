"""Say what experiments would cost before they are launched: runs, steps, operations, GPU-hours.

    python scripts/cost.py                                     # every experiment, paper scale
    python scripts/cost.py kadam_cifar10 --tflops 40           # one, on a faster device
    python scripts/cost.py kadam_c4 seed=0,1,2                 # with Hydra overrides

The hours are computed, not measured: floating-point operations of the runs that differ, over what
the device sustains. Runs that are already finished are counted, too.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUSTAINED = 25.0  # Tflop/s: somewhat above a third of an H100's peak in fp32


def main() -> int:
    """Parse the command line, count, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", metavar="experiment", help="and Hydra overrides")
    parser.add_argument("--scale", choices=("smoke", "laptop", "paper"), default="paper")
    parser.add_argument(
        "--tflops", type=float, default=SUSTAINED, help="sustained by the device (default: 25)"
    )
    arguments = parser.parse_intermixed_args()
    if not arguments.tflops > 0:
        parser.error(f"--tflops {arguments.tflops}: expected a number above 0")
    os.chdir(ROOT)
    from adamct.config.compose import compose_sweep, experiment_names
    from adamct.config.schema import ConfigurationError
    from adamct.runs.cost import run_flops

    overrides = [word for word in arguments.words if "=" in word]
    names = [word for word in arguments.words if "=" not in word] or experiment_names()
    print(f"{'experiment':32s} {'runs':>5s} {'steps':>9s} {'Pflop':>9s} {'GPU-hours':>9s}")
    total = 0.0
    counted: set[str] = set()  # a run that several experiments share is counted with the first
    for name in names:
        try:
            sweep = compose_sweep(
                [f"experiment={name}", f"scale={arguments.scale}", *overrides], with_data=False
            )
        except ConfigurationError as error:
            raise SystemExit(f"error: {error}") from error
        of_each = {point.spec.canonical_json(): point.spec for point in sweep}
        specs = [spec for key, spec in of_each.items() if key not in counted]
        counted |= of_each.keys()
        n_steps = sum(spec.n_steps for spec in specs)
        flops = sum(map(run_flops, specs))
        hours = flops / (arguments.tflops * 1e12 * 3600)
        total += hours
        print(f"{name:32s} {len(specs):5d} {n_steps:9d} {flops / 1e15:9.1f} {hours:9.2f}")
    print(f"{'all':32s} {'':5s} {'':9s} {'':9s} {total:9.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
