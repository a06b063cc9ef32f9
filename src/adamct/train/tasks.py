"""What is trained on: a task gives the batches of its data, and scores a model on it.

The loop knows nothing of text or images; each task is here once.
"""

from __future__ import annotations

from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from adamct.config.architectures import TextModelSpec
from adamct.config.data_sets import ImageData
from adamct.config.spec import Data, RunSpec
from adamct.data import Corpus
from adamct.data.batches import Tokens, image_batch, ordered_batches, text_batch, tokens_on
from adamct.data.image_set import ImageSet
from adamct.data.rng import stream_seed
from adamct.models.network import Network
from adamct.train.compiled_loss import Loss

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

    def evaluate(self, model: Network, loss: Loss) -> dict[str, Tensor]:
        """Score the model, in evaluation mode, on the held-out splits.

        Args:
            model: the model.
            loss: the model's, as it is or compiled.

        Returns:
            ``test_loss``, and ``test_accuracy`` for images; where a validation split is held
            out, the same for ``validation``. On the device.
        """


def open_task(
    spec: RunSpec, device: torch.device, *, data_dir: Path | None, cache_dir: Path
) -> Task:
    """Open the data of a spec, and check that it is the data that the spec was composed with."""
    data = spec.task.data
    opened = _opened(data, device, data_dir, cache_dir)
    if opened.sha256 != data.sha256:
        raise ValueError(
            f"the data {data.corpus!r} have sha256 {opened.sha256}, the spec expects "
            f"{data.sha256}: they changed since the spec was composed; compose it again for a run "
            "on the new data, or bring the old data back to go on with this one"
        )
    if isinstance(opened, Corpus):
        return TextTask(spec, opened, device)
    return ImageTask(spec, opened)


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
        train, test = _on_device(corpus, device)
        n_train = round(len(train) * (1 - task.data.validation_fraction))
        self._train = train[:n_train]
        self._held_out = {"test": test}
        if task.data.validation_fraction:
            self._held_out["validation"] = train[n_train:]

    def batch(self, n: int) -> Batch:
        """Return the windows of step n."""
        return self._windows(self._train, seed=stream_seed(self._spec.seed, "batches"), step=n)

    def evaluate(self, model: Network, loss: Loss) -> dict[str, Tensor]:
        """Return the mean loss over the fixed batches of each held-out split."""
        return {
            f"{name}_loss": torch.stack([loss(*batch) for batch in batches]).mean()
            for name, batches in self._held_out_batches.items()
        }

    @cached_property
    def _held_out_batches(self) -> dict[str, list[Batch]]:
        assert self._spec.evaluation is not None
        assert self._spec.evaluation.n_batches is not None  # as the spec checks
        steps = range(self._spec.evaluation.n_batches)
        # One stream for every seed: runs are compared on the same held-out batches.
        draw = partial(self._windows, seed=stream_seed(0, "evaluation"))
        return {
            name: [draw(tokens, step=step) for step in steps]
            for name, tokens in self._held_out.items()
        }


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

    def evaluate(self, model: Network, loss: Loss) -> dict[str, Tensor]:
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
def _opened(
    data: Data, device: torch.device, data_dir: Path | None, cache_dir: Path
) -> Corpus | ImageSet:
    opened = data.open(data_dir, cache_dir)
    return opened if isinstance(opened, Corpus) else opened.to(device)


@lru_cache(maxsize=1)
def _on_device(corpus: Corpus, device: torch.device) -> tuple[Tokens, Tokens]:
    return tokens_on(device, corpus.train), tokens_on(device, corpus.validation)
