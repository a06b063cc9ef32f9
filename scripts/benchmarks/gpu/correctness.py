"""Whether a device computes what the CPU does, repeats it bit for bit, and never waits."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import torch

from adamct import KAdam
from adamct.config.spec import RunSpec
from adamct.optim import reference_state, reference_step, strategy_hyperparameters
from adamct.train import Training, checkpoint, drain, observe
from benchmarks import workloads
from benchmarks.gpu.results import PRECISIONS, Check, Result, Sizes


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
