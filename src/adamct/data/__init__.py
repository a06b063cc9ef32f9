"""What the models are trained on: characters, tokens and pictures, each with its hash."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from adamct.data.corpora import Corpus, open_corpus
from adamct.data.locations import DataError, default_prepared, default_source

if TYPE_CHECKING:
    from adamct.data.image_batches import (
        AUGMENTATIONS,
        Augmentation,
        image_batch,
        ordered_batches,
        steps_per_epoch,
    )
    from adamct.data.images import ImageSet, open_images
    from adamct.data.text_batches import text_batch, unigram_cross_entropy

__all__ = [
    "AUGMENTATIONS",
    "Augmentation",
    "Corpus",
    "DataError",
    "ImageSet",
    "default_prepared",
    "default_source",
    "image_batch",
    "open_corpus",
    "open_images",
    "ordered_batches",
    "steps_per_epoch",
    "text_batch",
    "unigram_cross_entropy",
]


def __getattr__(name: str) -> object:
    if name in __all__:  # on first use: opening a corpus must not pay for torch
        for module in ("image_batches", "images", "text_batches"):
            found = importlib.import_module(f"adamct.data.{module}")
            if hasattr(found, name):
                return getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
