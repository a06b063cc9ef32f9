"""Runs of the product, at any size, on random data: no file is read, and Hydra is not needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adamct.config.data_sets import ImageData, TextData
from adamct.config.execution import Execution
from adamct.config.spec import RunSpec
from adamct.data.corpora import Corpus
from adamct.data.image_set import ImageSet, Split
from adamct.train import Training, drain, observe

LAPTOP_GPT = {"n_layer": 2, "n_head": 4, "d_model": 64, "block_size": 64, "dropout": 0.0}
PAPER_GPT = {"n_layer": 6, "n_head": 6, "d_model": 384, "block_size": 256, "dropout": 0.0}
TINY_GPT = {"n_layer": 1, "n_head": 2, "d_model": 16, "block_size": 16, "dropout": 0.0}


class RandomText(TextData):
    """Tokens drawn at random, each from those below ``vocab_size``."""

    kind: str = "text"  # type: ignore[assignment]
    corpus: str = "random"
    sha256: str | None = "random"

    def open(self, data_dir: Path | None, cache_dir: Path) -> Corpus:
        """Draw them."""
        assert self.vocab_size is not None
        tokens = np.random.default_rng(0).integers(self.vocab_size, size=2**20, dtype=np.uint16)
        return Corpus("random", "char", self.vocab_size, tokens[2**14 :], tokens[: 2**14], "random")


class RandomImages(ImageData):
    """Noise of CIFAR-10's shape, as many images as its train split has."""

    kind: str = "images"  # type: ignore[assignment]
    corpus: str = "random"
    n_images: int = 50_000

    def open(self, data_dir: Path | None, cache_dir: Path) -> ImageSet:
        """Draw them."""
        return random_images(self.n_images)


def random_images(n: int) -> ImageSet:
    """Images of 3 × 32 × 32 random bytes in ten classes."""
    generator = torch.Generator().manual_seed(0)

    def split(size: int) -> Split:
        pixels = torch.randint(256, (size, 3, 32, 32), dtype=torch.uint8, generator=generator)
        return Split(pixels, torch.randint(10, (size,), generator=generator))

    return ImageSet.from_splits("random", split(n), split(100), 10)


def gpt_spec(shape: Mapping[str, Any], vocab_size: int, batch_size: int, **changes: Any) -> RunSpec:
    """The spec of a GPT on random tokens: Figure 3's pair on the normal curve unless told else."""
    model = {"kind": "gpt", **shape}
    task = {"model": model, "data": RandomText(vocab_size=vocab_size), "batch_size": batch_size}
    return _spec(task, **changes)


def cnn_spec(width: float, batch_size: int, n_images: int = 50_000, **changes: Any) -> RunSpec:
    """The spec of a CNN on random images."""
    data = RandomImages(n_images=n_images)
    data = data.model_copy(update={"sha256": data.open(None, Path()).sha256})
    model = {"kind": "cnn", "width": width}
    return _spec({"model": model, "data": data, "batch_size": batch_size}, **changes)


def _spec(task: Mapping[str, Any], **changes: Any) -> RunSpec:
    values = {
        "task": task,
        "optimizer": {"lr": 1e-3, "betas": [0.999], "gammas": [0.9]},
        "schedule": {"kind": "constant"},
        "n_steps": 100_000,
        "seed": 0,
        "observe": ["train_loss", "max_update", "lr"],
    }
    return RunSpec.model_validate(values | changes)


def training(spec: RunSpec, execution: Execution) -> Training:
    """The training of a spec whose data are made up."""
    return Training(spec, execution, data_dir=None, cache_dir=Path("data"))


def recorded_step(run: Training, flush_every: int = 50) -> Callable[[], None]:
    """What takes the next step as the runner does: observed, and drained at each flush."""
    pending: list[Any] = []
    n = 0

    def step() -> None:
        nonlocal n
        before = observe(run.spec.observe, run.state(n))
        pending.append({"n": n, **before, **observe(run.spec.observe, run.step(n))})
        n += 1
        if len(pending) == flush_every:
            drain(pending)
            pending.clear()

    return step
