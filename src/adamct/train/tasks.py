"""What is trained on: a task gives the batches of its data, and scores a model on it.

The loop knows nothing of text or images; each task is here once.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from adamct.config.architectures import TextModelSpec
from adamct.config.data_sets import ImageData, TextData
from adamct.config.spec import RunSpec
from adamct.data.batches import image_batch, ordered_batches, text_batch
from adamct.data.image_set import ImageSet
from adamct.data.rng import stream_seed
from adamct.models.network import Network

Batch = tuple[Tensor, Tensor]

EVALUATION_BATCH = 1000  # images a forward pass; decides memory, and the last digits of a score


class Task(Protocol):
    """Data to train and to score a model on.

    Attributes:
        of_data: what a model must know of it (see ``ModelSpec.build``).
    """

    of_data: dict[str, int]

    def batch(self, n: int) -> Batch:
        """Return the training batch of step n, a function of (seed, n), on the device."""

    def evaluate(self, model: Network) -> dict[str, Tensor]:
        """Score the model, in evaluation mode, on the held-out splits.

        Returns:
            ``test_loss``, and ``test_accuracy`` for images; where a validation split is held
            out, the same for ``validation``. On the device.
        """


def open_task(
    spec: RunSpec, device: torch.device, *, data_dir: Path | None, cache_dir: Path
) -> Task:
    """Open the data of a spec, and check that it is the data that the spec was composed with."""
    if isinstance(spec.task.data, TextData):
        return TextTask(spec, device, data_dir, cache_dir)
    return ImageTask(spec, device, data_dir, cache_dir)


class TextTask:
    """A model of token sequences on windows of a corpus."""

    def __init__(
        self, spec: RunSpec, device: torch.device, data_dir: Path | None, cache_dir: Path
    ) -> None:
        data, model = spec.task.data, spec.task.model
        assert isinstance(data, TextData)
        assert isinstance(model, TextModelSpec)
        corpus = data.open(data_dir, cache_dir)
        _check_identity(data.corpus, corpus.sha256, data.sha256)
        self._spec, self._device = spec, device
        self._block_size = model.block_size
        self.of_data = {"vocab_size": corpus.vocab_size}
        n_train = round(len(corpus.train) * (1 - data.validation_fraction))
        self._train = corpus.train[:n_train]
        self._held_out = {"test": corpus.validation}
        if data.validation_fraction:
            self._held_out["validation"] = corpus.train[n_train:]

    def batch(self, n: int) -> Batch:
        """Return the windows of step n."""
        return self._batch(self._train, stream_seed(self._spec.seed, "batches"), n)

    def evaluate(self, model: Network) -> dict[str, Tensor]:
        """Return the mean loss over the fixed batches of each held-out split."""
        return {
            f"{name}_loss": torch.stack(
                [model.loss(*batch) for batch in self._held_out_batches(tokens)]
            ).mean()
            for name, tokens in self._held_out.items()
        }

    def _held_out_batches(self, tokens: np.ndarray) -> Iterator[Batch]:
        # One stream for every seed: runs are compared on the same held-out batches.
        assert self._spec.evaluation is not None
        assert self._spec.evaluation.n_batches is not None  # the spec sees to it
        for index in range(self._spec.evaluation.n_batches):
            yield self._batch(tokens, stream_seed(0, "evaluation"), index)

    def _batch(self, tokens: np.ndarray, seed: int, step: int) -> Batch:
        return text_batch(
            tokens,
            seed=seed,
            step=step,
            batch_size=self._spec.task.batch_size,
            block_size=self._block_size,
            device=self._device,
        )


class ImageTask:
    """A classifier on labelled images."""

    def __init__(
        self, spec: RunSpec, device: torch.device, data_dir: Path | None, cache_dir: Path
    ) -> None:
        data = spec.task.data
        assert isinstance(data, ImageData)
        self._spec = spec
        self._images = _images(data, device, data_dir, cache_dir)
        _check_identity(data.corpus, self._images.sha256, data.sha256)
        channels, size = self._images.train.images.shape[1:3]
        self.of_data = {
            "image_size": size,
            "channels": channels,
            "n_classes": self._images.n_classes,
        }
        self._augmentation = data.augmentation.model_dump() if data.augmentation else {}

    def batch(self, n: int) -> Batch:
        """Return the images and labels of step n."""
        return image_batch(
            self._images,
            batch_size=self._spec.task.batch_size,
            seed=stream_seed(self._spec.seed, "batches"),
            step=n,
            **self._augmentation,
        )

    def evaluate(self, model: Network) -> dict[str, Tensor]:
        """Return the mean loss and the accuracy over the whole of each held-out split."""
        scores = {}
        for name, split in (("test", self._images.test), ("validation", self._images.validation)):
            if split is None:
                continue
            batches = list(ordered_batches(self._images, split, EVALUATION_BATCH))
            logits = torch.cat([model(images) for images, _ in batches])
            scores[f"{name}_loss"] = F.cross_entropy(logits, split.labels)
            scores[f"{name}_accuracy"] = (logits.argmax(dim=1) == split.labels).float().mean()
        return scores


@lru_cache(maxsize=1)  # the runs of a sweep share their images
def _images(
    data: ImageData, device: torch.device, data_dir: Path | None, cache_dir: Path
) -> ImageSet:
    return data.open(data_dir, cache_dir).to(device)


def _check_identity(name: str, found: str, expected: str | None) -> None:
    if found != expected:
        raise ValueError(
            f"the data {name!r} have sha256 {found}, the spec expects {expected}: they changed "
            "since the spec was composed"
        )
