"""The promises that ``make bench`` checks: ratios of things timed in turn, with their limits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from adamct import KAdam
from adamct.config.execution import Execution
from adamct.train import Training
from benchmarks import workloads
from benchmarks.nanogpt import NanoGPT, training_step
from benchmarks.timing import Row, in_turn, print_rows

SCRIPTS = Path(__file__).resolve().parents[1]


def laptop_step(rounds: int) -> Iterator[Row]:
    """A whole step of the laptop's GPT, observed and drained, against a nanoGPT step."""
    run = _gpt(workloads.LAPTOP_GPT, 103, 8, threads=1)
    yield _against_nanogpt("laptop GPT, whole step / nanoGPT", run, 1.0, rounds)


def large_step(rounds: int) -> Iterator[Row]:
    """The paper's 30M parameters at two sequences a step, on two threads."""
    run = _gpt(workloads.PAPER_GPT, 50_257, 2, threads=2)
    yield _against_nanogpt("30M GPT, whole step / nanoGPT", run, 0.95, max(3, rounds // 3))


def laptop_optimizer(rounds: int) -> Iterator[Row]:
    """KAdam on the laptop GPT's parameters, tracked, against fused AdamW."""
    run = _gpt(workloads.LAPTOP_GPT, 103, 8, threads=1)
    shapes = [p.shape for p in run.model.parameters()]
    yield from optimizers("laptop", shapes, {k: {True: 1.5} for k in (1, 2, 5)}, rounds)


def large_optimizer(rounds: int) -> Iterator[Row]:
    """KAdam on 30M parameters in nanoGPT's shapes, two threads, against fused AdamW."""
    torch.set_num_threads(2)
    shapes = [p.shape for p in NanoGPT(50_257, 256, 6, 6, 384, 0.0).parameters()]
    limits = {
        1: {False: 1.3, True: 1.6},
        2: {False: 1.3, True: 1.6},
        3: {False: 1.3, True: 2.2},
        5: {False: 1.5, True: 2.2},
    }
    yield from optimizers("30M", shapes, limits, max(5, rounds // 2))


def help_text(rounds: int) -> Iterator[Row]:
    """``run.py --help`` against half a second, by the time of a bare Python."""
    commands = {
        "ours": [sys.executable, str(SCRIPTS / "run.py"), "--help"],
        "python": [sys.executable, "-c", "pass"],
    }
    cases = {
        name: (lambda command=command: subprocess.run(command, capture_output=True, check=True))
        for name, command in commands.items()
    }
    ms = in_turn(cases, rounds=max(3, rounds // 3))
    yield Row("run.py --help / 0.5 s", ms["ours"] / 500, 1.0, ms["ours"], ms["python"])


def _gpt(shape: Mapping[str, object], vocab_size: int, batch_size: int, threads: int) -> Training:
    torch.set_num_threads(threads)
    execution = Execution(device="cpu", threads=threads, compiled=None if threads > 1 else False)
    return workloads.training(workloads.gpt_spec(shape, vocab_size, batch_size), execution)


def _against_nanogpt(name: str, run: Training, limit: float, rounds: int) -> Row:
    c: Any = run.model.config
    data: Any = run.spec.task.data
    baseline = NanoGPT(c.vocab_size, c.block_size, c.n_layer, c.n_head, c.d_model, c.dropout)
    tokens = data.open(None, Path()).train
    cases: dict[str, Callable[[], None]] = {
        "ours": workloads.recorded_step(run),
        "nanogpt": training_step(baseline, tokens, run.spec.task.batch_size, c.block_size),
    }
    ms = in_turn(cases, rounds=rounds)
    return Row(name, ms["ours"] / ms["nanogpt"], limit, ms["ours"], ms["nanogpt"])


def optimizers(
    name: str,
    shapes: Sequence[torch.Size],
    limits: Mapping[int, Mapping[bool, float]],
    rounds: int,
    device: torch.device | str = "cpu",
    seconds: float = 0.25,
) -> Iterator[Row]:
    """KAdam against fused AdamW, by their memory traffic.

    Args:
        name: of the model.
        shapes: of its parameters.
        limits: by k, then by whether the max-update is tracked.
        rounds: turns of each.
        device: of the parameters.
        seconds: of a turn.
    """
    fused = torch.optim.AdamW(parameters(shapes, device), fused=True)
    for k, of_k in limits.items():
        for track, limit in of_k.items():
            optimizer = KAdam(parameters(shapes, device), k=k, track_max_update=track)
            cases = {"ours": optimizer.step, "fused": fused.step}
            ms = in_turn(cases, rounds=rounds, seconds=seconds)
            ratio = ms["ours"] / ms["fused"] * 7 / (4 * k + 3)
            tracked = ", tracked" if track else ""
            words = f"KAdam, {name}, k={k}{tracked} / (4k+3)/7 fused AdamW"
            yield Row(words, ratio, limit, ms["ours"], ms["fused"])


def parameters(
    shapes: Sequence[torch.Size], device: torch.device | str = "cpu"
) -> list[torch.nn.Parameter]:
    """Parameters of these shapes as a training loop joins them, with gradients."""
    from adamct.optim.state import flatten

    generator = torch.Generator().manual_seed(0)
    params = [
        torch.nn.Parameter(torch.randn(shape, generator=generator).to(device)) for shape in shapes
    ]
    flatten(params).normal_()
    return params


BLOCKS = (laptop_step, laptop_optimizer, large_step, large_optimizer, help_text)


def run(names: Sequence[str], rounds: int) -> int:
    """Run the blocks of these names, all of them if there are none; print the table.

    Returns:
        How many ratios exceed their limit.
    """
    rows = []
    for block in BLOCKS:
        if names and block.__name__ not in names:
            continue
        for row in block(rounds):
            print(f"{row.name}: {row.ratio:.2f}", file=sys.stderr, flush=True)
            rows.append(row)
    return print_rows(rows)
