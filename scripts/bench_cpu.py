"""The benchmarks of ``make bench``: a ratio of two things timed in turn, and its limit.

The limits are this project's own promises; the table says which of them hold on this machine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

LAPTOP = "max_update_normal_curve"  # Figure 3's experiment


class Row(NamedTuple):
    """One line of the table: a ratio, its limit, and the two times behind it, in ms."""

    name: str
    ratio: float
    limit: float
    ours: float
    baseline: float


def in_turn(
    cases: dict[str, Callable[[], Any]], *, rounds: int = 15, seconds: float = 0.25
) -> dict[str, float]:
    """Milliseconds of one call of each case: the median of rounds in which they take turns."""
    repeats = {}
    for name, work in cases.items():
        for _ in range(3):
            work()
        began = time.perf_counter()
        work()
        repeats[name] = max(1, round(seconds / (time.perf_counter() - began)))
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, work in cases.items():
            began = time.perf_counter()
            for _ in range(repeats[name]):
                work()
            times[name].append((time.perf_counter() - began) / repeats[name])
    return {name: 1e3 * statistics.median(of_case) for name, of_case in times.items()}


def laptop_step(args: argparse.Namespace) -> Iterator[Row]:
    """A whole step of Figure 3 at laptop scale, observed and drained, against nanoGPT's."""
    import torch

    torch.set_num_threads(1)
    step, tokens, model = _training(["scale=laptop"])
    plain = _nanogpt(model)
    from nanogpt import training_step

    ms = in_turn({"ours": step, "nanogpt": training_step(plain, tokens, 8, 64)}, rounds=args.rounds)
    yield Row("laptop GPT, whole step / nanoGPT", ms["ours"] / ms["nanogpt"], 1.0, *ms.values())


def large_step(args: argparse.Namespace) -> Iterator[Row]:
    """The paper's 30M parameters at two sequences a step, on two threads."""
    import torch

    torch.set_num_threads(2)
    size = ["scale=laptop", "task=gpt_paper", "task.data.corpus=pydoc_topics"]
    size += ["task.batch_size=2", "task.model.dropout=0", "execution.threads=2"]
    step, tokens, model = _training([*size, "execution.compiled=null"], vocab_size=50_257)
    from nanogpt import training_step

    baseline = training_step(_nanogpt(model), tokens, 2, 256)
    ms = in_turn({"ours": step, "nanogpt": baseline}, rounds=max(3, args.rounds // 3))
    yield Row("30M GPT, whole step / nanoGPT", ms["ours"] / ms["nanogpt"], 0.95, *ms.values())


def laptop_optimizer(args: argparse.Namespace) -> Iterator[Row]:
    """KAdam on the laptop GPT, tracked, against fused AdamW, by their memory traffic."""
    import torch

    torch.set_num_threads(1)
    shapes = [p.shape for p in _laptop_gpt().parameters()]
    yield from _optimizers(shapes, "laptop", (1, 2, 5), {True: lambda k: 1.5}, args.rounds)


def large_optimizer(args: argparse.Namespace) -> Iterator[Row]:
    """KAdam on 30M parameters in nanoGPT's shapes, two threads, against fused AdamW."""
    import torch
    from nanogpt import NanoGPT

    torch.set_num_threads(2)
    shapes = [p.shape for p in NanoGPT(50_257, 256, 6, 6, 384, 0.0).parameters()]
    limits = {
        False: lambda k: 1.3 if k <= 3 else 1.5,
        True: lambda k: 1.6 if k <= 2 else 2.2,
    }
    yield from _optimizers(shapes, "30M", (1, 2, 3, 5), limits, max(5, args.rounds // 2))


def _optimizers(
    shapes: list[Any], name: str, ks: tuple[int, ...], limits: dict[bool, Any], rounds: int
) -> Iterator[Row]:
    import torch

    from adamct import KAdam

    def parameters() -> list[torch.nn.Parameter]:
        generator = torch.Generator().manual_seed(0)
        params = [torch.nn.Parameter(torch.randn(s, generator=generator)) for s in shapes]
        for p in params:
            p.grad = torch.randn(p.shape, generator=generator)
        return params

    fused = torch.optim.AdamW(parameters(), fused=True)
    for k in ks:
        for track, limit in limits.items():
            optimizer = KAdam(parameters(), k=k, track_max_update=track)
            ms = in_turn({"ours": optimizer.step, "fused": fused.step}, rounds=rounds)
            ratio = ms["ours"] / ms["fused"] * 7 / (4 * k + 3)
            words = f"KAdam, {name}, k={k}{', tracked' if track else ''} / (4k+3)/7 fused AdamW"
            yield Row(words, ratio, limit(k), *ms.values())


def _training(
    overrides: list[str], vocab_size: int | None = None
) -> tuple[Callable[[], None], Any, Any]:
    """What takes a step as the runner does, the corpus, and the model."""
    from adamct.config.compose import compose_sweep
    from adamct.train import Training, drain, observe

    sweep = compose_sweep([f"experiment={LAPTOP}", *overrides, "n_steps=100000"], sweep=False)
    spec = sweep[0].spec
    training = Training(spec, sweep.execution, data_dir=sweep.data_dir, cache_dir=sweep.cache_dir)
    pending: list[Any] = []
    n = 0

    def step() -> None:
        nonlocal n
        before = observe(spec.observe, training.state(n))
        pending.append({"n": n, **before, **observe(spec.observe, training.step(n))})
        n += 1
        if len(pending) == sweep.execution.flush_every:
            drain(pending)
            pending.clear()

    corpus = spec.task.data.open(sweep.data_dir, sweep.cache_dir)
    return step, corpus.train, training.model


def _laptop_gpt() -> Any:
    return _training(["scale=laptop"])[2]


def _nanogpt(model: Any) -> Any:
    from nanogpt import NanoGPT

    c = model.config
    return NanoGPT(c.vocab_size, c.block_size, c.n_layer, c.n_head, c.d_model, c.dropout)


BLOCKS = (laptop_step, laptop_optimizer, large_step, large_optimizer)


def print_table(rows: list[Row]) -> int:
    """Print the rows, and return how many miss their limit."""
    width = max(len(row.name) for row in rows)
    print(f"{'':{width}}  ratio  limit      ours  baseline")
    for row in rows:
        mark = "" if row.ratio <= row.limit else "  misses"
        print(
            f"{row.name:{width}}  {row.ratio:5.2f}  {row.limit:5.2f}  {row.ours:8.3f}  "
            f"{row.baseline:8.3f} ms{mark}"
        )
    return sum(row.ratio > row.limit for row in rows)


def run(args: argparse.Namespace) -> None:
    """Run the chosen blocks, and print the table."""
    rows = []
    for block in BLOCKS:
        if args.only and block.__name__ not in args.only:
            continue
        for row in block(args):
            rows.append(row)
            print(f"{row.name}: {row.ratio:.2f}", file=sys.stderr, flush=True)
    print_table(rows)
