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


# --- Statistics and hash


def test_statistics_are_those_of_the_train_split() -> None:
    images = image_set()
    pixels = images.train.images.double().numpy() / 255
    np.testing.assert_allclose(images.mean, pixels.mean(axis=(0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(images.std, pixels.std(axis=(0, 2, 3)), rtol=1e-6)
    assert images.mean.dtype == images.std.dtype == torch.float32


def test_statistics_do_not_depend_on_threads_or_order() -> None:
    pixels = image_set().train.images
    expected = channel_statistics(pixels)
    shuffled = channel_statistics(pixels.flip(0, 2, 3))
    assert all(torch.equal(a, b) for a, b in zip(expected, shuffled, strict=True))


def changed(images: ImageSet, what: str) -> ImageSet:
    train, test = (Split(s.images.clone(), s.labels.clone()) for s in (images.train, images.test))
    if what == "train pixel":
        train.images[-1, -1, -1, -1] ^= 1
    elif what == "test pixel":
        test.images[0, 0, 0, 0] ^= 1
    elif what == "train label":
        train.labels[0] = 2
    elif what == "test label":
        test.labels[-1] = 0
    elif what == "swapped":
        train, test = test, train
    elif what == "reshaped":
        train, test = (Split(s.images.view(-1, 2, 4, 5), s.labels) for s in (train, test))
    return ImageSet.from_splits("random", train, test, 3)


def test_hash_covers_pixels_and_labels_of_all_splits() -> None:
    images = image_set()
    assert changed(images, "nothing").sha256 == images.sha256
    others = ("train pixel", "test pixel", "train label", "test label", "swapped", "reshaped")
    hashes = {changed(images, what).sha256 for what in others}
    assert len(hashes - {images.sha256}) == len(others)


def test_hash_is_of_values_not_of_memory_layout() -> None:
    images = image_set()
    strided = Split(
        images.train.images.permute(1, 0, 2, 3).contiguous().permute(1, 0, 2, 3),
        images.train.labels,
    )
    assert not strided.images.is_contiguous()
    assert ImageSet.from_splits("random", strided, images.test, 3).sha256 == images.sha256


# --- Validation split


def test_hold_out_moves_a_share_of_every_class() -> None:
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


def test_hold_out_is_a_function_of_fraction_and_seed() -> None:
    images = image_set()
    assert images.hold_out(0.25, seed=4).sha256 == images.hold_out(0.25, seed=4).sha256
    different = {
        images.sha256,
        images.hold_out(0.25, seed=4).sha256,
        images.hold_out(0.25, seed=5).sha256,
        images.hold_out(0.5, seed=4).sha256,
    }
    assert len(different) == 4


def test_hold_out_refuses_what_leaves_nothing() -> None:
    images = image_set()
    for fraction in (0.0, 1.0, -0.5, 1.5):
        with pytest.raises(ValueError, match=rf"fraction = {fraction}, expected a share in"):
            images.hold_out(fraction)
    for fraction, n_held in ((0.01, 0), (0.99, 60)):
        with pytest.raises(ValueError, match=f"{fraction} holds {n_held} of 60 images out"):
            images.hold_out(fraction)
    with pytest.raises(ValueError, match="has a validation split; hold out of the original"):
        images.hold_out(0.5).hold_out(0.5)


def test_stratified_split_partitions_uneven_classes() -> None:
    labels = torch.tensor([7] * 10 + [2] * 4 + [5])
    kept, held = stratified_split(labels, 0.5, seed=0)
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(15))
    assert torch.bincount(labels[held], minlength=8)[[7, 2]].tolist() == [5, 2]
    assert torch.all(held.diff() > 0)
    assert torch.all(kept.diff() > 0)


def test_to_moves_every_tensor() -> None:
    moved = image_set().hold_out(0.5).to("meta")
    tensors = [moved.mean, moved.std]
    for split in (moved.train, moved.test, moved.validation):
        tensors += [split.images, split.labels]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert moved.sha256 == image_set().hold_out(0.5).sha256


# --- Refusals


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"labels": torch.tensor([0, 1, 3])}, "train split: label 3 of image 2, expected 0 to 2"),
        ({"labels": torch.tensor([0, -1, 1])}, "label -1 of image 1, expected 0 to 2"),
        ({"labels": torch.tensor([0, 1])}, r"labels of shape \(2,\) for 3 images"),
        ({"labels": torch.tensor([0.0, 1, 2])}, "received torch.float32 labels"),
        ({"images": torch.zeros(3, 2, 5, 4)}, "received torch.float32 images"),
        ({"images": torch.zeros(3, 5, 4, dtype=torch.uint8)}, r"of shape \(3, 5, 4\), expected"),
        (
            {"images": torch.full((3, 2, 5, 4), 9, dtype=torch.uint8)},
            "a channel has one value .* cannot be normalized",
        ),
    ],
)
def test_wrong_data_is_refused(train: dict[str, torch.Tensor], message: str) -> None:
    split = dataclasses.replace(random_split(3, 0), **train)
    with pytest.raises(DataError, match=message):
        ImageSet.from_splits("random", split, split, 3)


def test_splits_of_different_shapes_are_refused() -> None:
    other = Split(torch.zeros(2, 2, 5, 5, dtype=torch.uint8), torch.tensor([0, 1]))
    with pytest.raises(DataError, match=r"random, test split: .* \(2, 5, 4\) in every split"):
        ImageSet.from_splits("random", random_split(3, 0), other, 3)


# --- Digits


def test_digits_are_scikit_learns_in_256_levels() -> None:
    digits = open_images("digits")
    original = load_digits()
    assert len(digits.train) + len(digits.test) == len(original.target) == 1797
    facts = IMAGE_SETS["digits"]
    assert digits.train.images.shape == (facts.n_train, facts.channels, facts.size, facts.size)
    assert (digits.n_classes, len(digits.test)) == (facts.n_classes, facts.n_test)

    def rows(pixels: np.ndarray, labels: np.ndarray) -> list[tuple[bytes, int]]:
        pairs = zip(pixels, labels, strict=True)
        return sorted((np.ascontiguousarray(p).tobytes(), int(label)) for p, label in pairs)

    pixels = np.concatenate([digits.train.images.numpy(), digits.test.images.numpy()])[:, 0]
    labels = np.concatenate([digits.train.labels.numpy(), digits.test.labels.numpy()])
    levels = np.rint(pixels * (16 / 255))
    assert rows(levels.astype(np.uint8), labels) == rows(
        original.images.astype(np.uint8), original.target
    )
    assert pixels.max() == 255


def test_digits_are_the_same_each_time_and_stratified() -> None:
    digits = open_images("digits")
    assert open_images("digits").sha256 == digits.sha256
    counts = [torch.bincount(split.labels) for split in (digits.train, digits.test)]
    share = counts[1] / (counts[0] + counts[1])
    assert torch.all((share - 0.2).abs() < 0.004)  # half an image of 174, the smallest class
