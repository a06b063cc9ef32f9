"""Batches of pictures: order, draws, crops and flips against loops, and normalization."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import v2

from adamct.data.image_batches import (
    Augmentation,
    Purpose,
    augmentation_draws,
    batch_indices,
    flip_and_crop,
    image_batch,
    normalize,
    ordered_batches,
    permutation,
    random_words,
    steps_per_epoch,
)
from adamct.data.images import ImageSet, Split


def numbered(n: int = 50, n_test: int = 7) -> ImageSet:
    """Random pictures whose label is their index, so that a batch shows where it came from."""
    rng = np.random.default_rng(0)

    def split(size: int) -> Split:
        pixels = rng.integers(0, 256, (size, 3, 6, 5), dtype=np.uint8)
        return Split(torch.from_numpy(pixels), torch.arange(size))

    return ImageSet.from_splits("numbered", split(n), split(n_test), n)


# --- Order


def test_an_epoch_visits_every_picture_at_most_once() -> None:
    n, size = 50, 8
    n_steps = steps_per_epoch(n, size)
    assert n_steps == 6
    epochs = []
    for epoch in range(3):
        steps = range(epoch * n_steps, (epoch + 1) * n_steps)
        seen = np.concatenate([batch_indices(n, batch_size=size, seed=3, step=k) for k in steps])
        assert len(seen) == len(set(seen.tolist())) == n_steps * size
        assert set(seen.tolist()) <= set(range(n))
        epochs.append(seen.tolist())
    assert all(a != b for a, b in pairwise(epochs))
    left_out = [set(range(n)) - set(epoch) for epoch in epochs]
    assert left_out[0] != left_out[1]  # no picture sits out for good


def test_batches_depend_on_seed_and_step_alone() -> None:
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


def test_every_order_is_equally_likely() -> None:
    counts: dict[tuple[int, ...], int] = {}
    for epoch in range(6000):
        order = tuple(permutation(4, 0, Purpose.ORDER, epoch).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_a_cached_order_cannot_be_changed() -> None:
    order = batch_indices(10, batch_size=4, seed=0, step=0)
    with pytest.raises(ValueError, match="read-only"):
        order[0] = 1


def test_streams_of_seeds_purposes_and_indices_are_apart() -> None:
    keys = [(seed, purpose, i) for seed in (0, 1, 2**63) for purpose in Purpose for i in (0, 1, 7)]
    words = np.concatenate([random_words(500, *key) for key in keys])
    assert len(np.unique(words)) == len(words)
    assert np.array_equal(
        random_words(500, 0, Purpose.ORDER, 0)[:20], random_words(20, 0, Purpose.ORDER, 0)
    )


def philox(key: tuple[int, int], counter: tuple[int, int, int, int]) -> list[int]:
    """Philox4x64-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011)."""
    x, k = list(counter), list(key)
    for _ in range(10):
        low, high = 0xD2E7470EE14C6C93 * x[0], 0xCA5A826395121157 * x[2]
        x = [(high >> 64) ^ x[1] ^ k[0], high, (low >> 64) ^ x[3] ^ k[1], low]
        x = [word % 2**64 for word in x]
        k = [(k[0] + 0x9E3779B97F4A7C15) % 2**64, (k[1] + 0xBB67AE8584CAA73B) % 2**64]
    return x


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
def test_random_words_are_philoxs(seed: int) -> None:
    # Every record on pictures rests on these: they must not change with numpy's version.
    for purpose, index in ((Purpose.ORDER, 0), (Purpose.AUGMENTATION, 2**64 - 1)):
        expected = [philox((seed, purpose), (block, index, 0, 0)) for block in (1, 2, 3)]
        words = random_words(12, seed, purpose, index)
        assert words.tolist() == [word for block in expected for word in block]


@pytest.mark.parametrize("batch_size", [0, -1, 51])
def test_a_batch_larger_than_the_data_is_refused(batch_size: int) -> None:
    with pytest.raises(ValueError, match=f"batch_size = {batch_size}, expected 1 to 50"):
        image_batch(numbered(), batch_size=batch_size, seed=0, step=0)


@pytest.mark.parametrize(("seed", "step"), [(-1, 0), (2**64, 0), (0, -1)])
def test_seeds_and_steps_out_of_range_are_refused(seed: int, step: int) -> None:
    with pytest.raises(ValueError, match=r"expected an integer in \[0, 2\*\*64\)"):
        image_batch(numbered(), batch_size=8, seed=seed, step=step)


# --- Augmentation


@pytest.mark.parametrize("padding", [0, 1, 4])
@pytest.mark.parametrize("flip", [False, True])
def test_draws_cover_their_ranges_evenly(padding: int, flip: bool) -> None:
    augmentation = Augmentation(padding, flip)
    rows, columns, flips = augmentation_draws(20_000, augmentation, seed=0, step=5)
    for values, n_values in (
        (rows, 2 * padding + 1),
        (columns, 2 * padding + 1),
        (flips, 1 + flip),
    ):
        counts = np.bincount(values, minlength=n_values)
        assert len(counts) == n_values
        assert n_values == 1 or stats.chisquare(counts).pvalue > 1e-3
    if padding:
        table = np.histogram2d(rows, columns, bins=2 * padding + 1)[0]
        assert stats.chi2_contingency(table).pvalue > 1e-3


def test_draws_differ_from_picture_to_picture_and_step_to_step() -> None:
    draws = [augmentation_draws(512, Augmentation(), seed=0, step=k) for k in range(2)]
    for drawn in draws:
        assert [len(np.unique(values)) for values in drawn] == [9, 9, 2]
    assert all(not np.array_equal(a, b) for a, b in zip(*draws, strict=True))


def naive_flip_and_crop(picture: np.ndarray, row: int, column: int, flip: int, padding: int):
    """One picture, pixel by pixel."""
    n_channels, height, width = picture.shape
    result = np.zeros_like(picture)
    for c in range(n_channels):
        for y in range(height):
            for x in range(width):
                from_y, from_x = y + row - padding, x + column - padding
                if 0 <= from_y < height and 0 <= from_x < width:
                    from_x = width - 1 - from_x if flip else from_x
                    result[c, y, x] = picture[c, from_y, from_x]
    return result


@pytest.mark.parametrize("padding", [0, 1, 4])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("shape", [(40, 3, 6, 5), (40, 1, 8, 8), (3, 5, 2, 9)])
def test_crops_and_flips_equal_a_loop(
    padding: int, dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(256, shape, generator=generator).to(dtype)
    before = pictures.clone()
    draws = augmentation_draws(shape[0], Augmentation(padding), seed=1, step=2)
    result = flip_and_crop(pictures, *map(torch.from_numpy, draws), padding=padding)
    expected = np.stack(
        [
            naive_flip_and_crop(picture, row, column, flip, padding)
            for picture, row, column, flip in zip(pictures.numpy(), *draws, strict=True)
        ]
    )
    assert result.dtype == dtype
    np.testing.assert_array_equal(result.numpy(), expected)
    assert torch.equal(pictures, before)


def test_a_batch_is_its_parts_put_together() -> None:
    images, augmentation = numbered(), Augmentation(padding=2)
    x, y = image_batch(images, batch_size=8, seed=1, step=9, augmentation=augmentation)
    index = batch_indices(50, batch_size=8, seed=1, step=9)
    assert y.tolist() == index.tolist()
    draws = augmentation_draws(8, augmentation, seed=1, step=9)
    for got, i, row, column, flip in zip(x, index, *draws, strict=True):
        picture = naive_flip_and_crop(images.train.images[i].numpy(), row, column, flip, 2)
        expected = (picture / 255 - images.mean[:, None, None].numpy()) / images.std[
            :, None, None
        ].numpy()
        np.testing.assert_allclose(got.numpy(), expected, rtol=0, atol=1e-5)


def test_without_augmentation_the_pictures_are_as_they_are() -> None:
    images = numbered()
    x, y = image_batch(images, batch_size=8, seed=1, step=3)
    assert torch.equal(x, normalize(images.train.images[y], images.mean, images.std))
    augmented = image_batch(images, batch_size=8, seed=1, step=3, augmentation=Augmentation(1))
    assert torch.equal(augmented[1], y)  # the order is the same either way
    still = image_batch(images, batch_size=8, seed=1, step=3, augmentation=Augmentation(0, False))
    assert torch.equal(still[0], x)


def test_negative_padding_is_refused() -> None:
    with pytest.raises(ValueError, match="padding = -1, expected at least 0"):
        Augmentation(padding=-1)


# --- Normalization and evaluation


def test_normalization_equals_torchvisions() -> None:
    images = numbered()
    pictures = images.train.images
    transform = v2.Compose(
        [
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(images.mean.tolist(), images.std.tolist()),
        ]
    )
    x = normalize(pictures, images.mean, images.std)
    torch.testing.assert_close(x, transform(pictures), rtol=0, atol=1e-6)
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(x.std((0, 2, 3), correction=0), torch.ones(3), rtol=1e-5, atol=0)


def test_ordered_batches_show_the_whole_split_in_order() -> None:
    images = numbered(n_test=7)
    batches = list(ordered_batches(images, images.test, 3))
    assert [len(y) for _, y in batches] == [3, 3, 1]
    assert torch.equal(torch.cat([y for _, y in batches]), images.test.labels)
    expected = normalize(images.test.images, images.mean, images.std)
    assert torch.equal(torch.cat([x for x, _ in batches]), expected)
