"""What is trained on: a task gives the batches of its data, and scores a model on it.

The loop knows nothing of text or images; each task is here once.
"""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from adamct.config.architectures import TextModelSpec
from adamct.config.data_sets import ImageData, TextData
from adamct.config.spec import RunSpec
from adamct.data import Corpus
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
    data = spec.task.data
    task: Task
    if isinstance(data, TextData):
        corpus = _corpus(data, data_dir, cache_dir)
        found, task = corpus.sha256, TextTask(spec, corpus, device)
    else:
        images = _images(data, device, data_dir, cache_dir)
        found, task = images.sha256, ImageTask(spec, images)
    if found != data.sha256:
        raise ValueError(
            f"the data {data.corpus!r} have sha256 {found}, the spec expects {data.sha256}: they "
            "changed since the spec was composed; compose it again for a run on the new data, or "
            "bring the old data back to go on with this one"
        )
    return task


class TextTask:
    """A model of token sequences on windows of a corpus."""

    def __init__(self, spec: RunSpec, corpus: Corpus, device: torch.device) -> None:
        task, self._spec = spec.task, spec
        assert isinstance(task.model, TextModelSpec)  # as the spec checks
        block_size = task.model.block_size
        self.of_data = {"vocab_size": corpus.vocab_size}
        self._windows = partial(
            text_batch, batch_size=task.batch_size, block_size=block_size, device=device
        )
        n_train = round(len(corpus.train) * (1 - task.data.validation_fraction))
        self._train = corpus.train[:n_train]
        self._held_out = {"test": corpus.validation}
        if task.data.validation_fraction:
            self._held_out["validation"] = corpus.train[n_train:]

    def batch(self, n: int) -> Batch:
        """Return the windows of step n."""
        return self._windows(self._train, seed=stream_seed(self._spec.seed, "batches"), step=n)

    def evaluate(self, model: Network) -> dict[str, Tensor]:
        """Return the mean loss over the fixed batches of each held-out split."""
        assert self._spec.evaluation is not None
        assert self._spec.evaluation.n_batches is not None  # as the spec checks
        steps = range(self._spec.evaluation.n_batches)
        # One stream for every seed: runs are compared on the same held-out batches.
        seed = stream_seed(0, "evaluation")
        scores = {}
        for name, tokens in self._held_out.items():
            batches = (self._windows(tokens, seed=seed, step=step) for step in steps)
            scores[f"{name}_loss"] = torch.stack([model.loss(*batch) for batch in batches]).mean()
        return scores


class ImageTask:
    """A classifier on labelled images."""

    def __init__(self, spec: RunSpec, images: ImageSet) -> None:
        assert isinstance(spec.task.data, ImageData)
        self._images = images
        channels, size = images.train.images.shape[1:3]
        self.of_data = {"image_size": size, "channels": channels, "n_classes": images.n_classes}
        asked = spec.task.data.augmentation
        self._draw = partial(
            image_batch,
            images,
            batch_size=spec.task.batch_size,
            seed=stream_seed(spec.seed, "batches"),
            **(asked.model_dump() if asked else {}),
        )

    def batch(self, n: int) -> Batch:
        """Return the images and labels of step n."""
        return self._draw(step=n)

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


@lru_cache(maxsize=1)  # the runs of a sweep share their data
def _corpus(data: TextData, data_dir: Path | None, cache_dir: Path) -> Corpus:
    return data.open(data_dir, cache_dir)


@lru_cache(maxsize=1)
def _images(
    data: ImageData, device: torch.device, data_dir: Path | None, cache_dir: Path
) -> ImageSet:
    return data.open(data_dir, cache_dir).to(device)
