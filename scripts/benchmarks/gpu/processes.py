"""The blocks in their order, each in a process of its own with a deadline; the table at the end.

Each leaves a JSON file; a block that fails or runs out of time takes nothing from the others.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch

from benchmarks.gpu.correctness import determinism, parity, synchronization
from benchmarks.gpu.figure_3 import figure_3
from benchmarks.gpu.packing import packing
from benchmarks.gpu.results import Result, Sizes, set_tf32
from benchmarks.gpu.speed import cnn, device, gpt, optimizer, stall

BLOCKS: dict[str, tuple[Callable[[Sizes], Result], float]] = {  # with shares of the time
    "device": (device, 1),
    "parity": (parity, 3),
    "determinism": (determinism, 3),
    "synchronization": (synchronization, 1),
    "gpt": (gpt, 5),
    "optimizer": (optimizer, 2),
    "cnn": (cnn, 3),
    "packing": (packing, 2),
    "stall": (stall, 1),
    "figure_3": (figure_3, 5),
}


def run(args: argparse.Namespace) -> int:
    """Run the blocks, each in its process; print the table.

    Returns:
        1 if a check failed or a block did not end, else 0.
    """
    if args.block:
        return _run_here(args)
    args.out.mkdir(parents=True, exist_ok=True)
    names = args.blocks or list(BLOCKS)
    total = sum(BLOCKS[name][1] for name in names)
    end, left, bad = time.time() + args.seconds, total, []
    for name in names:
        # What a quick block leaves is shared by those that follow.
        share = BLOCKS[name][1]
        deadline = time.time() + max(5.0, (end - time.time()) * share / left)
        left -= share
        command = [sys.executable, str(Path(__file__).parents[2] / "bench.py"), "gpu"]
        command += ["--block", name, "--out", str(args.out), "--device", args.device]
        command += ["--tiny"] if args.tiny else []
        environment = os.environ | {
            "ADAMCT_BENCH_DEADLINE": str(deadline),
            "ADAMCT_BENCH_OUT": str(args.out),
        }
        began = time.time()
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        try:
            code = process.wait(deadline - began)
            note = "" if code == 0 else f"exit code {code}"
        except subprocess.TimeoutExpired:
            note = "out of time"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and the processes that it has started
            process.wait()
        print(f"{name}: {time.time() - began:.0f} s {note}", file=sys.stderr, flush=True)
        bad += [f"{name}: {note}"] if note else []
    return _print_table(args.out, names, bad)


def _run_here(args: argparse.Namespace) -> int:
    block, _ = BLOCKS[args.block]
    torch.set_num_threads(1)
    set_tf32(False)
    result = block(Sizes.of(args.device, args.tiny))
    content = {"checks": [c._asdict() for c in result.checks], "numbers": result.numbers}
    (args.out / f"{args.block}.json").write_text(json.dumps(content, indent=1) + "\n")
    return 0


def _print_table(out: Path, names: list[str], bad: list[str]) -> int:
    for name in names:
        path = out / f"{name}.json"
        if not path.exists():
            continue
        content = json.loads(path.read_text())
        print(f"\n{name}")
        for check in content["checks"]:
            print(f"  {'holds' if check['holds'] else 'FAILS'}  {check['name']}: {check['found']}")
            bad += [] if check["holds"] else [f"{name}: {check['name']}"]
        for key, value in content["numbers"].items():
            print(f"  {key}: {value if isinstance(value, str) else f'{value:.4g}'}")
    for line in bad:
        print(f"failed: {line}", file=sys.stderr)
    return int(bool(bad))
