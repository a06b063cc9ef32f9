"""Text batches as a function of (seed, step), on arrays and on files larger than memory allows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, entropy

from adamct.data import text_batch, unigram_cross_entropy

COUNT = np.arange(50_000, dtype=np.uint16)


def starts(
    n_tokens: int, *, seed: int, step: int, batch_size: int = 8, block_size: int = 16
) -> list[int]:
    x, _ = text_batch(
        COUNT[:n_tokens], seed=seed, step=step, batch_size=batch_size, block_size=block_size
    )
    return x[:, 0].tolist()


@settings(max_examples=50, deadline=None)
@given(
    n_tokens=st.integers(2, 50_000),
    seed=st.integers(0, 2**128 - 1),
    step=st.integers(0, 2**64 - 1),
    batch_size=st.integers(1, 5),
    data=st.data(),
)
def test_windows_lie_in_the_split_and_targets_are_one_token_later(
    n_tokens: int, seed: int, step: int, batch_size: int, data: st.DataObject
) -> None:
    block_size = data.draw(st.integers(1, min(n_tokens - 1, 300)))
    x, y = text_batch(
        COUNT[:n_tokens], seed=seed, step=step, batch_size=batch_size, block_size=block_size
    )
    assert x.shape == y.shape == (batch_size, block_size)
    assert x.dtype == y.dtype == torch.int64
    assert x.is_contiguous()
    assert y.is_contiguous()
    assert torch.equal(x, x[:, :1] + torch.arange(block_size))
    assert torch.equal(y, x + 1)
    assert int(y.max()) < n_tokens


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    alone = starts(50_000, seed=3, step=7)
    np.random.seed(0)  # noqa: NPY002  # the global generators must not matter
    torch.manual_seed(0)
    for step in range(7):
        starts(50_000, seed=3, step=step)
    assert starts(50_000, seed=3, step=7) == alone
    others = [starts(50_000, seed=s, step=n) for s in range(6) for n in range(50)]
    assert len({tuple(other) for other in others}) == 300


def test_a_larger_batch_begins_with_the_smaller() -> None:
    assert starts(50_000, seed=0, step=1, batch_size=64)[:8] == starts(50_000, seed=0, step=1)


def philox_4x64(key: int, counter: int) -> list[int]:
    """One block of Philox-4x64 with ten rounds (Salmon et al., 2011), in Python's integers."""
    mask = (1 << 64) - 1
    x = [counter >> (64 * i) & mask for i in range(4)]
    k = [key >> (64 * i) & mask for i in range(2)]
    for _ in range(10):
        a, b = x[0] * 0xD2E7470EE14C6C93, x[2] * 0xCA5A826395121157
        x = [(b >> 64) ^ x[1] ^ k[0], b & mask, (a >> 64) ^ x[3] ^ k[1], a & mask]
        k = [(k[0] + 0x9E3779B97F4A7C15) & mask, (k[1] + 0xBB67AE8584CAA73B) & mask]
    return x


@pytest.mark.parametrize(("seed", "step"), [(0, 0), (1, 1000), (2**127 + 5, 2**63 + 1)])
def test_starts_come_from_philox_whatever_the_release_of_numpy(seed: int, step: int) -> None:
    # Block i of a step has counter (step << 128) + i, and NumPy begins with i = 1.
    raw = [word for i in (1, 2) for word in philox_4x64(seed, (step << 128) + i)]
    expected = [int((word >> 11) * 2.0**-53 * (50_000 - 16)) for word in raw]
    assert starts(50_000, seed=seed, step=step) == expected


def test_starts_are_uniform_and_reach_both_ends() -> None:
    drawn = [start for step in range(400) for start in starts(27, seed=5, step=step)]
    counts = np.bincount(drawn, minlength=11)
    assert len(counts) == 27 - 16
    assert chisquare(counts).pvalue > 0.001


def test_a_memory_map_beyond_two_to_the_31_tokens_is_read_where_windows_lie(
    tmp_path: Path,
) -> None:
    n_tokens = (1 << 31) + (1 << 30)
    path = tmp_path / "sparse.bin"
    with path.open("wb") as file:
        file.truncate(2 * n_tokens)  # 6 GiB, none of them on the disk
    tokens = np.memmap(path, dtype="<u2", mode="r+")
    wanted = [
        int((raw >> 11) * 2.0**-53 * (n_tokens - 8))
        for raw in np.random.Philox(key=0, counter=5 << 128).random_raw(16).tolist()
    ]
    assert max(wanted) > 1 << 31
    for number, start in enumerate(wanted):
        tokens[start : start + 9] = 100 * number + np.arange(9)
    x, y = text_batch(tokens, seed=0, step=5, batch_size=16, block_size=8)
    expected = 100 * np.arange(16)[:, None] + np.arange(9)
    np.testing.assert_array_equal(x.numpy(), expected[:, :-1])
    np.testing.assert_array_equal(y.numpy(), expected[:, 1:])


@pytest.mark.parametrize("device", ["cpu", "meta", "cuda"])
def test_the_batch_goes_where_it_is_asked(device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    batch = text_batch(COUNT, seed=0, step=0, batch_size=2, block_size=4, device=device)
    assert {tensor.device.type for tensor in batch} == {device}
    if device == "cuda":
        assert batch[0][:, 0].tolist() == starts(50_000, seed=0, step=0, batch_size=2, block_size=4)


def test_a_split_shorter_than_a_window_is_refused() -> None:
    text_batch(COUNT[:17], seed=0, step=0, batch_size=1, block_size=16)
    with pytest.raises(ValueError, match=r"16 tokens holds no window of block_size \+ 1 = 17"):
        text_batch(COUNT[:16], seed=0, step=0, batch_size=1, block_size=16)


# --- The unigram baseline


def test_unigram_cross_entropy_of_a_split_with_itself_is_near_its_entropy() -> None:
    rng = np.random.default_rng(0)
    tokens = rng.choice(50, size=200_000, p=rng.dirichlet(np.ones(50))).astype(np.uint16)
    frequencies = np.bincount(tokens, minlength=50) / len(tokens)
    assert unigram_cross_entropy(tokens, tokens, 50) == pytest.approx(
        entropy(frequencies), rel=1e-5
    )


def test_unigram_cross_entropy_by_hand() -> None:
    train = np.array([0, 0, 1], dtype=np.uint16)  # p = (3, 2, 1) / 6
    validation = np.array([0, 2, 2], dtype=np.uint16)
    expected = -(np.log(3 / 6) + 2 * np.log(1 / 6)) / 3
    assert unigram_cross_entropy(train, validation, 3) == pytest.approx(expected, rel=1e-15)
