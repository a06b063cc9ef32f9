"""What is trained on, as a spec names it: a text or a set of labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from adamct.config.frozen import Frozen

if TYPE_CHECKING:
    from adamct.data import Corpus
    from adamct.data.image_set import ImageSet

# The name of a data set is that of its folder, in the folders of raw and of prepared data.
CORPUS = r"^\w[\w.-]*$"


class TextData(Frozen):
    """A token corpus, identified by the hash of its tokens and vocabulary."""

    kind: Literal["text"]
    corpus: str = Field(pattern=CORPUS)
    text_column: str = "text"  # of documents in C4's layout
    # Share of the train split, its end, that is held out to select on beside the test split.
    validation_fraction: float = Field(default=0.0, ge=0, lt=1)
    vocab_size: int | None = None  # filled in at composition, from the corpus itself
    sha256: str | None = None  # likewise; None only where a spec is composed without its data

    def open(self, data_dir: Path | None, cache_dir: Path) -> Corpus:
        """Open the corpus; see :func:`adamct.data.open_corpus`."""
        from adamct.data import open_corpus

        return open_corpus(
            self.corpus, source=data_dir, prepared=cache_dir, text_column=self.text_column
        )


class AugmentationSpec(Frozen):
    """Random crop after padding by so many pixels, and random horizontal flip."""

    padding: int = Field(ge=0)
    flip: bool


class ImageData(Frozen):
    """Labelled images, identified by the hash of all their splits."""

    kind: Literal["images"]
    corpus: str = Field(pattern=CORPUS)
    image_column: str = "img"  # of the hub's parquet files, as the next two
    label_column: str = "label"
    n_classes: int | None = Field(default=None, ge=1)  # None: as the train split shows
    augmentation: AugmentationSpec | None = None
    # Share of every class of the train split that is held out to select on beside the test split.
    validation_fraction: float = Field(default=0.0, ge=0, lt=1)
    sha256: str | None = None  # as for text

    def open(self, data_dir: Path | None, cache_dir: Path) -> ImageSet:
        """Open the images; see :func:`adamct.data.images.open_images`."""
        from adamct.data.images import Columns, open_images

        return open_images(
            self.corpus,
            source=data_dir,
            prepared=cache_dir,
            held_out=self.validation_fraction,
            columns=Columns(self.image_column, self.label_column, self.n_classes),
        )
