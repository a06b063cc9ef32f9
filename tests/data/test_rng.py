"""Streams of random numbers: Philox whatever numpy's release, apart from each other, uniform."""

import itertools

import numpy as np
import pytest
from scipy import stats

from adamct.data.rng import (
    Purpose,
    dropout_seed,
    permutation,
    random_words,
    sampled_indices,
    stream_seed,
    uniform_integers,
    window_starts,
)


def philox(key: int, counter: int) -> list[int]:
    """Philox4x64-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011)."""
    x = [counter >> (64 * i) & (2**64 - 1) for i in range(4)]
    k = [key >> (64 * i) & (2**64 - 1) for i in range(2)]
    for _ in range(10):
        a, b = x[0] * 0xD2E7470EE14C6C93, x[2] * 0xCA5A826395121157
        x = [(b >> 64) ^ x[1] ^ k[0], b, (a >> 64) ^ x[3] ^ k[1], a]
        x = [word % 2**64 for word in x]
        k = [(k[0] + 0x9E3779B97F4A7C15) % 2**64, (k[1] + 0xBB67AE8584CAA73B) % 2**64]
    return x


# Every record rests on these: they must not change with numpy's version. NumPy begins with block 1.
@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
def test_random_words_are_philoxs(seed):
    for purpose, index in ((Purpose.ORDER, 0), (Purpose.AUGMENTATION, 2**64 - 1)):
        blocks = (philox(seed + (purpose << 64), block + (index << 64)) for block in (1, 2, 3))
        assert random_words(12, seed, purpose, index).tolist() == list(itertools.chain(*blocks))


@pytest.mark.parametrize(("seed", "step"), [(0, 0), (1, 1000), (2**127 + 5, 2**63 + 1)])
def test_window_starts_are_philoxs(seed, step):
    words = [word for block in (1, 2) for word in philox(seed, (step << 128) + block)]
    expected = [int((word >> 11) * 2.0**-53 * 49_984) for word in words]
    assert window_starts(49_984, 8, seed=seed, step=step).tolist() == expected


def test_seeds_of_streams_are_what_records_were_made_with():
    assert stream_seed(0, "initialization") == 10863269894711249681
    assert stream_seed(0, "batches") == 4624113443193970833
    assert stream_seed(0, "evaluation") == 8651239554527750972
    assert (dropout_seed(0, 0), dropout_seed(7, 3)) == (9906915543014118949, 15962746830788006991)
    assert sampled_indices(10**6, 5).tolist() == [636959, 511135, 269786, 307829, 850620]
    assert sorted(sampled_indices(3, 16)) == [0, 1, 2]


def test_streams_of_seeds_purposes_and_indices_are_apart():
    keys = [(seed, purpose, i) for seed in (0, 1, 2**63) for purpose in Purpose for i in (0, 1, 7)]
    words = np.concatenate([random_words(500, *key) for key in keys])
    assert len(np.unique(words)) == len(words)
    assert np.array_equal(random_words(500, *keys[0])[:20], random_words(20, *keys[0]))
    streams = ("initialization", "batches", "dropout", "evaluation")
    seeds = {stream_seed(seed, stream) for seed in range(9) for stream in streams}
    seeds |= {dropout_seed(seed, step) for seed in range(9) for step in range(9)}
    assert len(seeds) == 9 * 4 + 81


def test_every_order_is_equally_likely():
    orders = [tuple(permutation(4, 0, Purpose.ORDER, epoch).tolist()) for epoch in range(6000)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-3
    with pytest.raises(ValueError, match="read-only"):  # since it is cached
        permutation(10, 0, Purpose.ORDER, 0)[0] = 1


def test_integers_cover_their_spans_evenly_and_independently():
    drawn = uniform_integers((9, 9, 2, 1), 20_000, 0, Purpose.AUGMENTATION, 5)
    for values, span in zip(drawn, (9, 9, 2, 1), strict=True):
        counts = np.bincount(values, minlength=span)
        assert len(counts) == span
        assert span == 1 or stats.chisquare(counts).pvalue > 1e-3
    assert stats.chi2_contingency(np.histogram2d(*drawn[:2], bins=9)[0]).pvalue > 1e-3


@pytest.mark.parametrize(("seed", "index"), [(-1, 0), (2**64, 0), (0, -1)])
def test_seeds_and_indices_out_of_range_are_refused(seed, index):
    with pytest.raises(ValueError, match=r"expected an integer in \[0, 2\*\*64\)"):
        random_words(1, seed, Purpose.ORDER, index)
