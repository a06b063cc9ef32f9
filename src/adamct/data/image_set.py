"""Image data: labelled images in splits, checked, measured and hashed.

An image set is four or six tensors and what follows from them: the statistics that normalize it,
and the hash that names it. Where the tensors come from is :mod:`adamct.data.images`' concern.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from adamct.data.locations import DataError
from adamct.data.rng import Purpose, permutation


@dataclass(frozen=True, eq=False)
class Split:
    """Images with their labels: uint8 of shape (N, C, H, W), int64 of shape (N,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor) -> Split:
        """Return the images at ``index``, in its order."""
        return Split(self.images[index], self.labels[index])

    def to(self, device: torch.device | str) -> Split:
        """Return the split on ``device``."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images and labels in splits, with the statistics that normalize them.

    Attributes:
        name: as given to :func:`adamct.data.images.open_images`.
        train: what is trained on.
        test: the test split, as published.
        n_classes: labels lie in 0…n_classes−1.
        mean: per channel over the train split, of pixels in [0, 1]; float32 of shape (C,).
        std: likewise.
        sha256: hash of the pixels and labels of all splits; names the data in a run's spec.
        validation: held out of ``train`` by :meth:`hold_out`, or ``None``.
    """

    name: str
    train: Split
    test: Split
    n_classes: int
    mean: Tensor
    std: Tensor
    sha256: str
    validation: Split | None = None

    @classmethod
    def from_splits(
        cls, name: str, train: Split, test: Split, n_classes: int, validation: Split | None = None
    ) -> ImageSet:
        """Check the splits, measure the train split, and hash them all.

        Raises:
            DataError: for a wrong dtype or shape, a label out of range, or a channel that is
                constant over the train split.
        """
        splits = {"train": train, "test": test}
        if validation is not None:
            splits["validation"] = validation
        for split_name, split in splits.items():
            _check(f"{name}, {split_name} split", split, train.images.shape[1:], n_classes)
        mean, std = channel_statistics(train.images)
        if not bool((std > 0).all()):
            raise DataError(
                f"{name}: a channel has one value in the whole train split (std {std.tolist()}), "
                "so it cannot be normalized; drop the channel or check the source"
            )
        return cls(name, train, test, n_classes, mean, std, _hash_splits(splits), validation)

    def hold_out(self, fraction: float, seed: int = 0) -> ImageSet:
        """Move a share of every class from the train split to a validation split.

        The paper selects its best hyperparameters on the test split; with this one can select on
        validation beside it. The rest of the train split sets mean and std anew, and the hash
        differs, since runs on it are other runs. To be called on the CPU, before :meth:`to`.

        Args:
            fraction: share of each class, in (0, 1), rounded to whole images.
            seed: decides which images.

        Raises:
            ValueError: if a validation split exists already, or a split would be empty.

        Example:
            >>> from adamct.data.images import open_images
            >>> digits = open_images("digits").hold_out(0.25)
            >>> len(digits.train), len(digits.validation), len(digits.test)
            (1079, 359, 359)
        """
        if self.validation is not None:
            raise ValueError(f"{self.name} has a validation split; hold out of the original set")
        kept, held = (
            self.train.take(part) for part in stratified_split(self.train.labels, fraction, seed)
        )
        return self.from_splits(self.name, kept, self.test, self.n_classes, validation=held)

    def to(self, device: torch.device | str) -> ImageSet:
        """Return the set with all its tensors on ``device``."""
        parts = (item for item in vars(self).items() if isinstance(item[1], (Split, Tensor)))
        return replace(self, **{name: part.to(device) for name, part in parts})


def stratified_split(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Split indices in two, class by class.

    Args:
        labels: int64 of shape (N,).
        fraction: share of each class that goes to the second part, rounded to whole images.
        seed: decides which.

    Returns:
        Two int64 tensors of increasing indices that together are 0…N−1.

    Raises:
        ValueError: if one of them would be empty.

    Example:
        >>> kept, held = stratified_split(torch.tensor([0, 0, 1, 1, 1, 1]), 0.5, seed=0)
        >>> len(kept), len(held)
        (3, 3)
    """
    order = permutation(len(labels), seed, Purpose.HOLD_OUT, 0)
    shuffled = labels.numpy()[order]
    is_held = np.zeros(len(labels), dtype=bool)
    for label in np.unique(shuffled):
        members = order[shuffled == label]
        is_held[members[: round(fraction * len(members))]] = True
    if not (0 < fraction < 1 and 0 < is_held.sum() < len(labels)):
        raise ValueError(
            f"fraction = {fraction} holds {is_held.sum()} of {len(labels)} images out, expected "
            "some but not all: choose a share in (0, 1) that rounds to some images of a class"
        )
    kept, held = np.flatnonzero(~is_held), np.flatnonzero(is_held)
    return torch.from_numpy(kept), torch.from_numpy(held)


def channel_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel, of pixels in [0, 1].

    From counts of the 256 values, which are exact: the result does not depend on the number of
    threads, and no image is copied to float.

    Args:
        images: uint8 of shape (N, C, H, W).

    Returns:
        Two float32 tensors of shape (C,).

    Example:
        >>> mean, std = channel_statistics(torch.tensor([[[[0, 255]]]], dtype=torch.uint8))
        >>> mean.item(), std.item()
        (0.5, 0.5)
    """
    channels = images.unbind(dim=1)
    counts = torch.stack([torch.bincount(c.flatten(), minlength=256) for c in channels]).double()
    values = torch.arange(256, dtype=torch.float64) / 255
    share = counts / counts.sum(dim=1, keepdim=True)
    mean = share @ values
    variance = (share * (values - mean[:, None]) ** 2).sum(dim=1)
    return mean.float(), variance.sqrt().float()


def _check(where: str, split: Split, shape: torch.Size, n_classes: int) -> None:
    images, labels = split.images, split.labels
    found = (images.dtype, tuple(images.shape), labels.dtype, tuple(labels.shape))
    expected = (torch.uint8, (len(labels), *shape), torch.int64, (len(labels),))
    in_range = len(labels) > 0 and 0 <= labels.min() <= labels.max() < n_classes
    if found != expected or len(shape) != 3 or not in_range:
        raise DataError(
            f"{where}: received images and labels of types and shapes {found}, and labels "
            f"{labels.unique().tolist()}, expected {expected}, with three dimensions an image, "
            f"and labels from 0 to {n_classes - 1}, at least one: check the raw files, "
            "and n_classes of the task's data"
        )


def _hash_splits(splits: dict[str, Split]) -> str:
    digest = hashlib.sha256()
    for name, split in splits.items():
        for tensor in (split.images, split.labels):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
            digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()
