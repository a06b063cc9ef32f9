"""Every seed and every stream of random numbers of a run, in one place.

A run has one seed. Whatever is random in it is a function of that seed and of an index (a step, an
epoch) alone, so that the runs of a sweep see the same data in the same order, and a resumed run
goes on as if it had never stopped.

| what | drawn by | key | index |
|---|---|---|---|
| initialization | torch's generator | ``stream_seed(seed, "initialization")`` | |
| dropout | torch's generator | ``dropout_seed(seed, n)`` | step n |
| windows of text | :func:`window_starts` | ``stream_seed(seed, "batches")`` | step n |
| order of images | :func:`permutation`, ``ORDER`` | ``stream_seed(seed, "batches")`` | epoch |
| crops and flips | :func:`uniform_integers`, ``AUGMENTATION`` | likewise | step n |
| validation split | :func:`permutation`, ``HOLD_OUT`` | 0 | 0 |
| evaluation on text | :func:`window_starts` | ``stream_seed(0, "evaluation")`` | batch |
| observed parameters | :func:`sampled_indices` | 0 | |

Data are drawn on the CPU whatever the device, from raw words of the counter-based generator
Philox-4x64-10: NumPy fixes those for good, and what its distributions make of them only within one
release. The sampled indices alone come from such a distribution. What figures and claims draw
(resampling, random pairs) has a fixed seed where it is drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Stream = Literal["initialization", "batches", "dropout", "evaluation"]


class Purpose(IntEnum):
    """What random numbers on images are for: each has a stream of its own under one seed."""

    ORDER = 0
    AUGMENTATION = 1
    HOLD_OUT = 2


def stream_seed(seed: int, stream: Stream) -> int:
    """Derive the 64-bit seed of one stream of randomness, so that no two share their numbers.

    Example:
        >>> stream_seed(0, "batches") != stream_seed(0, "initialization")
        True
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{stream}".encode()).digest()[:8], "big")


def dropout_seed(seed: int, step: int) -> int:
    """Return the 64-bit seed of torch's generator for the dropout of one step."""
    sequence = np.random.SeedSequence([stream_seed(seed, "dropout"), step])
    return int(sequence.generate_state(1, np.uint64)[0])


def window_starts(n_starts: int, count: int, *, seed: int, step: int) -> NDArray[np.int64]:
    """Draw where the windows of a text batch begin: uniform in 0…n_starts−1, with replacement.

    Args:
        n_starts: number of places where a window can begin.
        count: number of windows.
        seed: the key of Philox, 0 <= seed < 2¹²⁸.
        step: its counter begins at step · 2¹²⁸, 0 <= step < 2¹²⁸.

    Returns:
        int64 of shape (count,).
    """
    words = np.random.Philox(key=seed, counter=step << 128).random_raw(count)
    uniform = (words >> np.uint64(11)) * 2.0**-53  # in [0, 1), exact in float64
    return (uniform * n_starts).astype(np.int64)


@lru_cache(maxsize=4)  # an epoch asks for the same order at every step
def permutation(n: int, seed: int, purpose: Purpose, index: int) -> NDArray[np.int64]:
    """Return a permutation of 0…n−1, int64 and read-only: the order of n random 64-bit keys.

    Example:
        >>> sorted(permutation(4, 0, Purpose.ORDER, 0).tolist())
        [0, 1, 2, 3]
    """
    order = np.argsort(random_words(n, seed, purpose, index), kind="stable")
    order.flags.writeable = False
    return order


def uniform_integers(
    spans: Sequence[int], n: int, seed: int, purpose: Purpose, index: int
) -> NDArray[np.int64]:
    """Draw n integers in 0…span−1 for each of some spans below 2³².

    ⌊span · w / 2³²⌋ for the upper half w of each random word: uniform up to span / 2³².

    Returns:
        int64 of shape (len(spans), n).

    Example:
        >>> uniform_integers([1, 9], 3, 0, Purpose.AUGMENTATION, 0).shape
        (2, 3)
    """
    words = random_words(len(spans) * n, seed, purpose, index).reshape(len(spans), n)
    return ((words >> 32) * np.array(spans, dtype=np.uint64)[:, None] >> 32).astype(np.int64)


@lru_cache  # asked for at every step
def sampled_indices(n: int, size: int) -> NDArray[np.int64]:
    """Draw distinct indices below n, the same in every run; all of them where n <= size.

    Example:
        >>> sampled_indices(10**6, 3).tolist() == sampled_indices(10**6, 3).tolist()
        True
    """
    return np.random.default_rng(0).choice(n, size=min(n, size), replace=False)


def random_words(count: int, seed: int, purpose: Purpose, index: int) -> NDArray[np.uint64]:
    """Return the first ``count`` 64-bit words of the Philox stream of (seed, purpose, index).

    Raises:
        ValueError: for a seed or an index outside [0, 2⁶⁴).
    """
    for name, value in (("seed", seed), ("index", index)):
        if not 0 <= value < 2**64:
            raise ValueError(
                f"{name} = {value}, expected an integer in [0, 2**64); choose one within it, since "
                "Philox takes no other"
            )
    # The lowest word of the counter counts within the stream.
    return np.random.Philox(key=seed + (purpose << 64), counter=index << 64).random_raw(count)
