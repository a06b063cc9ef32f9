"""Batches of text as a pure function of (seed, step), and the baseline any model must beat."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def text_batch(
    tokens: NDArray[np.uint16],
    *,
    seed: int,
    step: int,
    batch_size: int,
    block_size: int,
    device: torch.device | str | None = None,
) -> tuple[Tensor, Tensor]:
    """Windows of a corpus, and the same windows one token later.

    Starts are uniform over the split, with replacement, and depend on (seed, step) alone: runs of
    a sweep see the same data in the same order, and a resumed run goes on where it was. They come
    from the counter-based generator Philox with key = seed and counter = step · 2¹²⁸. The raw
    64-bit stream is used, since NumPy guarantees it for good and a ``Generator``'s methods only
    within one release.

    Args:
        tokens: one split, 1-D; a memory map of any length is read only where windows lie.
        seed: the key, 0 <= seed < 2¹²⁸; evaluation passes another one than training.
        step: the step index n, from 0.
        batch_size: number of windows.
        block_size: tokens per window.
        device: where the batch goes; the corpus stays in host memory.

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
    raw = np.random.Philox(key=seed, counter=step << 128).random_raw(batch_size)
    uniform = (raw >> np.uint64(11)) * 2.0**-53  # in [0, 1), exact in float64
    starts = (uniform * n_starts).astype(np.int64)
    windows = tokens[starts[:, None] + np.arange(block_size + 1)]
    x = torch.from_numpy(windows[:, :-1].astype(np.int64))
    y = torch.from_numpy(windows[:, 1:].astype(np.int64))
    if device is None or torch.device(device).type == "cpu":
        return x, y
    if torch.device(device).type == "cuda":  # from pinned memory the copy overlaps with compute
        x, y = x.pin_memory(), y.pin_memory()
    return x.to(device, non_blocking=True), y.to(device, non_blocking=True)


def unigram_cross_entropy(
    train: NDArray[np.uint16], validation: NDArray[np.uint16], vocab_size: int
) -> float:
    """Cross-entropy in nats a token of the best guess that ignores context.

    −Σ_t (c_t / Σ c) ln p_t with c the counts in ``validation`` and p_t = (1 + counts in ``train``)
    normalized (add-one smoothing). A language model that has learnt anything of the order of
    tokens lies below it.

    Args:
        train: tokens that the frequencies are taken from, 1-D.
        validation: tokens to predict, 1-D.
        vocab_size: number of distinct tokens there can be.

    >>> even = np.array([0, 1, 2, 3], dtype=np.uint16)
    >>> round(unigram_cross_entropy(even, even, 4), 6)  # ln 4
    1.386294
    """
    train_counts = 1.0 + _counts(train, vocab_size)
    validation_counts = _counts(validation, vocab_size)
    log_p = np.log(train_counts / train_counts.sum())
    return float(-(validation_counts @ log_p) / validation_counts.sum())


def _counts(tokens: NDArray[np.uint16], vocab_size: int) -> NDArray[np.float64]:
    chunk = 1 << 24  # bincount widens to int64: eight bytes a token, so never the whole corpus
    counts = np.zeros(vocab_size)
    for start in range(0, len(tokens), chunk):
        counts += np.bincount(tokens[start : start + chunk], minlength=vocab_size)
    return counts
