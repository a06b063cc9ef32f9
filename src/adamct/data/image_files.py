"""Raw files of image sets, in either of two layouts.

- The hub's, of any labelled set: ``<name>/**/{train,test}-<i>-of-<n>.parquet``, with a column of
  encoded images and a column of labels. Read and decoded by ``datasets``.
- CIFAR-10's own, ``cifar-10-batches-py/``. Read by torchvision, which checks each file's md5.

Both are looked for in the source folder first, then in the prepared one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from adamct.data.catalogue import IMAGE_SETS
from adamct.data.image_set import ImageSet, Split
from adamct.data.locations import DataError, sha256_of_file, stream, unreadable

SPLITS = ("train", "test")
TORCHVISION_FOLDER = "cifar-10-batches-py"
CIFAR10_ON_THE_HUB = "uoft-cs/cifar10"
MOST_CLASSES = 1 << 31
MODES = ("1", "L", "LA", "P", "RGB", "RGBA")  # of Pillow, those of at most 8 bits a channel
SOUND_COPY = (
    "replace it by a sound copy, or, of CIFAR-10, delete the folder and run "
    "`python scripts/prepare_data.py cifar10`, which downloads it"
)


@dataclass(frozen=True)
class Columns:
    """The columns of a parquet file of images, and how many classes its labels count.

    Args:
        image: bytes of a PNG or JPEG file, or a struct that has them under ``bytes``.
        label: integers from 0.
        n_classes: ``None`` for as many as the set is known to have, else as the train split shows.
    """

    image: str = "img"
    label: str = "label"
    n_classes: int | None = None


HUB_COLUMNS = Columns()


def find_raw(name: str, source: Path | None, prepared: Path) -> list[Path]:
    """Return the raw files of a set of images, from the first folder that has any; else none.

    Raises:
        DataError: if some of a split's parquet files are missing.
    """
    for root in filter(None, (source, prepared)):
        for folder in (root, root / name) if name == "cifar10" else ():
            if paths := sorted(filter(Path.is_file, (folder / TORCHVISION_FOLDER).glob("*"))):
                return paths
        if any((root / name).rglob("*.parquet")):
            return [path for split in SPLITS for path in _find_shards(root / name, split)]
    return []


def fingerprint(paths: list[Path], columns: Columns) -> str:
    """Hash of raw files and columns: equal ones are decoded to equal images."""
    lines = [f"{path.name} {sha256_of_file(path)}" for path in paths]
    return hashlib.sha256("\n".join([str(columns), *lines]).encode()).hexdigest()


def read_raw(name: str, paths: list[Path], columns: Columns) -> ImageSet:
    """Decode the raw files of a set of images, as :func:`find_raw` returns them.

    Raises:
        DataError: if a file is truncated or foreign.
    """
    if paths[0].parent.name == TORCHVISION_FOLDER:
        return _read_torchvision(paths[0].parents[1])
    known = IMAGE_SETS.get(name)
    shape: Sequence[int] | None = (known.channels, known.size, known.size) if known else None
    n_classes = columns.n_classes or (known.n_classes if known else 0)  # 0: not known yet
    splits = []
    for split in SPLITS:
        parts = []
        for path in (path for path in paths if path.name.startswith(f"{split}-")):
            parts.append(_read_shard(path, columns, shape, n_classes or MOST_CLASSES))
            shape = parts[0].images.shape[1:]  # every image is as the first
        images = torch.cat([part.images for part in parts])
        splits.append(Split(images, torch.cat([part.labels for part in parts])))
        n_classes = n_classes or 1 + int(splits[0].labels.max())
    train, test = splits
    return ImageSet.from_splits(name, train, test, n_classes)


def download(folder: Path) -> list[Path]:
    """Download CIFAR-10 from the hub into a folder that does not exist yet, all of it or nothing.

    Returns:
        Its raw files, as :func:`find_raw` does.

    Raises:
        DataError: if that fails.
    """
    import datasets

    unfinished = folder.with_name(folder.name + ".partial")
    try:
        unfinished.mkdir(exist_ok=True)
        for split in SPLITS:
            images = datasets.load_dataset(CIFAR10_ON_THE_HUB, split=split)
            # As they are, without decoding and encoding them again.
            encoded = images.cast_column(HUB_COLUMNS.image, datasets.Image(decode=False))
            encoded.to_parquet(str(unfinished / f"{split}-00000-of-00001.parquet"))
        unfinished.rename(folder)
    except Exception as error:  # whatever it was, the remedy is the same
        raise unreadable(
            f"{CIFAR10_ON_THE_HUB} of the hub",
            error,
            "run the same command where there is a connection, or copy its {train,test}-*.parquet, "
            f"or {TORCHVISION_FOLDER}/ as torchvision downloads it, into {folder}",
        ) from error
    return find_raw(folder.name, None, folder.parent)


def _read_torchvision(root: Path) -> ImageSet:
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import check_integrity

    meta = (CIFAR10.meta["filename"], CIFAR10.meta["md5"])
    for name, md5 in (*CIFAR10.train_list, *CIFAR10.test_list, meta):
        path = root / TORCHVISION_FOLDER / name
        if not check_integrity(str(path), md5):  # torchvision does not say which file it was
            raise DataError(
                f"{path} is missing, truncated or another file: expected md5 {md5}; {SOUND_COPY}"
            )

    def read(train: bool) -> Split:
        data = CIFAR10(str(root), train=train)
        pixels = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()
        return Split(pixels, torch.tensor(data.targets))

    return ImageSet.from_splits("cifar10", read(True), read(False), IMAGE_SETS["cifar10"].n_classes)


def _find_shards(folder: Path, split: str) -> list[Path]:
    shards = sorted(folder.rglob(f"{split}-*.parquet"))
    numbered = re.search(r"-of-(\d+)$", shards[0].stem) if shards else None
    expected = int(numbered[1]) if numbered else max(1, len(shards))
    if len(shards) != expected:
        raise DataError(
            f"{folder} holds {len(shards)} of {expected} files {split}-*.parquet: copy the rest "
            f"there, or {SOUND_COPY}"
        )
    return shards


def _read_shard(path: Path, columns: Columns, shape: Sequence[int] | None, n_classes: int) -> Split:
    """Decode one parquet file; without a shape (C, H, W), grey or colour as its first image."""
    import datasets
    from tqdm import tqdm

    pixels: list[np.ndarray] = []
    labels: list[int] = []
    try:
        rows = stream("parquet", str(path))
        if not {columns.image, columns.label} <= set(rows.features):
            raise ValueError(f"its columns are {', '.join(rows.features)}")
        rows = rows.cast_column(columns.image, datasets.Image())
        for row in tqdm(rows, f"decoding {path.name}", disable=None):
            image, label = row[columns.image], row[columns.label]
            if not isinstance(label, int) or not 0 <= label < n_classes:
                raise ValueError(f"label {label}, expected an integer from 0 to {n_classes - 1}")
            if image.mode not in MODES:
                raise ValueError(f"mode {image.mode}, expected one of {', '.join(MODES)}")
            grey = shape[0] == 1 if shape else image.mode in ("1", "L")
            array = np.atleast_3d(image.convert("L" if grey else "RGB")).transpose(2, 0, 1)
            shape = shape or array.shape
            if array.shape != tuple(shape):
                raise ValueError(f"(C, H, W) = {array.shape}, expected {tuple(shape)}")
            pixels.append(array)
            labels.append(label)
        images = torch.from_numpy(np.stack(pixels)).contiguous()
    except Exception as error:  # of arrow, Pillow, fsspec, datasets: each spoils this one file
        raise unreadable(
            f"{path}, row {len(labels)}, an image in `{columns.image}` and its class in "
            f"`{columns.label}`,",
            error,
            "name the columns by image_column and label_column of the task's data, or "
            f"{SOUND_COPY}",
        ) from error
    return Split(images, torch.tensor(labels))
