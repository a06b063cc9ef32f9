"""How fast a device is, and the steps of the product on it."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from adamct.train import checkpoint
from benchmarks import workloads
from benchmarks.cpu import optimizers
from benchmarks.gpu.results import PRECISIONS, Result, Sizes, device_name, set_tf32
from benchmarks.nanogpt import NanoGPT, training_step
from benchmarks.timing import in_turn, wait

PEAKS = {"H100": 989.0, "H200": 989.0, "A100": 312.0}  # Tflop/s, dense bfloat16, as sold
DATALOADER_WORKERS = 2


def device(sizes: Sizes) -> Result:
    """Versions, and the rates that everything else is held against."""
    numbers: dict[str, float | str] = {
        "device": device_name(sizes.device),
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
        set_tf32(precision == "tf32")
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
    peak = next((x for name, x in PEAKS.items() if name in device_name(sizes.device)), math.nan)
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
