"""Batches of text and images as functions of (seed, step), against loops and torchvision."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import v2

from adamct.data import batches
from adamct.data.batches import (
    augmentation_draws,
    batch_indices,
    flip_and_crop,
    image_batch,
    ordered_batches,
    steps_per_epoch,
    text_batch,
    tokens_on,
)
from adamct.data.image_set import ImageSet, Split
from adamct.data.rng import window_starts

COUNT = np.arange(50_000, dtype=np.uint16)


def numbered(n: int, seed: int) -> Split:
    """Random images whose label is their index, so that a batch shows where it came from."""
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 3, 6, 5), dtype=np.uint8)
    return Split(torch.from_numpy(pixels), torch.arange(n))


IMAGES = ImageSet.from_splits("numbered", numbered(50, 0), numbered(7, 1), n_classes=50)


def text(n_tokens: int = 50_000, **options):
    plain = {"seed": 0, "step": 0, "batch_size": 8, "block_size": 16}
    return text_batch(COUNT[:n_tokens], **plain | options)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    n_starts=st.integers(1, 49_700),
    block_size=st.integers(1, 300),
    batch_size=st.integers(1, 5),
    at=st.fixed_dictionaries(
        {"seed": st.integers(0, 2**128 - 1), "step": st.integers(0, 2**64 - 1)}
    ),
)
def test_windows_are_where_drawn_and_targets_a_token_later(n_starts, block_size, batch_size, at):
    n_tokens = n_starts + block_size
    x, y = text(n_tokens, batch_size=batch_size, block_size=block_size, **at)
    for tensor in (x, y):
        assert tensor.shape == (batch_size, block_size)
        assert tensor.dtype == torch.int64
        assert tensor.is_contiguous()
    assert torch.equal(x, x[:, :1] + torch.arange(block_size))
    assert torch.equal(y, x + 1)
    assert int(y.max()) < n_tokens
    assert x[:, 0].tolist() == window_starts(n_starts, batch_size, **at).tolist()


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


def test_tokens_on_the_device_give_the_same_windows(monkeypatch):
    on_gpu = tokens_on("meta", COUNT)
    assert (on_gpu.dtype, on_gpu.device.type, len(on_gpu)) == (torch.int16, "meta", len(COUNT))
    same_bits = torch.tensor(COUNT.view(np.int16))  # as that copy, where it can be read
    at = {"seed": 1, "step": 2, "batch_size": 64, "block_size": 16}
    assert all(map(torch.equal, text_batch(same_bits, **at), text_batch(COUNT, **at)))
    assert text_batch(COUNT, **at)[0].max() >= 2**15  # which int16 does not reach
    assert {x.device.type for x in text_batch(on_gpu, **at, device="meta")} == {"meta"}
    monkeypatch.setattr(batches, "LARGEST_ON_GPU", len(COUNT) - 1)
    assert tokens_on("meta", COUNT) is tokens_on("cpu", COUNT) is COUNT


def test_a_text_batch_goes_where_it_is_asked():
    for device in ("cpu", "meta", "cuda") if torch.cuda.is_available() else ("cpu", "meta"):
        x, y = text(device=device)
        assert x.device.type == y.device.type == device
        assert device == "meta" or torch.equal(x.cpu(), text()[0])


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match=r"16 tokens holds no window of block_size \+ 1 = 17"):
        text(16)
    for batch_size in (0, -1, 51):
        with pytest.raises(ValueError, match=f"batch_size = {batch_size}, expected 1 to 50"):
            image_batch(IMAGES, batch_size=batch_size, seed=0, step=0)
    with pytest.raises(OverflowError):
        image_batch(IMAGES, batch_size=8, seed=0, step=0, padding=-1)


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
    assert set(batch_indices(50, batch_size=8, seed=4, step=0)) != set(epochs[0][:8])


@pytest.mark.parametrize("padding", [0, 1, 4])
@pytest.mark.parametrize("flip", [False, True])
def test_draws_reach_their_ranges_and_differ_from_image_to_image(padding, flip):
    ranges = (2 * padding + 1, 2 * padding + 1, 1 + flip)
    first, second = (augmentation_draws(512, padding, flip, seed=0, step=k) for k in range(2))
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
    draws = augmentation_draws(shape[0], padding, True, seed=1, step=2)
    result = flip_and_crop(images, *map(torch.from_numpy, draws), padding=padding)
    each = zip(images.numpy(), *draws, strict=True)
    expected = np.stack([naive_flip_and_crop(*one, padding) for one in each])
    assert result.dtype == dtype
    np.testing.assert_array_equal(result.numpy(), expected)
    assert torch.equal(images, before)


@pytest.mark.parametrize(("padding", "flip"), [(0, False), (0, True), (2, True)])
def test_a_batch_is_its_parts_and_so_depends_on_seed_and_step_alone(padding, flip):
    mean, std = (statistic[:, None, None].numpy() for statistic in (IMAGES.mean, IMAGES.std))
    for at in ({"seed": 1, "step": 13}, {"seed": 1, "step": 0}, {"seed": 2, "step": 0}):
        x, y = image_batch(IMAGES, batch_size=8, padding=padding, flip=flip, **at)
        index = batch_indices(50, batch_size=8, **at)
        assert y.tolist() == index.tolist()
        draws = augmentation_draws(8, padding, flip, **at)
        for got, i, *draw in zip(x, index, *draws, strict=True):
            image = naive_flip_and_crop(IMAGES.train.images[i].numpy(), *draw, padding)
            np.testing.assert_allclose(got.numpy(), (image / 255 - mean) / std, rtol=0, atol=1e-5)


def test_ordered_batches_are_the_whole_split_in_order_normalized_as_by_torchvision():
    mean_and_std = IMAGES.mean.tolist(), IMAGES.std.tolist()
    transform = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(*mean_and_std)])
    images, labels = zip(*ordered_batches(IMAGES, IMAGES.train, 20), strict=True)
    assert [len(part) for part in labels] == [20, 20, 10]
    assert torch.equal(torch.cat(labels), IMAGES.train.labels)
    x = torch.cat(images)
    torch.testing.assert_close(x, transform(IMAGES.train.images), rtol=0, atol=1e-6)
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(x.std((0, 2, 3), correction=0), torch.ones(3), rtol=1e-5, atol=0)
