"""Say what experiments would cost before they are launched: runs, steps, operations, GPU-hours.

    python scripts/cost.py                                     # every experiment, paper scale
    python scripts/cost.py kadam_cifar10 --tflops 40           # one, on a faster device
    python scripts/cost.py kadam_c4 seed=0,1,2                 # with Hydra overrides

The hours are computed, not measured: floating-point operations of the runs that differ, over what
a device is assumed to sustain in each run's precision. No GPU has confirmed the rates yet;
``scripts/bench.py gpu`` measures them. Runs that are already finished are counted, too.
"""

from __future__ import annotations

import argparse
import os
import sys

from adamct.report.make import ROOT, add_scale
from adamct.runs.exits import exit_code

# Tflop/s of a training step on an H100, estimated from its bandwidth and the rates of its GEMMs.
ASSUMED = {"float32": 35.0, "tf32": 73.0, "bfloat16": 190.0}


def main() -> int:
    """Parse the command line, count, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", metavar="experiment", help="and Hydra overrides")
    add_scale(parser, default="paper")
    parser.add_argument(
        "--tflops",
        type=float,
        help="sustained by the device, in place of the assumed "
        + ", ".join(f"{rate:g} ({precision})" for precision, rate in ASSUMED.items()),
    )
    arguments = parser.parse_intermixed_args()
    if arguments.tflops is not None and not arguments.tflops > 0:
        parser.error(f"--tflops {arguments.tflops}: expected a number above 0")
    os.chdir(ROOT)
    return exit_code(lambda: count(arguments))


def count(arguments: argparse.Namespace) -> int:
    """Print a row for every experiment, and the sum."""
    from adamct.config.compose import compose_sweep, experiment_names
    from adamct.runs.cost import run_flops

    overrides = [word for word in arguments.words if "=" in word]
    names = [word for word in arguments.words if "=" not in word] or experiment_names()
    print(f"{'experiment':32s} {'runs':>5s} {'steps':>9s} {'Pflop':>9s} {'GPU-hours':>9s}")
    total = 0.0
    counted: set[str] = set()  # a run that several experiments share is counted with the first
    for name in names:
        asked = [f"experiment={name}", f"scale={arguments.scale}", *overrides]
        sweep = compose_sweep(asked, with_data=False)
        of_each = {point.spec.canonical_json(): point.spec for point in sweep}
        specs = [spec for key, spec in of_each.items() if key not in counted]
        counted |= of_each.keys()
        n_steps = sum(spec.n_steps for spec in specs)
        of_runs = [(run_flops(spec), arguments.tflops or ASSUMED[spec.precision]) for spec in specs]
        flops = sum(amount for amount, _ in of_runs)
        hours = sum(amount / (rate * 1e12 * 3600) for amount, rate in of_runs)
        total += hours
        print(f"{name:32s} {len(specs):5d} {n_steps:9d} {flops / 1e15:9.1f} {hours:9.2f}")
    print(f"{'all':32s} {'':5s} {'':9s} {'':9s} {total:9.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
