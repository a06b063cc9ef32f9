"""What is known of the named data sets before they are opened; free of torch.

Any other text corpus or image set is told by its files alone: see :mod:`adamct.data.corpora` and
:mod:`adamct.data.images`. An entry here lets the cost of a run be told without its data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from adamct.data.locations import DataError

T = TypeVar("T")


@dataclass(frozen=True)
class ImageFacts:
    """Size of a set of images: height = width in pixels, channels, classes, images a split."""

    size: int
    channels: int
    n_classes: int
    n_train: int
    n_test: int


IMAGE_SETS = {
    "cifar10": ImageFacts(size=32, channels=3, n_classes=10, n_train=50_000, n_test=10_000),
    "digits": ImageFacts(size=8, channels=1, n_classes=10, n_train=1438, n_test=359),
}
VOCABULARIES = {"c4": 50257, "shakespeare": 65, "pydoc_topics": 103}  # the last on Python 3.11


def known(table: Mapping[str, T], name: str) -> T:
    """Return what a table of this module says of a data set.

    Raises:
        DataError: if nothing.

    Example:
        >>> known(IMAGE_SETS, "cifar10").n_classes
        10
    """
    if name not in table:
        raise DataError(
            f"the size of {name!r} is not known without its data: add it to the tables of "
            "adamct/data/catalogue.py"
        )
    return table[name]
