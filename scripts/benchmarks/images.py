"""Batches of images against a DataLoader over torchvision's per-image transforms."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torchvision.transforms as T
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from adamct.data.batches import image_batch, steps_per_epoch
from adamct.data.image_set import ImageSet
from benchmarks.workloads import random_images


def data_loader(images: ImageSet, batch_size: int, workers: int) -> DataLoader:
    """An epoch of the train split by torchvision's transforms, image by image."""
    transform = T.Compose(
        [
            T.RandomCrop(32, padding=4),
            T.RandomHorizontalFlip(),
            T.ToTensor(),
            T.Normalize(images.mean.tolist(), images.std.tolist()),
        ]
    )
    return DataLoader(
        Images(images, transform),
        batch_size=batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


class Images(Dataset):
    """The train split, one image at a time."""

    def __init__(self, images: ImageSet, transform: Callable[[Image.Image], Tensor]) -> None:
        self._pixels = images.train.images.permute(0, 2, 3, 1).contiguous().numpy()
        self._labels, self._transform = images.train.labels.tolist(), transform

    def __len__(self) -> int:
        """How many images there are."""
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """One image, transformed, and its label."""
        return self._transform(Image.fromarray(self._pixels[index])), self._labels[index]


def run(args: argparse.Namespace) -> None:
    """Compare ``image_batch`` with a DataLoader over torchvision's per-image transforms."""
    torch.set_num_threads(args.threads)
    images = random_images(args.images)
    n_steps = steps_per_epoch(args.images, args.batch_size)
    n_seen = n_steps * args.batch_size
    loader = data_loader(images, args.batch_size, args.workers)

    def load_epoch() -> int:
        return sum(len(y) for _, y in loader)

    def batch_epochs() -> int:
        # Ten epochs, since one is over before a clock has seen it.
        for step in range(10 * n_steps):
            image_batch(
                images,
                batch_size=args.batch_size,
                seed=0,
                step=step,
                padding=4,
                flip=True,
            )
        return 10 * n_seen

    load_epoch(), batch_epochs()  # starts the workers, which persist, and warms both
    rounds = [(_per_second(load_epoch), _per_second(batch_epochs)) for _ in range(args.rounds)]
    loaded, batched = (statistics.median(rates) for rates in zip(*rounds, strict=True))
    print(f"{args.images} images of 3 x 32 x 32 in batches of {args.batch_size}, images/s,")
    print(f"median of {args.rounds} rounds in turn, {args.threads} torch threads:")
    print(f"  DataLoader, {args.workers} workers  {loaded:10,.0f}")
    print(f"  image_batch            {batched:10,.0f}")
    print(f"  ratio                  {batched / loaded:10.1f}")


def _per_second(work: Callable[[], int]) -> float:
    start = time.perf_counter()
    amount = work()
    return amount / (time.perf_counter() - start)
