"""Raw files of image sets, in either of two layouts.

- The hub's, of any labelled set: ``<name>/**/{train,test}-<i>-of-<n>.parquet``, with a column of
  encoded images and a column of labels. Read and decoded by ``datasets``.
- CIFAR-10's own, ``cifar-10-batches-py/``. Read by torchvision, which checks each file's md5.

Both are looked for in the source folder first, then in the prepared one. CIFAR-10 can be read from
the hub itself, at a pinned revision, or be downloaded as its authors publish it.
"""

from __future__ import annotations

import hashlib
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from adamct import files
from adamct.data.catalogue import IMAGE_SETS
from adamct.data.image_set import ImageSet, Split
from adamct.data.locations import (
    CONNECT,
    DataError,
    preparing,
    stream_rows,
    unreadable,
)

SPLITS = ("train", "test")
TORCHVISION_FOLDER = "cifar-10-batches-py"
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


def find_raw(name: str, source: Path | None, prepared: Path) -> dict[str, list[Path]]:
    """Return the raw files of a set of images, from the first folder that has any; else none.

    Returns:
        Per split its parquet files, or under ``cifar-10-batches-py`` what that folder holds.

    Raises:
        DataError: if some of a split's parquet files are missing.
    """
    for root in filter(None, (source, prepared)):
        for folder in (root, root / name) if name == "cifar10" else ():
            if paths := sorted(filter(Path.is_file, (folder / TORCHVISION_FOLDER).glob("*"))):
                return {TORCHVISION_FOLDER: paths}
        if any((root / name).rglob("*.parquet")):
            return {split: _find_shards(root / name, split) for split in SPLITS}
    return {}


def fingerprint(raw: dict[str, list[Path]], columns: Columns) -> str:
    """Hash of raw files and columns: equal ones are decoded to equal images."""
    lines = [f"{path.name} {files.sha256(path)}" for paths in raw.values() for path in paths]
    return hashlib.sha256("\n".join([str(columns), *lines]).encode()).hexdigest()


def read_raw(name: str, raw: Mapping[str, Sequence[str | Path]], columns: Columns) -> ImageSet:
    """Decode the raw files of a set of images, as :func:`find_raw` returns them or on the hub.

    Raises:
        DataError: if a file is truncated or foreign, or the hub cannot be reached.
    """
    if TORCHVISION_FOLDER in raw:
        return _read_torchvision(Path(raw[TORCHVISION_FOLDER][0]).parent)
    known = IMAGE_SETS.get(name)
    shape = (known.channels, known.size, known.size) if known else None
    train = _read_split(raw["train"], columns, shape)
    test = _read_split(raw["test"], columns, train.images.shape[1:])
    shown = known.n_classes if known else 1 + int(train.labels.max())
    return ImageSet.from_splits(name, train, test, columns.n_classes or shown)


def download_archive(prepared: Path) -> None:
    """Download CIFAR-10 as its authors publish it to where :func:`find_raw` finds it.

    Raises:
        DataError: if that fails.
    """
    from torchvision.datasets import CIFAR10

    with preparing(prepared, "cifar10"):
        try:
            CIFAR10(str(prepared / "cifar10"), download=True)
        except Exception as error:  # whatever it was, the remedy is the same
            raise unreadable("CIFAR-10's archive", error, CONNECT) from error


def _read_torchvision(folder: Path) -> ImageSet:
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import check_integrity

    meta = (CIFAR10.meta["filename"], CIFAR10.meta["md5"])
    for name, md5 in (*CIFAR10.train_list, *CIFAR10.test_list, meta):
        if not check_integrity(str(folder / name), md5):  # torchvision does not say which it was
            raise DataError(
                f"{folder / name} is missing, truncated or another file: expected md5 {md5}; "
                f"{SOUND_COPY}"
            )

    def read(train: bool) -> Split:
        data = CIFAR10(str(folder.parent), train=train)
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


def _read_split(
    shards: Sequence[str | Path], columns: Columns, shape: Sequence[int] | None
) -> Split:
    """Decode the files of a split; without a shape (C, H, W), every image is as the first."""
    import datasets
    from tqdm import tqdm

    pixels: list[np.ndarray] = []
    labels: list[int] = []
    for shard in shards:
        before = len(labels)
        try:
            rows = stream_rows("parquet", str(shard))
            if not {columns.image, columns.label} <= set(rows.features):
                raise ValueError(f"its columns are {', '.join(rows.features)}")
            rows = rows.cast_column(columns.image, datasets.Image())
            for row in tqdm(rows, f"decoding {Path(shard).name}", disable=None):
                image, label = row[columns.image], operator.index(row[columns.label])
                if image.mode not in MODES:
                    raise ValueError(f"mode {image.mode}, expected one of {', '.join(MODES)}")
                grey = shape[0] == 1 if shape else image.mode in ("1", "L")
                array = np.atleast_3d(image.convert("L" if grey else "RGB")).transpose(2, 0, 1)
                shape = shape or array.shape
                if array.shape != tuple(shape):
                    raise ValueError(f"(C, H, W) = {array.shape}, expected {tuple(shape)}")
                pixels.append(array)
                labels.append(label)
            if len(labels) == before:
                raise ValueError("it holds no images")
        except Exception as error:  # of arrow, Pillow, fsspec, datasets: each spoils this one file
            raise unreadable(
                f"{shard}, row {len(labels) - before}, an image in `{columns.image}` and its "
                f"class in `{columns.label}`,",
                error,
                "name the columns by image_column and label_column of the task's data, or "
                f"{SOUND_COPY}",
            ) from error
    return Split(torch.from_numpy(np.stack(pixels)).contiguous(), torch.tensor(labels))
