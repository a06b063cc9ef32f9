"""Batches of text and images as functions of (seed, step) alone.

What is random comes from :mod:`adamct.data.rng`, on the CPU whatever the device. The data are on
the device, images as one uint8 tensor; so only draws travel there, and nothing waits for them. A
corpus too large for that stays in host memory. There are no worker processes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from adamct.data.image_set import ImageSet, Split
from adamct.data.rng import Purpose, permutation, uniform_integers, window_starts

LARGEST_ON_GPU = 2**30  # tokens, 2 GB; paper scale needs at most 330 million

Tokens = NDArray[np.uint16] | Tensor


def tokens_on(device: torch.device | str, tokens: NDArray[np.uint16]) -> Tokens:
    """Copy tokens to a GPU, as int16 of the same bits; on the CPU they stay the map they are.

    >>> tokens_on("cpu", np.arange(3, dtype=np.uint16))
    array([0, 1, 2], dtype=uint16)
    """
    if torch.device(device).type == "cpu" or len(tokens) > LARGEST_ON_GPU:
        return tokens
    return torch.tensor(tokens.view(np.int16), device=device)  # uint16 lacks most operations


def text_batch(
    tokens: Tokens,
    *,
    seed: int,
    step: int,
    batch_size: int,
    block_size: int,
    device: torch.device | str = "cpu",
) -> tuple[Tensor, Tensor]:
    """Windows of a corpus, and the same windows one token later.

    Starts are uniform over the split, with replacement, and depend on (seed, step) alone: runs of
    a sweep see the same data in the same order, and a resumed run goes on where it was.

    Args:
        tokens: one split, 1-D, as ``tokens_on`` gives it; a memory map of any length is read only
            where windows lie.
        seed: 0 <= seed < 2¹²⁸; evaluation passes another one than training.
        step: the step index n, from 0.
        batch_size: number of windows.
        block_size: tokens per window.
        device: where the batch goes; that of the tokens, if they are a tensor.

    Returns:
        x and y, int64, each (batch_size, block_size), with y[:, :-1] = x[:, 1:].

    Raises:
        ValueError: if the split holds fewer than block_size + 1 tokens.

    >>> x, y = text_batch(np.arange(100, dtype=np.uint16), seed=0, step=0,
    ...                   batch_size=2, block_size=4)
    >>> (y - x).tolist()
    [[1, 1, 1, 1], [1, 1, 1, 1]]
    """
    n_starts = len(tokens) - block_size
    if n_starts < 1:
        raise ValueError(
            f"a split of {len(tokens)} tokens holds no window of block_size + 1 = "
            f"{block_size + 1}: shorten block_size or take a larger corpus"
        )
    starts = window_starts(n_starts, batch_size, seed=seed, step=step)
    if isinstance(tokens, Tensor):
        first = _to_device(torch.from_numpy(starts), device)[:, None]
        index = first + torch.arange(block_size + 1, device=device)
        windows = tokens[index].to(torch.int64) & 0xFFFF  # int16 counts 40,000 as -25,536
    else:
        drawn = tokens[starts[:, None] + np.arange(block_size + 1)].astype(np.int64)
        windows = _to_device(torch.from_numpy(drawn), device)
    return windows[:, :-1].contiguous(), windows[:, 1:].contiguous()


def image_batch(
    images: ImageSet,
    *,
    batch_size: int,
    seed: int,
    step: int,
    padding: int = 0,
    flip: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return the training batch of a step: normalized images and their labels.

    Images are augmented each for itself: a random crop after padding with black, and a random
    horizontal flip.

    Epoch e is a permutation of the train split determined by (seed, e), cut into
    ``steps_per_epoch`` batches; the images left over sit that epoch out, so that every batch has
    the same size and the same gradient noise.

    Args:
        images: the data, on the device where the batch is wanted.
        batch_size: images a batch, B.
        seed: any integer in [0, 2⁶⁴).
        step: index of the step, from 0.
        padding: pixels added on each side; a crop is shifted by at most as many.
        flip: mirror every second image on average.

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
    draws = batch_indices(len(split), batch_size=batch_size, seed=seed, step=step)[None]
    if augmented := bool(padding or flip):
        crops_and_flips = augmentation_draws(batch_size, padding, flip, seed=seed, step=step)
        draws = np.concatenate([draws, crops_and_flips])
    # A copy, since an epoch's order is kept and read-only; one transfer for all draws.
    index, *shifts = _to_device(torch.from_numpy(draws.copy()), split.labels.device)
    x = split.images.index_select(0, index)
    if augmented:
        x = flip_and_crop(x, *shifts, padding=padding)
    return normalize(x, images.mean, images.std), split.labels.index_select(0, index)


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
    """Return the number of whole batches in ``n`` images.

    Raises:
        ValueError: if there is none.

    Example:
        >>> steps_per_epoch(50_000, 512)
        97
    """
    if not 1 <= batch_size <= n:
        raise ValueError(
            f"batch_size = {batch_size}, expected 1 to {n}, the number of training images"
        )
    return n // batch_size


def batch_indices(n: int, *, batch_size: int, seed: int, step: int) -> NDArray[np.int64]:
    """Return which of ``n`` images make the batch of a step: int64 of shape (batch_size,)."""
    epoch, batch = divmod(step, steps_per_epoch(n, batch_size))
    order = permutation(n, seed, Purpose.ORDER, epoch)
    return order[batch * batch_size : (batch + 1) * batch_size]


def augmentation_draws(
    n: int, padding: int, flip: bool, *, seed: int, step: int
) -> NDArray[np.int64]:
    """Draw the crop and flip of each of ``n`` images.

    Returns:
        int64 of shape (3, n): rows and columns in 0…2·padding, where the crop begins in the padded
        image, and flips in {0, 1}.
    """
    n_shifts = 2 * padding + 1
    spans = (n_shifts, n_shifts, 1 + flip)
    return uniform_integers(spans, n, seed, Purpose.AUGMENTATION, step)


def flip_and_crop(
    images: Tensor, rows: Tensor, columns: Tensor, flips: Tensor, *, padding: int
) -> Tensor:
    """Mirror each image where its flip is 1, pad it with zeros, and cut it at (row, column).

    Args:
        images: shape (B, C, H, W), any dtype.
        rows: int64 of shape (B,), values in 0…2·padding; likewise ``columns``.
        columns: see ``rows``.
        flips: int64 of shape (B,), values 0 or 1.
        padding: pixels added on each side.

    Returns:
        A new tensor of the shape and dtype of ``images``.

    Example:
        >>> image = torch.tensor([[[[1, 2], [3, 4]]]])
        >>> one, zero = torch.tensor([1]), torch.tensor([0])
        >>> flip_and_crop(image, one, one, one, padding=1).tolist()
        [[[[2, 1], [4, 3]]]]
        >>> flip_and_crop(image, zero, one, zero, padding=1).tolist()
        [[[[0, 0], [1, 2]]]]
    """
    n, n_channels, height, width = images.shape
    n_rows, n_columns = height + 2 * padding, width + 2 * padding
    arange = torch.arange(max(n, n_channels, height), device=images.device)
    both = torch.cat([images, images.flip(-1)])
    flipped = both.index_select(0, arange[:n] + n * flips)
    pixels = F.pad(flipped, (padding, padding, padding, padding)).flatten()
    # Each row of a crop is `width` adjacent pixels, so one gather of whole rows does it all; pixel
    # by pixel, or through a two-dimensional window, the same takes several times as long.
    channel = arange[:n, None, None] * n_channels + arange[:n_channels, None]
    row = rows[:, None, None] + arange[:height]
    starts = (channel * n_rows + row) * n_columns + columns[:, None, None]  # (B, C, H)
    return pixels.unfold(0, width, 1).index_select(0, starts.flatten()).view(images.shape)


def normalize(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Return (x/255 − mean)/std in float32, for uint8 images of shape (…, C, H, W)."""
    mean, std = (255 * statistic[:, None, None] for statistic in (mean, std))
    return images.to(torch.float32).sub_(mean).div_(std)


def _to_device(tensor: Tensor, device: torch.device | str) -> Tensor:
    if torch.device(device).type == "cuda":  # from pinned memory the copy overlaps with compute
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
