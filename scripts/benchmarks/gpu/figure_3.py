"""A piece of Figure 3 at paper scale, its bounds checked and its growth against both theories."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from adamct import theory
from adamct.train import drain, observe
from benchmarks import workloads
from benchmarks.gpu.results import Check, Result, Sizes


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
