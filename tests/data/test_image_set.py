"""Image sets: their statistics, hash and splits, and the digits that every machine has."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from adamct.data import DataError
from adamct.data.catalogue import IMAGE_SETS
from adamct.data.image_set import ImageSet, Split, channel_statistics, stratified_split
from adamct.data.images import open_images


def random_split(n: int, seed: int, n_classes: int = 3) -> Split:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (n, 2, 5, 4), dtype=np.uint8)
    return Split(torch.from_numpy(pixels), torch.from_numpy(np.arange(n) % n_classes))


def image_set() -> ImageSet:
    return ImageSet.from_splits("random", random_split(60, 0), random_split(12, 1), 3)


def test_statistics_are_those_of_the_train_split_in_any_order():
    images = image_set()
    pixels = images.train.images.double().numpy() / 255
    np.testing.assert_allclose(images.mean, pixels.mean(axis=(0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(images.std, pixels.std(axis=(0, 2, 3)), rtol=1e-6)
    assert images.mean.dtype == images.std.dtype == torch.float32
    mean, std = channel_statistics(images.train.images.flip(0, 2, 3))
    assert torch.equal(mean, images.mean)
    assert torch.equal(std, images.std)


def flipped(split: Split, image: int = 0, label: int = 0) -> Split:
    """Return a copy with one bit of a pixel, or one label, changed."""
    images, labels = split.images.clone(), split.labels.clone()
    images[-1, -1, -1, -1] ^= image
    labels[0] ^= label
    return Split(images, labels)


def test_hash_is_of_the_values_and_shapes_of_all_splits():
    train, test = image_set().train, image_set().test
    reshaped = (Split(s.images.view(-1, 2, 4, 5), s.labels) for s in (train, test))
    different = (
        (train, test),
        (flipped(train, image=1), test),
        (flipped(train, label=1), test),
        (train, flipped(test, image=1)),
        (train, flipped(test, label=1)),
        (test, train),
        tuple(reshaped),
    )
    hashes = [ImageSet.from_splits("random", *splits, 3).sha256 for splits in different]
    assert len(set(hashes)) == len(different)
    strided = train.images.permute(1, 0, 2, 3).contiguous().permute(1, 0, 2, 3)
    assert not strided.is_contiguous()
    again = ImageSet.from_splits("another name", Split(strided, train.labels), flipped(test), 3)
    assert again.sha256 == hashes[0]


def test_hold_out_moves_a_share_of_every_class():
    images = image_set()
    held = images.hold_out(0.25, seed=4)
    assert held.validation is not None
    assert torch.bincount(held.validation.labels).tolist() == [5, 5, 5]
    assert torch.bincount(held.train.labels).tolist() == [15, 15, 15]
    assert held.test is images.test

    def rows(*splits: Split) -> list[bytes]:
        return sorted(image.numpy().tobytes() for s in splits for image in s.images)

    assert rows(held.train, held.validation) == rows(images.train)
    expected = channel_statistics(held.train.images)
    assert torch.equal(held.mean, expected[0])
    assert not torch.equal(held.mean, images.mean)


def test_hold_out_is_a_function_of_fraction_and_seed():
    images = image_set()
    choices = ((0.25, 4), (0.25, 5), (0.5, 4))
    first, again = (
        [images.hold_out(fraction, seed).sha256 for fraction, seed in choices] for _ in range(2)
    )
    assert first == again
    assert len({images.sha256, *first}) == 4


def test_hold_out_refuses_what_leaves_nothing():
    images = image_set()
    for fraction in (0.0, 1.0, -0.5, 1.5, 0.01, 0.99):
        with pytest.raises(ValueError, match=rf"{fraction} holds \d+ of 60 .* a share in \(0, 1\)"):
            images.hold_out(fraction)
    with pytest.raises(ValueError, match="has a validation split; hold out of the original"):
        images.hold_out(0.5).hold_out(0.5)


def test_stratified_split_partitions_uneven_classes():
    labels = torch.tensor([7] * 10 + [2] * 4 + [5])
    kept, held = (part.tolist() for part in stratified_split(labels, 0.5, seed=0))
    assert (kept, held) == (sorted(kept), sorted(held))
    assert sorted(kept + held) == list(range(15))
    assert torch.bincount(labels[held], minlength=8)[[7, 2]].tolist() == [5, 2]


def test_to_moves_every_tensor():
    moved = image_set().hold_out(0.5).to("meta")
    splits = (moved.train, moved.test, moved.validation)
    tensors = [moved.mean, moved.std, *(s.images for s in splits), *(s.labels for s in splits)]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert moved.sha256 == image_set().hold_out(0.5).sha256


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"labels": torch.tensor([0, 1, 3])}, r"train split: .* \[0, 1, 3\], expected .* 0 to 2"),
        ({"labels": torch.tensor([0, -1, 1])}, r"labels \[-1, 0, 1\], expected .* from 0 to 2"),
        (
            {"labels": torch.tensor([0, 1])},
            r"torch.int64, \(2,\)\), .* \(2, 2, 5, 4\), torch.int64",
        ),
        (
            {"labels": torch.tensor([0.0, 1, 2])},
            "received .*torch.float32, .*expected .*torch.int64",
        ),
        ({"images": torch.zeros(3, 2, 5, 4)}, "received .*torch.float32.*expected .*torch.uint8"),
        ({"images": torch.zeros(3, 5, 4, dtype=torch.uint8)}, "with three dimensions an image"),
        (
            {"images": torch.full((3, 2, 5, 4), 9, dtype=torch.uint8)},
            "a channel has one value .* cannot be normalized",
        ),
    ],
)
def test_wrong_data_is_refused(train, message):
    split = dataclasses.replace(random_split(3, 0), **train)
    with pytest.raises(DataError, match=message):
        ImageSet.from_splits("random", split, split, 3)


def test_splits_of_different_shapes_or_without_images_are_refused():
    for size, labels in ((5, [0, 1]), (4, [])):
        pixels = torch.zeros(len(labels), 2, 5, size, dtype=torch.uint8)
        other = Split(pixels, torch.tensor(labels, dtype=torch.int64))
        with pytest.raises(
            DataError, match=r"random, test split: .* expected .*, 2, 5, 4\), .*one"
        ):
            ImageSet.from_splits("random", random_split(3, 0), other, 3)


def test_digits_are_scikit_learns_in_256_levels_and_stratified():
    digits, original, facts = open_images("digits"), load_digits(), IMAGE_SETS["digits"]
    splits = (digits.train, digits.test)
    assert digits.train.images.shape == (facts.n_train, facts.channels, facts.size, facts.size)
    assert (digits.n_classes, len(digits.test)) == (facts.n_classes, facts.n_test)
    pixels = np.concatenate([split.images[:, 0].flatten(1) for split in splits])
    labels = np.concatenate([split.labels for split in splits])
    rows = np.column_stack([np.rint(pixels * (16 / 255)), labels])
    expected = np.column_stack([original.data, original.target])
    assert sorted(map(tuple, rows)) == sorted(map(tuple, expected))
    assert pixels.max() == 255
    counts = [torch.bincount(split.labels) for split in splits]
    share = counts[1] / (counts[0] + counts[1])
    assert torch.all((share - 0.2).abs() < 0.004)  # half an image of 174, the smallest class
    # Runs are named by it, so it must not change.
    assert digits.sha256.startswith("a460d17c8e2fcb797d18a796deb21c0a")
