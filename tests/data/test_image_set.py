"""Image sets: their statistics, hash and splits, and the digits that every machine has."""

import dataclasses
import hashlib

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


IMAGES = ImageSet.from_splits("random", random_split(60, 0), random_split(12, 1), 3)


def test_statistics_are_those_of_the_train_split_in_any_order():
    pixels = IMAGES.train.images.double().numpy() / 255
    np.testing.assert_allclose(IMAGES.mean, pixels.mean(axis=(0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(IMAGES.std, pixels.std(axis=(0, 2, 3)), rtol=1e-6)
    assert IMAGES.mean.dtype == IMAGES.std.dtype == torch.float32
    mean, std = channel_statistics(IMAGES.train.images.flip(0, 2, 3))
    assert torch.equal(mean, IMAGES.mean)
    assert torch.equal(std, IMAGES.std)


def test_hash_is_of_the_values_and_shapes_of_all_splits():
    digest = hashlib.sha256()
    for name in ("train", "test"):
        for what in ("images", "labels"):
            values = getattr(getattr(IMAGES, name), what).numpy()
            digest.update(f"{name} {values.shape} torch.{values.dtype}\n".encode())
            digest.update(values.tobytes())
    assert IMAGES.sha256 == digest.hexdigest()  # runs are named by it, so it must not change
    train, test = IMAGES.train, IMAGES.test
    strided = train.images.permute(1, 0, 2, 3).contiguous().permute(1, 0, 2, 3)
    assert not strided.is_contiguous()
    again = ImageSet.from_splits("another name", Split(strided, train.labels), test, 3)
    assert again.sha256 == IMAGES.sha256


def test_hold_out_moves_a_share_of_every_class_by_fraction_and_seed():
    held = IMAGES.hold_out(0.25, seed=4)
    assert held.validation is not None
    assert torch.bincount(held.validation.labels).tolist() == [5, 5, 5]
    assert torch.bincount(held.train.labels).tolist() == [15, 15, 15]
    assert held.test is IMAGES.test

    def rows(*splits: Split) -> list[bytes]:
        return sorted(image.numpy().tobytes() for s in splits for image in s.images)

    assert rows(held.train, held.validation) == rows(IMAGES.train)
    expected = channel_statistics(held.train.images)
    assert torch.equal(held.mean, expected[0])
    assert not torch.equal(held.mean, IMAGES.mean)
    hashes = [IMAGES.hold_out(*choice).sha256 for choice in ((0.25, 4), (0.25, 5), (0.5, 4))]
    assert hashes[0] == held.sha256
    assert len({IMAGES.sha256, *hashes}) == 4


def test_hold_out_refuses_what_leaves_nothing():
    for fraction in (0.0, 1.0, -0.5, 1.5, 0.01, 0.99):
        with pytest.raises(ValueError, match=rf"{fraction} holds \d+ of 60 .* a share in \(0, 1\)"):
            IMAGES.hold_out(fraction)
    with pytest.raises(ValueError, match="has a validation split; hold out of the original"):
        IMAGES.hold_out(0.5).hold_out(0.5)


def test_stratified_split_partitions_uneven_classes():
    labels = torch.tensor([7] * 10 + [2] * 4 + [5])
    kept, held = (part.tolist() for part in stratified_split(labels, 0.5, seed=0))
    assert (kept, held) == (sorted(kept), sorted(held))
    assert sorted(kept + held) == list(range(15))
    assert torch.bincount(labels[held], minlength=8)[[7, 2]].tolist() == [5, 2]


def test_to_moves_every_tensor():
    held = IMAGES.hold_out(0.5)
    moved = held.to("meta")
    splits = (moved.train, moved.test, moved.validation)
    tensors = [moved.mean, moved.std, *(s.images for s in splits), *(s.labels for s in splits)]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert moved.sha256 == held.sha256


BYTES = {"dtype": torch.uint8}


@pytest.mark.parametrize(
    ("split", "changes", "message"),
    [
        ("train", {"labels": torch.tensor([0, 1, 3])}, r"\[0, 1, 3\], expected .* 0 to 2"),
        ("test", {"labels": torch.tensor([0, -1, 1])}, r"\[-1, 0, 1\], expected .* 0 to 2"),
        ("train", {"labels": torch.tensor([0, 1])}, r"\(2,\)\), .*\(2, 2, 5, 4\), torch.int64"),
        ("train", {"labels": torch.tensor([0.0, 1, 2])}, "float32, .*expected .*torch.int64"),
        ("test", {"images": torch.zeros(3, 2, 5, 4)}, "float32.*expected .*torch.uint8"),
        ("train", {"images": torch.zeros(3, 5, 4, **BYTES)}, "with three dimensions an image"),
        ("train", {"images": torch.full((3, 2, 5, 4), 9, **BYTES)}, "cannot be normalized"),
        ("test", {"images": torch.zeros(3, 2, 5, 5, **BYTES)}, r"expected .*, 2, 5, 4\)"),
        ("test", vars(random_split(0, 0)), "expected .*at least one"),
    ],
)
def test_wrong_data_is_refused(split, changes, message):
    splits = {"train": random_split(3, 0), "test": random_split(3, 1)}
    splits[split] = dataclasses.replace(splits[split], **changes)
    with pytest.raises(DataError, match=rf"random(, {split} split)?: .*{message}"):
        ImageSet.from_splits("random", **splits, n_classes=3)


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
