"""What some minutes on one GPU can settle: correctness first, then speed, then a piece of Figure 3.

Each block runs in a process of its own with a deadline, and leaves a JSON file; a block that fails
or runs out of time takes nothing from the others.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import torch

from adamct import KAdam, theory
from adamct.config.execution import Execution
from adamct.config.spec import Precision, RunSpec
from adamct.optim import reference_state, reference_step, strategy_hyperparameters
from adamct.train import Training, checkpoint, drain, observe
from benchmarks import workloads
from benchmarks.cpu import optimizers
from benchmarks.nanogpt import NanoGPT, training_step
from benchmarks.timing import in_turn, wait

PRECISIONS: tuple[str, ...] = get_args(Precision)
PEAKS = {"H100": 989.0, "H200": 989.0, "A100": 312.0}  # Tflop/s, dense bfloat16, as sold
DATALOADER_WORKERS = 2


@dataclass(frozen=True)
class Sizes:
    """The shapes and steps of a run of the blocks."""

    device: torch.device
    gpt: Mapping[str, Any]
    vocab_size: int
    batch_size: int
    cnn_width: float
    cnn_batch: int
    n_images: int
    matrix: int
    steps: int  # of the comparisons bit for bit
    rounds: int  # of what is timed
    turn: float  # seconds
    slice_steps: int  # of each run of Figure 3
    slice_runs: int  # at most
    compiled: tuple[bool, ...]  # what is tried

    @classmethod
    def of(cls, device: str, tiny: bool) -> Sizes:
        """The paper's shapes, or shapes that try the path on any machine."""
        where = torch.device(device)
        if tiny:
            return cls(
                where, workloads.TINY_GPT, vocab_size=97, batch_size=2, cnn_width=0.25,
                cnn_batch=8, n_images=200, matrix=64, steps=8, rounds=1, turn=0.01,
                slice_steps=60, slice_runs=2, compiled=(False,),
            )  # fmt: skip
        return cls(
            where, workloads.PAPER_GPT, vocab_size=50_257, batch_size=64, cnn_width=1.0,
            cnn_batch=512, n_images=50_000, matrix=8192, steps=40, rounds=3, turn=0.5,
            slice_steps=1010, slice_runs=64, compiled=(False, True),
        )  # fmt: skip

    def execution(self, **changes: Any) -> Execution:
        """How the runs of the blocks are executed, unless told else."""
        plain: dict[str, Any] = {"device": str(self.device), "threads": 1, "compiled": False}
        return Execution(**plain | changes)


class Check(NamedTuple):
    """A statement that must hold, and what was found."""

    name: str
    holds: bool
    found: str


class Result(NamedTuple):
    """What a block found: checks, and numbers by their names."""

    checks: list[Check]
    numbers: dict[str, float | str]


def device(sizes: Sizes) -> Result:
    """Versions, and the rates that everything else is held against."""
    numbers: dict[str, float | str] = {
        "device": _name(sizes.device),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),
    }
    x = torch.empty(sizes.matrix**2, device=sizes.device)
    y = torch.empty_like(x)
    ms = in_turn({"copy": lambda: y.copy_(x)}, rounds=sizes.rounds, seconds=sizes.turn)
    numbers["copy, GB/s"] = 8e-6 * x.numel() / ms["copy"]
    for precision in PRECISIONS:
        _set_tf32(precision == "tf32")
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        a, b = (torch.randn(sizes.matrix, sizes.matrix, device=sizes.device) for _ in range(2))
        a, b = a.to(dtype), b.to(dtype)
        tokens = torch.randn(
            sizes.batch_size * sizes.gpt["block_size"], sizes.gpt["d_model"],
            device=sizes.device, dtype=dtype,
        )  # fmt: skip
        padded = 64 * math.ceil(sizes.vocab_size / 64)
        heads = {
            n: torch.randn(n, tokens.shape[1], device=sizes.device, dtype=dtype)
            for n in (sizes.vocab_size, padded)
        }
        ms = in_turn(
            {
                "square": lambda a=a, b=b: a @ b,
                "vocabulary": lambda t=tokens, h=heads[sizes.vocab_size]: t @ h.T,
                "padded": lambda t=tokens, h=heads[padded]: t @ h.T,
            },
            rounds=sizes.rounds,
            seconds=sizes.turn,
        )
        numbers[f"GEMM {precision}, Tflop/s"] = 2e-9 * sizes.matrix**3 / ms["square"]
        numbers[f"logits {precision}, unpadded / padded"] = ms["vocabulary"] / ms["padded"]
    return Result([], numbers)


def parity(sizes: Sizes) -> Result:
    """Losses on this device against the CPU's, and KAdam against float64."""
    checks: list[Check] = []
    numbers: dict[str, float | str] = {}
    specs = {
        "GPT": workloads.gpt_spec(workloads.LAPTOP_GPT, 103, 8),
        "CNN": workloads.cnn_spec(0.25, 64, 1000),
    }
    for name, spec in specs.items():
        found = [
            np.array(_losses(workloads.training(spec, sizes.execution(device=where)), 50))
            for where in ("cpu", str(sizes.device))
        ]
        difference = np.abs(found[1] / found[0] - 1)
        for n, limit in ((10, 1e-5), (50, 1e-3)):
            worst = float(difference[:n].max())
            words = f"{name}, loss of {n} steps, CPU / device"
            checks.append(Check(words, worst <= limit, f"{worst:.1e}"))
            numbers[f"{name}, worst relative difference over {n} steps"] = worst
    for k in (1, 2, 3, 5):
        worst = _against_reference(k, sizes.device)
        checks.append(Check(f"KAdam, k={k}, against float64", worst <= 1e-4, f"{worst:.1e}"))
    return Result(checks, numbers)


def _losses(run: Training, n_steps: int) -> list[float]:
    lines = drain([observe(["train_loss"], run.step(n)) for n in range(n_steps)])
    return [line["train_loss"] for line in lines]


def _against_reference(k: int, where: torch.device) -> float:
    """The worst difference of a displacement over 50 random steps, relative to the largest."""
    generator = torch.Generator().manual_seed(0)
    p = torch.nn.Parameter(torch.zeros(64, 32, device=where))
    optimizer = KAdam([p], lr=1e-3, k=k)
    betas, gammas = strategy_hyperparameters("inverse_exp", k, 0.999, 0.9)
    exact = np.zeros((64, 32))
    state = reference_state(exact, k)
    for _ in range(50):
        g = torch.randn(64, 32, generator=generator)
        p.grad = g.to(where)
        optimizer.step()
        exact, state, _ = reference_step(
            exact, g.double().numpy(), state, lr=1e-3, betas=betas, gammas=gammas
        )
    found = p.detach().cpu().double().numpy()
    return float(np.abs(found - exact).max() / np.abs(exact).max())


def determinism(sizes: Sizes) -> Result:
    """Two runs are equal bit for bit, and so is one that was stopped and went on."""
    checks = []
    for precision in PRECISIONS:
        spec = workloads.gpt_spec(
            sizes.gpt, sizes.vocab_size, sizes.batch_size, precision=precision
        )
        once, again = (_hash_after(spec, sizes, sizes.steps) for _ in range(2))
        checks.append(Check(f"{precision}: two runs are equal", once == again, once[:12]))
        resumed = _hash_after(spec, sizes, sizes.steps, stop_at=sizes.steps // 2)
        checks.append(Check(f"{precision}: resumed is undisturbed", resumed == once, resumed[:12]))
    return Result(checks, {})


def _hash_after(spec: RunSpec, sizes: Sizes, n_steps: int, stop_at: int | None = None) -> str:
    torch.use_deterministic_algorithms(True)
    run = workloads.training(spec, sizes.execution())
    for n in range(n_steps):
        if n == stop_at:
            content = checkpoint.to_bytes("bench", n, run.state_dict())
            path = Path(os.environ["ADAMCT_BENCH_OUT"]) / "checkpoint.pt"
            path.write_bytes(content)
            run = workloads.training(spec, sizes.execution())
            run.load_state_dict(checkpoint.read(path, "bench", sizes.device)[1])
            path.unlink()
        run.step(n)
    digest = hashlib.sha256()
    for p in run.model.parameters():
        digest.update(p.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


def synchronization(sizes: Sizes) -> Result:
    """No step waits for the device between two flushes."""
    if sizes.device.type != "cuda":
        return Result([], {"synchronization": "only CUDA tells of it"})
    spec = workloads.gpt_spec(sizes.gpt, sizes.vocab_size, sizes.batch_size)
    run = workloads.training(spec, sizes.execution())
    for n in range(5):
        observe(spec.observe, run.step(n))
    found = "none in 45 steps"
    torch.cuda.set_sync_debug_mode("error")
    try:
        for n in range(5, 50):
            observe(spec.observe, run.state(n))
            observe(spec.observe, run.step(n))
    except RuntimeError as error:
        found = str(error)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return Result([Check("no synchronization in a step", found.startswith("none"), found)], {})


def gpt(sizes: Sizes) -> Result:
    """A step at the paper's shapes, everything recorded, against a plain nanoGPT step."""
    shape, block = sizes.gpt, sizes.gpt["block_size"]
    tokens = workloads.RandomText(vocab_size=sizes.vocab_size).open(None, Path()).train
    torch.use_deterministic_algorithms(False)

    def plain() -> torch.nn.Module:
        model = NanoGPT(
            sizes.vocab_size, block, shape["n_layer"], shape["n_head"], shape["d_model"], 0.0
        )
        return model.to(sizes.device)

    cases: dict[str, Callable[[], Any]] = {
        "nanoGPT, float32": training_step(plain(), tokens, sizes.batch_size, block),
    }
    if True in sizes.compiled:
        cases["nanoGPT, bfloat16, compiled"] = training_step(
            torch.compile(plain()), tokens, sizes.batch_size, block, autocast=torch.bfloat16
        )
    for precision in PRECISIONS:
        for compiled in sizes.compiled:
            spec = workloads.gpt_spec(
                shape, sizes.vocab_size, sizes.batch_size, precision=precision
            )
            run = workloads.training(spec, sizes.execution(compiled=compiled))
            name = f"ours, {precision}{', compiled' if compiled else ''}"
            cases[name] = workloads.recorded_step(run)
    ms = in_turn(cases, rounds=sizes.rounds, seconds=sizes.turn)
    numbers: dict[str, float | str] = {}
    n_parameters = sum(p.numel() for p in plain().parameters())
    peak = next((x for name, x in PEAKS.items() if name in _name(sizes.device)), math.nan)
    n_tokens = sizes.batch_size * block
    for name, x in ms.items():
        numbers[f"{name}, ms"] = x
        numbers[f"{name}, tokens/s"] = 1e3 * n_tokens / x
        numbers[f"{name}, share of peak"] = 6e-9 * n_parameters * n_tokens / x / peak
    for name in ("float32", "bfloat16, compiled"):
        if f"nanoGPT, {name}" in ms:
            ratio = ms[f"nanoGPT, {name}"] / ms[f"ours, {name}"]
            numbers[f"speed against nanoGPT, {name}"] = ratio
    if sizes.device.type == "cuda":
        numbers["peak memory, GB"] = torch.cuda.max_memory_allocated() / 1e9
    return Result([], numbers)


def optimizer(sizes: Sizes) -> Result:
    """KAdam against fused AdamW on the parameters of the GPT and of the CNN."""
    numbers: dict[str, float | str] = {}
    limits = {k: dict.fromkeys((False, True), math.nan) for k in (1, 2, 3, 5)}
    specs = {
        "GPT": workloads.gpt_spec(sizes.gpt, sizes.vocab_size, 1).task.model.build(
            vocab_size=sizes.vocab_size
        ),
        "CNN": workloads.cnn_spec(sizes.cnn_width, 1, 100).task.model.build(
            image_size=32, channels=3, n_classes=10
        ),
    }
    for name, model in specs.items():
        shapes = [p.shape for p in model.parameters()]
        for row in optimizers(
            name, shapes, limits, sizes.rounds, sizes.device, seconds=sizes.turn / 5
        ):
            numbers[row.name] = row.ratio
    return Result([], numbers)


def cnn(sizes: Sizes) -> Result:
    """Seconds of an epoch on random images, against a DataLoader of two workers."""
    from benchmarks.images import data_loader

    spec = workloads.cnn_spec(sizes.cnn_width, sizes.cnn_batch, sizes.n_images)
    numbers: dict[str, float | str] = {}
    n_steps = sizes.n_images // sizes.cnn_batch
    for precision in PRECISIONS:
        run = workloads.training(
            spec.model_copy(update={"precision": precision}), sizes.execution()
        )
        ms = in_turn(
            {"step": workloads.recorded_step(run)}, rounds=sizes.rounds, seconds=sizes.turn
        )
        numbers[f"ours, {precision}, s an epoch"] = 1e-3 * n_steps * ms["step"]
    model = spec.task.model.build(image_size=32, channels=3, n_classes=10).to(sizes.device)
    plain = torch.optim.AdamW(model.parameters(), fused=True)
    began = time.perf_counter()
    n_batches = 0
    images = workloads.random_images(sizes.n_images)
    for x, y in data_loader(images, sizes.cnn_batch, DATALOADER_WORKERS):
        plain.zero_grad()
        model.loss(x.to(sizes.device, non_blocking=True), y.to(sizes.device)).backward()
        plain.step()
        n_batches += 1
        if time.perf_counter() - began > 20 * sizes.turn:
            break
    wait()
    epoch = (time.perf_counter() - began) / n_batches * n_steps
    numbers["DataLoader and AdamW, s an epoch"] = epoch
    numbers["speed against the DataLoader"] = epoch / float(numbers["ours, float32, s an epoch"])
    return Result([], numbers)


def stall(sizes: Sizes) -> Result:
    """How long a step waits for a checkpoint to be taken."""
    numbers: dict[str, float | str] = {}
    for k in (1, 5):
        optimizer = {"lr": 1e-3, "betas": [0.999] * k, "gammas": [0.9] * k}
        spec = workloads.gpt_spec(
            sizes.gpt, sizes.vocab_size, sizes.batch_size, optimizer=optimizer
        )
        run = workloads.training(spec, sizes.execution())
        run.step(0)
        wait()
        began = time.perf_counter()
        content = checkpoint.to_bytes("bench", 1, run.state_dict())
        numbers[f"k={k}: serialized, s"] = time.perf_counter() - began
        numbers[f"k={k}: size, GB"] = len(content) / 1e9
    return Result([], numbers)


def figure_3(sizes: Sizes) -> Result:
    """Runs of Figure 3, points alternating between B− and B+, while time lasts."""
    deadline = float(os.environ["ADAMCT_BENCH_DEADLINE"])
    curve, checks = theory.normal_curve(0.999, 0.9), []
    lines: list[str] = []
    out = Path(os.environ["ADAMCT_BENCH_OUT"])
    for place in islice(_alternating(), sizes.slice_runs):
        began = time.time()
        beta = 0.952 + place * (0.97 - 0.952)
        gamma = float(curve.gamma(beta))
        spec = workloads.gpt_spec(
            sizes.gpt, sizes.vocab_size, sizes.batch_size, precision="bfloat16",
            optimizer={"lr": 1e-3, "betas": [beta], "gammas": [gamma]}, n_steps=sizes.slice_steps,
        )  # fmt: skip
        run = workloads.training(spec, sizes.execution(compiled=sizes.device.type == "cuda"))
        steps = [observe(spec.observe, run.step(n)) for n in range(sizes.slice_steps)]
        record = drain(steps)
        (out / f"figure_3_{len(lines)}.json").write_text(json.dumps(record))
        updates = np.array([np.ravel(line["max_update"])[-1] for line in record])
        n = np.arange(len(updates))
        D = theory.discrete_max_update_bound(n, beta, gamma)
        excess = float(np.nanmax(updates / D))
        C = float(theory.stability_coefficient(beta, gamma))
        checks.append(
            Check(f"C={C:+.4f}: max-update within D_n", excess <= 1 + 1e-4, f"{excess:.4f}")
        )
        at = min(1000, len(n) - 6)
        slope = float(theory.log_slope(n, updates, at=at))
        predicted = float(theory.discrete_growth_rate(beta, gamma))
        lines.append(
            f"C={C:+.5f}: slope {slope:+.5f}, |C|/2 {max(0.0, -C / 2):.5f}, exact {predicted:.5f}"
        )
        if time.time() + 1.2 * (time.time() - began) > deadline:
            break
    return Result(checks, {f"run {i}": line for i, line in enumerate(lines)})


def _alternating() -> Iterator[float]:
    """Places on the section of the curve, from its two ends towards C = 0."""
    for i in range(32):
        yield i / 63
        yield 1 - i / 63


BLOCKS: dict[str, tuple[Callable[[Sizes], Result], float]] = {  # with shares of the time
    "device": (device, 1),
    "parity": (parity, 3),
    "determinism": (determinism, 3),
    "synchronization": (synchronization, 1),
    "gpt": (gpt, 5),
    "optimizer": (optimizer, 2),
    "cnn": (cnn, 3),
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
        command = [sys.executable, str(Path(__file__).parents[1] / "bench.py"), "gpu"]
        command += ["--block", name, "--out", str(args.out), "--device", args.device]
        command += ["--tiny"] if args.tiny else []
        environment = os.environ | {
            "ADAMCT_BENCH_DEADLINE": str(deadline),
            "ADAMCT_BENCH_OUT": str(args.out),
        }
        began = time.time()
        try:
            done = subprocess.run(command, env=environment, timeout=deadline - began, check=False)
            note = "" if done.returncode == 0 else f"exit code {done.returncode}"
        except subprocess.TimeoutExpired:
            note = "out of time"
        print(f"{name}: {time.time() - began:.0f} s {note}", file=sys.stderr, flush=True)
        bad += [f"{name}: {note}"] if note else []
    return _print_table(args.out, names, bad)


def _run_here(args: argparse.Namespace) -> int:
    block, _ = BLOCKS[args.block]
    torch.set_num_threads(1)
    _set_tf32(False)
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


def _set_tf32(on: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = on
    torch.backends.cudnn.allow_tf32 = on


def _name(where: torch.device) -> str:
    return torch.cuda.get_device_name(where) if where.type == "cuda" else "CPU"
