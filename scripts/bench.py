"""Measure what the project says about its own speed, as ratios of things timed in turn.

Examples:
    python scripts/bench.py cpu                    # every promise with its limit: make bench
    python scripts/bench.py cpu laptop_optimizer --rounds 25
    python scripts/bench.py gpu --seconds 470 --out bench    # correctness and speed on one GPU
    python scripts/bench.py gpu --tiny --device cpu          # the same path in a minute, anywhere
    python scripts/bench.py images --threads 2     # batches of images against a DataLoader
    python scripts/bench.py solvers                # the solvers of Equation (4), by gradients
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# cuBLAS reads this when it starts; without it, deterministic mode refuses to run.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run one benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="BENCHMARK", dest="command")

    def add(name: str, help_text: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=help_text,
            description=help_text,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )

    cpu = add("cpu", "ratios against plain torch on this CPU, each with its limit")
    cpu.add_argument("blocks", nargs="*", help="names of blocks; all of them if none")
    cpu.add_argument("--rounds", type=int, default=15, help="turns of each thing that is timed")

    gpu = add("gpu", "correctness, then speed, on one GPU; exit code 1 if a check fails")
    gpu.add_argument("blocks", nargs="*", help="names of blocks; all of them if none")
    gpu.add_argument("--seconds", type=float, default=470, help="for everything together")
    gpu.add_argument("--out", type=Path, default=Path("bench"), help="folder of the results")
    gpu.add_argument("--device", default="cuda", help="a CPU serves to try the path")
    gpu.add_argument("--tiny", action="store_true", help="small shapes and few steps")
    gpu.add_argument("--block", help=argparse.SUPPRESS)  # the one that this process runs

    images = add("images", "batches of images against a DataLoader of torchvision's transforms")
    images.add_argument("--images", type=int, default=10_000, help="random ones, in an epoch")
    images.add_argument("--batch-size", type=int, default=512, help="images a batch")
    images.add_argument("--workers", type=int, default=2, help="processes of the DataLoader")
    images.add_argument("--threads", type=int, default=1, help="torch threads of this process")
    images.add_argument("--rounds", type=int, default=3, help="measurements of each, in turn")

    solvers = add("solvers", "the schemes that solve Equation (4): error against gradients")
    solvers.add_argument("--steps", type=int, default=10, help="steps of the optimizer")
    solvers.add_argument("--width", type=int, default=16, help="of the GPT")
    solvers.add_argument("--block-size", type=int, default=16, help="its context")

    return _run(parser.parse_args(argv))


def _run(args: argparse.Namespace) -> int:
    from adamct.runs.exits import exit_code

    if args.command == "cpu":
        from benchmarks import cpu

        return exit_code(lambda: int(cpu.run(args.blocks, args.rounds) > 0))
    if args.command == "gpu":
        from benchmarks.gpu import processes

        return exit_code(lambda: processes.run(args))
    if args.command == "images":
        from benchmarks import images

        return exit_code(lambda: images.run(args) or 0)
    from benchmarks import solvers

    return exit_code(lambda: solvers.run(args) or 0)


if __name__ == "__main__":
    sys.exit(main())
