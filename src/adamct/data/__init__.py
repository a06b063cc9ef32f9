"""What the models are trained on: characters, tokens and pictures, each with its hash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adamct.lazy import lazy

if TYPE_CHECKING:
    from adamct.data.corpora import Corpus as Corpus
    from adamct.data.corpora import open_corpus as open_corpus
    from adamct.data.image_batches import AUGMENTATIONS as AUGMENTATIONS
    from adamct.data.image_batches import Augmentation as Augmentation
    from adamct.data.image_batches import image_batch as image_batch
    from adamct.data.image_batches import ordered_batches as ordered_batches
    from adamct.data.image_batches import steps_per_epoch as steps_per_epoch
    from adamct.data.images import ImageSet as ImageSet
    from adamct.data.images import open_images as open_images
    from adamct.data.locations import DataError as DataError
    from adamct.data.locations import default_prepared as default_prepared
    from adamct.data.locations import default_source as default_source
    from adamct.data.text_batches import text_batch as text_batch
    from adamct.data.text_batches import unigram_cross_entropy as unigram_cross_entropy

# Loaded on first use: opening a corpus must not pay for torch, nor `--help` for anything.
_LAZY = {
    "AUGMENTATIONS": "adamct.data.image_batches",
    "Augmentation": "adamct.data.image_batches",
    "ImageSet": "adamct.data.images",
    "image_batch": "adamct.data.image_batches",
    "open_images": "adamct.data.images",
    "ordered_batches": "adamct.data.image_batches",
    "steps_per_epoch": "adamct.data.image_batches",
    "Corpus": "adamct.data.corpora",
    "DataError": "adamct.data.locations",
    "default_prepared": "adamct.data.locations",
    "default_source": "adamct.data.locations",
    "open_corpus": "adamct.data.corpora",
    "text_batch": "adamct.data.text_batches",
    "unigram_cross_entropy": "adamct.data.text_batches",
}
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

__getattr__, __dir__ = lazy(__name__, _LAZY)
