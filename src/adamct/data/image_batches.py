"""Batches of pictures as a function of (seed, step) alone: order, crops and flips, normalization.

The pictures stay one uint8 tensor on the device; there are no worker processes. What is random
comes from a counter-based generator keyed by (seed, step), on the CPU whatever the device, so that
every run of a sweep sees the same pictures in the same order, and a resumed run goes on as if it
had never stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from adamct.data.images import ImageSet, Split


@dataclass(frozen=True)
class Augmentation:
    """Random crop after padding with black, and random horizontal flip.

    Args:
        padding: pixels added on each side; a crop is shifted by at most as many.
        flip: mirror every second picture on average.
    """

    padding: int = 4
    flip: bool = True

    def __post_init__(self) -> None:
        if self.padding < 0:
            raise ValueError(f"padding = {self.padding}, expected at least 0")


# A mirrored digit is no digit, and 4 pixels are half of one.
AUGMENTATIONS = {"cifar10": Augmentation(), "digits": Augmentation(padding=1, flip=False)}


def image_batch(
    images: ImageSet,
    *,
    batch_size: int,
    seed: int,
    step: int,
    augmentation: Augmentation | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the training batch of a step: normalized images and their labels.

    Epoch e is a permutation of the train split determined by (seed, e), cut into
    ``steps_per_epoch`` batches; the pictures left over sit that epoch out, so that every batch has
    the same size and the same gradient noise.

    Args:
        images: the data, on the device where the batch is wanted.
        batch_size: pictures a batch, B.
        seed: any integer in [0, 2⁶⁴).
        step: index of the step, from 0.
        augmentation: ``None`` for the pictures as they are.

    Returns:
        Images, float32 of shape (B, C, H, W), and labels, int64 of shape (B,).

    Raises:
        ValueError: if the train split is smaller than a batch, or seed or step out of range.

    Example:
        >>> from adamct.data.images import open_images
        >>> digits = open_images("digits")
        >>> x, y = image_batch(digits, batch_size=64, seed=0, step=7)
        >>> x.shape, y.shape
        (torch.Size([64, 1, 8, 8]), torch.Size([64]))
    """
    split = images.train
    draws = [batch_indices(len(split), batch_size=batch_size, seed=seed, step=step)]
    if augmentation is not None:
        draws += augmentation_draws(batch_size, augmentation, seed=seed, step=step)
    drawn = torch.from_numpy(np.stack(draws))
    device = split.labels.device
    if device.type == "cuda":  # from pinned memory the copy waits for nothing
        drawn = drawn.pin_memory()
    index, *shifts = drawn.to(device, non_blocking=True)
    pictures = split.images.index_select(0, index)
    if augmentation is not None:
        pictures = flip_and_crop(pictures, *shifts, padding=augmentation.padding)
    return normalize(pictures, images.mean, images.std), split.labels.index_select(0, index)


def ordered_batches(
    images: ImageSet, split: Split, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield a whole split for evaluation, normalized, in its own order; the last may be short.

    Example:
        >>> from adamct.data.images import open_images
        >>> digits = open_images("digits")
        >>> sum(len(y) for x, y in ordered_batches(digits, digits.test, 128)) == len(digits.test)
        True
    """
    for start in range(0, len(split), batch_size):
        part = slice(start, start + batch_size)
        yield normalize(split.images[part], images.mean, images.std), split.labels[part]


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Return the number of whole batches in ``n`` pictures.

    Raises:
        ValueError: if there is none.

    Example:
        >>> steps_per_epoch(50_000, 512)
        97
    """
    if not 1 <= batch_size <= n:
        raise ValueError(
            f"batch_size = {batch_size}, expected 1 to {n}, the number of training pictures"
        )
    return n // batch_size


def batch_indices(n: int, *, batch_size: int, seed: int, step: int) -> np.ndarray:
    """Return which of ``n`` pictures make the batch of a step: int64 of shape (batch_size,)."""
    epoch, batch = divmod(step, steps_per_epoch(n, batch_size))
    order = permutation(n, seed, Purpose.ORDER, epoch)
    return order[batch * batch_size : (batch + 1) * batch_size]


def augmentation_draws(
    n: int, augmentation: Augmentation, *, seed: int, step: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw the crop and flip of each of ``n`` pictures.

    Returns:
        Rows and columns in 0…2·padding, where the crop begins in the padded picture, and flips in
        {0, 1}; int64, each of shape (n,).
    """
    words = random_words(3 * n, seed, Purpose.AUGMENTATION, step).reshape(3, n)
    n_shifts = 2 * augmentation.padding + 1
    spans = np.array([n_shifts, n_shifts, 1 + augmentation.flip], dtype=np.uint64)[:, None]
    # ⌊span·w/2³²⌋ for the upper half w of each word: uniform up to span/2³².
    rows, columns, flips = ((words >> 32) * spans >> 32).astype(np.int64)
    return rows, columns, flips


def flip_and_crop(
    pictures: Tensor, rows: Tensor, columns: Tensor, flips: Tensor, *, padding: int
) -> Tensor:
    """Mirror each picture where its flip is 1, pad it with zeros, and cut it at (row, column).

    Args:
        pictures: shape (B, C, H, W), any dtype.
        rows: int64 of shape (B,), values in 0…2·padding; likewise ``columns``.
        columns: see ``rows``.
        flips: int64 of shape (B,), values 0 or 1.
        padding: pixels added on each side.

    Returns:
        A new tensor of the shape and dtype of ``pictures``.

    Example:
        >>> picture = torch.tensor([[[[1, 2], [3, 4]]]])
        >>> one, zero = torch.tensor([1]), torch.tensor([0])
        >>> flip_and_crop(picture, one, one, one, padding=1).tolist()
        [[[[2, 1], [4, 3]]]]
        >>> flip_and_crop(picture, zero, one, zero, padding=1).tolist()
        [[[[0, 0], [1, 2]]]]
    """
    n, n_channels, height, width = pictures.shape
    n_rows, n_columns = height + 2 * padding, width + 2 * padding
    arange = torch.arange(max(n, n_channels, height), device=pictures.device)
    both = torch.cat([pictures, pictures.flip(-1)])
    pictures = both.index_select(0, arange[:n] + n * flips)
    pixels = F.pad(pictures, (padding, padding, padding, padding)).flatten()
    # Each row of a crop is `width` adjacent pixels, so one gather of whole rows does it all; pixel
    # by pixel, or through a two-dimensional window, the same takes several times as long.
    channel = arange[:n, None, None] * n_channels + arange[:n_channels, None]
    row = rows[:, None, None] + arange[:height]
    starts = (channel * n_rows + row) * n_columns + columns[:, None, None]  # (B, C, H)
    return pixels.unfold(0, width, 1).index_select(0, starts.flatten()).view(pictures.shape)


def normalize(pictures: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Return (x/255 − mean)/std in float32, for uint8 pictures of shape (…, C, H, W)."""
    mean, std = (255 * statistic[:, None, None] for statistic in (mean, std))
    return pictures.to(torch.float32).sub_(mean).div_(std)


class Purpose(IntEnum):
    """What random numbers are for: each purpose has a stream of its own under one seed."""

    ORDER = 0
    AUGMENTATION = 1
    HOLD_OUT = 2


@lru_cache(maxsize=4)  # an epoch asks for the same order at every step
def permutation(n: int, seed: int, purpose: Purpose, index: int) -> np.ndarray:
    """Return a permutation of 0…n−1, int64 and read-only: the order of n random 64-bit keys.

    Example:
        >>> sorted(permutation(4, 0, Purpose.ORDER, 0).tolist())
        [0, 1, 2, 3]
    """
    order = np.argsort(random_words(n, seed, purpose, index), kind="stable")
    order.flags.writeable = False
    return order


def random_words(count: int, seed: int, purpose: Purpose, index: int) -> np.ndarray:
    """Return the first ``count`` 64-bit words of the Philox stream of (seed, purpose, index).

    Raw words, since numpy fixes those for good but not what its distributions make of them.
    """
    for name, value in (("seed", seed), ("index", index)):
        if not 0 <= value < 2**64:
            raise ValueError(f"{name} = {value}, expected an integer in [0, 2**64)")
    key = np.array([seed, purpose], dtype=np.uint64)
    # The lowest word of the counter counts within the stream.
    counter = np.array([0, index, 0, 0], dtype=np.uint64)
    return np.random.Philox(key=key, counter=counter).random_raw(count)
