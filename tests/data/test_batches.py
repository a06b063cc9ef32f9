"""Batches of text and images as functions of (seed, step), against loops and torchvision."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import v2

from adamct.data.batches import (
    Augmentation,
    augmentation_draws,
    batch_indices,
    flip_and_crop,
    image_batch,
    normalize,
    ordered_batches,
    steps_per_epoch,
    text_batch,
)
from adamct.data.image_set import ImageSet, Split
from adamct.data.rng import window_starts

COUNT = np.arange(50_000, dtype=np.uint16)


def text(n_tokens: int = 50_000, *, seed: int = 0, step: int = 0, batch_size: int = 8, **options):
    size = {"batch_size": batch_size, "block_size": 16} | options
    return text_batch(COUNT[:n_tokens], seed=seed, step=step, **size)


def starts(*args: int, **options: int) -> list[int]:
    return text(*args, **options)[0][:, 0].tolist()


@settings(max_examples=50, deadline=None)
@given(
    n_tokens=st.integers(2, 50_000),
    seed=st.integers(0, 2**128 - 1),
    step=st.integers(0, 2**64 - 1),
    batch_size=st.integers(1, 5),
    data=st.data(),
)
def test_targets_are_the_windows_one_token_later(n_tokens, seed, step, batch_size, data):
    block_size = data.draw(st.integers(1, min(n_tokens - 1, 300)))
    size = {"batch_size": batch_size, "block_size": block_size}
    x, y = text(n_tokens, seed=seed, step=step, **size)
    for tensor in (x, y):
        assert tensor.shape == (batch_size, block_size)
        assert tensor.dtype == torch.int64
        assert tensor.is_contiguous()
    assert torch.equal(x, x[:, :1] + torch.arange(block_size))
    assert torch.equal(y, x + 1)
    assert int(y.max()) < n_tokens


def test_a_text_batch_depends_on_seed_and_step_alone():
    alone = starts(seed=3, step=7)
    np.random.seed(0)  # noqa: NPY002  # the global generators must not matter
    torch.manual_seed(0)
    others = [starts(seed=s, step=n) for s in range(6) for n in range(50)]
    assert starts(seed=3, step=7) == alone
    assert len({tuple(other) for other in others}) == 300
    assert starts(seed=3, step=7, batch_size=64)[:8] == alone
    assert alone == window_starts(50_000 - 16, 8, seed=3, step=7).tolist()


def test_a_memory_map_beyond_two_to_the_31_tokens_is_read_where_windows_lie(tmp_path):
    n_tokens = (1 << 31) + (1 << 30)
    path = tmp_path / "sparse.bin"
    with path.open("wb") as file:
        file.truncate(2 * n_tokens)  # 6 GiB, none of them on the disk
    tokens = np.memmap(path, dtype="<u2", mode="r+")
    wanted = window_starts(n_tokens - 8, 16, seed=0, step=5)
    assert wanted.max() > 1 << 31
    expected = 100 * np.arange(16)[:, None] + np.arange(9)
    tokens[wanted[:, None] + np.arange(9)] = expected
    x, y = text_batch(tokens, seed=0, step=5, batch_size=16, block_size=8)
    np.testing.assert_array_equal(x.numpy(), expected[:, :-1])
    np.testing.assert_array_equal(y.numpy(), expected[:, 1:])


@pytest.mark.parametrize("device", ["cpu", "meta", "cuda"])
def test_a_text_batch_goes_where_it_is_asked(device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    x, y = text(device=device)
    assert x.device.type == y.device.type == device
    if device == "cuda":
        assert x[:, 0].tolist() == starts()


def test_what_cannot_be_drawn_is_refused():
    starts(17)
    with pytest.raises(ValueError, match=r"16 tokens holds no window of block_size \+ 1 = 17"):
        starts(16)
    for batch_size in (0, -1, 51):
        with pytest.raises(ValueError, match=f"batch_size = {batch_size}, expected 1 to 50"):
            image_batch(numbered(), batch_size=batch_size, seed=0, step=0)
    with pytest.raises(ValueError, match="padding = -1, expected at least 0"):
        Augmentation(padding=-1)


def numbered(n: int = 50, n_test: int = 7) -> ImageSet:
    """Random images whose label is their index, so that a batch shows where it came from."""
    rng = np.random.default_rng(0)

    def split(size: int) -> Split:
        pixels = rng.integers(0, 256, (size, 3, 6, 5), dtype=np.uint8)
        return Split(torch.from_numpy(pixels), torch.arange(size))

    return ImageSet.from_splits("numbered", split(n), split(n_test), n)


def test_an_epoch_visits_every_image_at_most_once():
    n_steps = steps_per_epoch(50, 8)
    assert n_steps == 6
    epochs = [
        np.concatenate([batch_indices(50, batch_size=8, seed=3, step=k) for k in steps])
        for steps in np.arange(18).reshape(3, n_steps).tolist()
    ]
    for seen in epochs:
        assert len(seen) == len(set(seen)) == 48
        assert set(seen) <= set(range(50))
    assert all((a != b).any() for a, b in pairwise(epochs))
    assert set(epochs[0]) != set(epochs[1])  # no image sits out for good


def test_an_image_batch_depends_on_seed_and_step_alone():
    images = numbered()
    wanted = {"batch_size": 8, "augmentation": Augmentation(padding=2)}
    forward = [image_batch(images, seed=1, step=k, **wanted) for k in range(14)]
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002 - what other code draws must not matter
    for k in reversed(range(14)):
        x, y = image_batch(images, seed=1, step=k, **wanted)
        assert torch.equal(x, forward[k][0])
        assert torch.equal(y, forward[k][1])
    _, other_labels = image_batch(images, seed=2, step=0, **wanted)
    assert not torch.equal(other_labels, forward[0][1])
    assert len({x.sum().item() for x, _ in forward}) == 14


@pytest.mark.parametrize("padding", [0, 1, 4])
@pytest.mark.parametrize("flip", [False, True])
def test_draws_reach_their_ranges_and_differ_from_image_to_image(padding, flip):
    options, ranges = Augmentation(padding, flip), (2 * padding + 1, 2 * padding + 1, 1 + flip)
    first, second = (augmentation_draws(512, options, seed=0, step=k) for k in range(2))
    for values, others, n in zip(first, second, ranges, strict=True):
        assert set(values) == set(others) == set(range(n))
        assert n == 1 or not np.array_equal(values, others)


def naive_flip_and_crop(image: np.ndarray, row: int, column: int, flip: int, padding: int):
    """One image, pixel by pixel."""
    n_channels, height, width = image.shape
    result = np.zeros_like(image)
    for c, y, x in np.ndindex(n_channels, height, width):
        from_y, from_x = y + row - padding, x + column - padding
        if 0 <= from_y < height and 0 <= from_x < width:
            from_x = width - 1 - from_x if flip else from_x
            result[c, y, x] = image[c, from_y, from_x]
    return result


@pytest.mark.parametrize("padding", [0, 1, 4])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("shape", [(40, 3, 6, 5), (40, 1, 8, 8), (3, 5, 2, 9)])
def test_crops_and_flips_equal_a_loop(padding, dtype, shape):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, shape, generator=generator).to(dtype)
    before = images.clone()
    draws = augmentation_draws(shape[0], Augmentation(padding), seed=1, step=2)
    result = flip_and_crop(images, *map(torch.from_numpy, draws), padding=padding)
    each = zip(images.numpy(), *draws, strict=True)
    expected = np.stack([naive_flip_and_crop(*one, padding) for one in each])
    assert result.dtype == dtype
    np.testing.assert_array_equal(result.numpy(), expected)
    assert torch.equal(images, before)


@pytest.mark.parametrize("augmentation", [None, Augmentation(0, flip=False), Augmentation(2)])
def test_a_batch_is_its_parts_put_together(augmentation):
    images = numbered()
    x, y = image_batch(images, batch_size=8, seed=1, step=9, augmentation=augmentation)
    index = batch_indices(50, batch_size=8, seed=1, step=9)
    assert y.tolist() == index.tolist()
    mean, std = images.mean[:, None, None].numpy(), images.std[:, None, None].numpy()
    augmentation = augmentation or Augmentation(0, flip=False)
    draws = augmentation_draws(8, augmentation, seed=1, step=9)
    for got, i, *draw in zip(x, index, *draws, strict=True):
        image = naive_flip_and_crop(images.train.images[i].numpy(), *draw, augmentation.padding)
        np.testing.assert_allclose(got.numpy(), (image / 255 - mean) / std, rtol=0, atol=1e-5)


def test_normalization_equals_torchvisions():
    images = numbered()
    mean_and_std = images.mean.tolist(), images.std.tolist()
    transform = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(*mean_and_std)])
    x = normalize(images.train.images, images.mean, images.std)
    torch.testing.assert_close(x, transform(images.train.images), rtol=0, atol=1e-6)
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(x.std((0, 2, 3), correction=0), torch.ones(3), rtol=1e-5, atol=0)


def test_ordered_batches_show_the_whole_split_in_order():
    images = numbered(n_test=7)
    batches = list(ordered_batches(images, images.test, 3))
    assert [len(y) for _, y in batches] == [3, 3, 1]
    assert torch.equal(torch.cat([y for _, y in batches]), images.test.labels)
    expected = normalize(images.test.images, images.mean, images.std)
    assert torch.equal(torch.cat([x for x, _ in batches]), expected)
