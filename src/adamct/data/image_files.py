"""Raw files of image sets, in either of two layouts.

- The hub's, of any labelled set: ``<name>/**/{train,test}-<i>-of-<n>.parquet``, with a column of
  encoded images and a column of labels. Read by ``datasets``.
- CIFAR-10's own, ``cifar-10-batches-py/``. Read by torchvision, which checks each file's md5.

Both are looked for in the source folder first, then in the prepared one.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from adamct import files
from adamct.data.catalogue import IMAGE_SETS
from adamct.data.image_set import ImageSet, Split
from adamct.data.locations import DataError, sha256_of_file, stream

SPLITS = ("train", "test")
TORCHVISION_FOLDER = "cifar-10-batches-py"
CIFAR10_ON_THE_HUB = "uoft-cs/cifar10"
MOST_CLASSES = 1 << 31


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


@dataclass(frozen=True)
class RawImages:
    """Raw files, how they are read, and what else decides the result."""

    paths: list[Path]
    read: Callable[[], ImageSet]
    columns: Columns | None = None

    def fingerprint(self) -> str:
        """Hash of the files and columns: equal ones are decoded to equal images."""
        lines = [f"{path.name} {sha256_of_file(path)}" for path in self.paths]
        return hashlib.sha256("\n".join([str(self.columns), *lines]).encode()).hexdigest()


def find_raw(
    name: str, source: Path | None, prepared: Path | None, columns: Columns
) -> RawImages | None:
    """Return the raw files of a set of images, or None where neither folder has any.

    Raises:
        DataError: if some of a split's parquet files are missing.
    """
    for root in filter(None, (source, prepared)):
        for folder in (root, root / name) if name == "cifar10" else ():
            if (folder / TORCHVISION_FOLDER).is_dir():
                paths = sorted((folder / TORCHVISION_FOLDER).iterdir())
                return RawImages(paths, partial(_read_torchvision, folder))
        if any((root / name).rglob("*.parquet")):
            shards = [_find_shards(root / name, split) for split in SPLITS]
            read = partial(_read_parquet, name, shards, columns)
            return RawImages([*itertools.chain(*shards)], read, columns)
    return None


def download(folder: Path) -> None:
    """Download CIFAR-10 from the hub into a folder that does not exist yet, all of it or nothing.

    Raises:
        DataError: if that fails.
    """
    import datasets

    unfinished = folder.with_name(folder.name + ".partial")
    with files.writing(unfinished):
        unfinished.mkdir(exist_ok=True)
    try:
        for split in SPLITS:
            images = datasets.load_dataset(CIFAR10_ON_THE_HUB, split=split)
            # As they are, without decoding and encoding them again.
            encoded = images.cast_column(HUB_COLUMNS.image, datasets.Image(decode=False))
            encoded.to_parquet(str(unfinished / f"{split}-00000-of-00001.parquet"))
    except Exception as error:  # whatever it was, the remedy is the same
        raise DataError(
            f"{CIFAR10_ON_THE_HUB} could not be downloaded from the hub ({type(error).__name__}: "
            f"{error}); run the same command where there is a connection, or copy its "
            f"{{train,test}}-*.parquet, or {TORCHVISION_FOLDER}/ as torchvision downloads it, into "
            f"{folder}"
        ) from error
    with files.writing(folder):
        unfinished.rename(folder)


def missing(name: str, source: Path | None, prepared: Path | None) -> str:
    """Return the message for a set of images of which there is nothing."""
    folders = " or ".join(str(root) for root in (source, prepared) if root) or "no folder at all"
    layouts, remedy = f"{name}/**/{{train,test}}-*.parquet", ""
    if name == "cifar10":
        layouts += f" or {TORCHVISION_FOLDER}/"
        remedy = "run `python scripts/prepare_data.py cifar10`, which downloads it, or "
    return (
        f"no images {name!r} in {folders}: expected {layouts}; {remedy}set ADAMCT_DATA to a folder "
        "that has them; task.data.corpus=digits needs none"
    )


# ---------------------------------------------------------------------------- torchvision's


def _read_torchvision(root: Path) -> ImageSet:
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import check_integrity

    def read(train: bool) -> Split:
        data = CIFAR10(str(root), train=train, download=False)
        pixels = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()
        return Split(pixels, torch.tensor(data.targets))

    try:
        return ImageSet.from_splits(
            "cifar10", read(True), read(False), IMAGE_SETS["cifar10"].n_classes
        )
    except RuntimeError as error:  # it does not say which file it was
        meta = (CIFAR10.meta["filename"], CIFAR10.meta["md5"])
        for name, md5 in (*CIFAR10.train_list, *CIFAR10.test_list, meta):
            path = root / TORCHVISION_FOLDER / name
            if not check_integrity(str(path), md5):
                raise DataError(
                    f"{path} is missing, truncated or another file: expected md5 {md5}; "
                    f"{_replace(path)}"
                ) from error
        raise


# ---------------------------------------------------------------------------------- the hub's


def _find_shards(folder: Path, split: str) -> list[Path]:
    shards = sorted(folder.rglob(f"{split}-*.parquet"))
    numbered = re.search(r"-of-(\d+)$", shards[0].stem) if shards else None
    expected = int(numbered[1]) if numbered else max(1, len(shards))
    if len(shards) != expected:
        raise DataError(
            f"{folder} holds {len(shards)} of {expected} files {split}-*.parquet; copy the rest "
            f"there{_or_download(folder)}"
        )
    return shards


def _read_parquet(name: str, shards: list[list[Path]], columns: Columns) -> ImageSet:
    known = IMAGE_SETS.get(name)
    shape = (known.channels, known.size, known.size) if known else None
    n_classes = columns.n_classes or (known.n_classes if known else None)
    splits = []
    for paths in shards:
        pixels, labels = [], []
        for path in paths:
            for row, (encoded, label) in enumerate(_rows(path, columns)):
                where = f"{path}, row {row}"
                if not isinstance(label, int) or not 0 <= label < (n_classes or MOST_CLASSES):
                    raise DataError(
                        f"{where}: label {label}, expected an integer from 0 to "
                        f"{(n_classes or MOST_CLASSES) - 1}; {_replace(path)}"
                    )
                try:
                    pixels.append(_decode(encoded, shape))
                except (OSError, SyntaxError, TypeError, ValueError) as error:  # Pillow's, all
                    raise DataError(
                        f"{where}: the image cannot be decoded ({error}); {_replace(path)}"
                    ) from error
                labels.append(label)
                shape = pixels[-1].shape  # every image is as the first
        if not labels:
            raise DataError(f"{paths[0]} holds no images; {_replace(paths[0])}")
        n_classes = n_classes or 1 + max(labels)
        splits.append(Split(torch.from_numpy(np.stack(pixels)), torch.tensor(labels)))
    assert n_classes is not None
    train, test = splits
    return ImageSet.from_splits(name, train, test, n_classes)


def _rows(path: Path, columns: Columns) -> Iterator[tuple[bytes | None, object]]:
    """Yield the encoded image and the label of each row of a parquet file."""
    import datasets
    from tqdm import tqdm

    try:
        rows = stream("parquet", str(path))
        types = rows.features
        image = types.get(columns.image)
        encoded = isinstance(image, datasets.Image) or image == datasets.Value("binary")
        if (encoded or (isinstance(image, dict) and "bytes" in image)) and columns.label in types:
            rows = rows.cast_column(columns.image, datasets.Image(decode=False))
            for row in tqdm(rows, f"decoding {path.name}", disable=None):
                yield (row[columns.image] or {}).get("bytes"), row[columns.label]
            return
    except Exception as error:  # of arrow, fsspec and datasets: each spoils this one file
        raise DataError(
            f"{path} is truncated or no parquet file ({error}); {_replace(path)}"
        ) from error
    found = ", ".join(f"{field.name}: {field.type}" for field in types.arrow_schema)
    raise DataError(
        f"{path} has columns `{found}`, expected `{columns.image}`, an image's bytes, and "
        f"`{columns.label}`: name them by image_column and label_column of the task's data, or "
        f"{_replace(path)}"
    )


def _decode(encoded: bytes | None, shape: tuple[int, ...] | None) -> NDArray[np.uint8]:
    """Return the image in a PNG or JPEG file, (C, H, W); without a shape, grey or colour as is."""
    from PIL import Image

    with Image.open(io.BytesIO(encoded or b"")) as image:
        grey = shape[0] == 1 if shape else image.mode in ("1", "L")
        array = np.asarray(image.convert("L" if grey else "RGB"))
    pixels = array[None] if grey else array.transpose(2, 0, 1)
    if shape and pixels.shape != shape:
        (height, width), (_, *expected) = pixels.shape[1:], shape
        raise ValueError(f"{width} x {height} pixels, expected {expected[1]} x {expected[0]}")
    return pixels


def _replace(path: Path) -> str:
    return f"replace it by a sound copy{_or_download(path.parent)}"


def _or_download(folder: Path) -> str:
    if folder.name not in ("cifar10", TORCHVISION_FOLDER):
        return ""
    return (
        f", or delete {folder} and run `python scripts/prepare_data.py cifar10`, which downloads it"
    )
