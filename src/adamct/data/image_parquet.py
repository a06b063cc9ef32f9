"""Pictures from the hub's parquet layout, decoded once.

A folder holds ``{train,test}-<i>-of-<n>.parquet`` with columns ``img: {bytes, path}``, the bytes
of a PNG or JPEG file, and ``label``. The decoded arrays are kept in
``<name>-<hash of the parquet files>/`` of the prepared folder: other files never meet a stale
decoding, and all processes of a sweep map the same memory.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from pathlib import Path

import numpy as np
import torch

from adamct import files
from adamct.data.images import ImageSet, Split
from adamct.data.locations import DataError

# Raised when the same parquet files would be decoded to other arrays, or laid out otherwise.
FORMAT = 1
MANIFEST = "manifest.json"
N_DIGITS = 16  # of the hash that names a decoding


def read_parquet(
    name: str, folder: Path, prepared: Path | None, *, size: int, n_classes: int
) -> ImageSet:
    """Open the pictures of a folder, from their decoding if there is one.

    Args:
        name: name of the set, and of its decoding.
        folder: where the parquet files are; only read.
        prepared: where the decoding is kept; ``None`` keeps none.
        size: height and width that every picture has.
        n_classes: labels lie in 0…n_classes−1.

    Raises:
        DataError: if a shard is missing, or a file fails its checks.
    """
    shards = {split: _find_shards(folder, split) for split in ("train", "test")}

    def decode() -> ImageSet:
        train, test = (_decode(paths, size, n_classes) for paths in shards.values())
        return ImageSet.from_splits(name, train, test, n_classes)

    if prepared is None:
        return decode()
    decoded = prepared / f"{name}-{_fingerprint([*shards['train'], *shards['test']])}"
    if not decoded.is_dir():
        with files.writing(prepared):
            prepared.mkdir(parents=True, exist_ok=True)
        with files.exclusive(decoded.with_name(decoded.name + ".lock"), wait=True):
            if not decoded.is_dir():  # else another process decoded it meanwhile
                _keep(decode(), decoded)
    return open_decoded(name, decoded, n_classes)


def find_decoded(name: str, prepared: Path) -> list[Path]:
    """Return the folders of all finished decodings of a set."""
    return sorted(prepared.glob(f"{name}-{'[0-9a-f]' * N_DIGITS}"))


def open_decoded(name: str, folder: Path, n_classes: int) -> ImageSet:
    """Map a decoding into memory and verify its sizes and hash.

    Raises:
        DataError: if a file is missing, truncated or changed.
    """
    remedy = f"delete {folder}; it is decoded again from the parquet files"
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        expected, sizes = manifest["sha256"], manifest["n_bytes"]
        arrays = {}
        for file, n_bytes in sizes.items():
            path = folder / file
            if path.stat().st_size != n_bytes:
                raise ValueError(f"{path.stat().st_size} bytes, expected {n_bytes}")
            # Copy-on-write: torch wants memory that it may write to.
            arrays[file] = torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))
        train, test = (
            Split(arrays[f"{split}_images.npy"], arrays[f"{split}_labels.npy"])
            for split in ("train", "test")
        )
        path = folder
        images = ImageSet.from_splits(name, train, test, n_classes)
    except (OSError, ValueError, KeyError, AttributeError, TypeError, DataError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f"{path} cannot be used ({reason}); {remedy}") from error
    if images.sha256 != expected:
        raise DataError(
            f"the arrays in {folder} have SHA-256 {images.sha256}, its manifest says {expected}; "
            f"{remedy}"
        )
    return images


def fetch_again(path: Path) -> str:
    """Return the remedy for a raw file that is no good."""
    return (
        f"replace it by a sound copy, or delete {path.parent} and run `python "
        "scripts/prepare_data.py cifar10`, which downloads it"
    )


def _keep(images: ImageSet, folder: Path) -> None:
    """Write a decoding, all of it or nothing."""
    partial = folder.with_name(folder.name + ".partial")
    with files.writing(partial):
        partial.mkdir(exist_ok=True)
        for split_name, split in (("train", images.train), ("test", images.test)):
            np.save(partial / f"{split_name}_images.npy", split.images.numpy())
            np.save(partial / f"{split_name}_labels.npy", split.labels.numpy())
        sizes = {path.name: path.stat().st_size for path in sorted(partial.glob("*.npy"))}
        manifest = {"sha256": images.sha256, "n_bytes": sizes}
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        partial.rename(folder)


def _find_shards(folder: Path, split: str) -> list[Path]:
    shards = sorted(folder.glob(f"{split}-*.parquet"))
    numbered = re.search(r"-of-(\d+)$", shards[0].stem) if shards else None
    expected = int(numbered[1]) if numbered else max(1, len(shards))
    if len(shards) != expected:
        raise DataError(
            f"{folder} holds {len(shards)} of {expected} files {split}-*.parquet; copy the rest "
            f"there, or delete {folder} and run `python scripts/prepare_data.py cifar10`"
        )
    return shards


def _fingerprint(paths: list[Path]) -> str:
    digest = hashlib.sha256(f"format {FORMAT}\n".encode())
    for path in paths:
        digest.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:N_DIGITS]


def _decode(paths: list[Path], size: int, n_classes: int) -> Split:
    parts = [_decode_file(path, size, n_classes) for path in paths]
    pixels, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Split(torch.from_numpy(pixels), torch.from_numpy(labels))


def _decode_file(path: Path, size: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from tqdm import tqdm

    try:
        table = pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} is truncated or no parquet file ({error}); {fetch_again(path)}"
        ) from error
    try:
        encoded = table["img"].combine_chunks().field("bytes")
        labels = table["label"].to_numpy()
    except (KeyError, AttributeError) as error:
        columns = ", ".join(f"{field.name}: {field.type}" for field in table.schema)
        raise DataError(
            f"{path} has columns `{columns}`, expected `img`, a struct with `bytes`, and `label`; "
            f"{fetch_again(path)}"
        ) from error
    wrong = np.flatnonzero(~np.isin(labels, np.arange(n_classes)))
    if len(wrong):
        raise DataError(
            f"{path}, row {wrong[0]}: label {labels[wrong[0]]}, expected an integer from 0 to "
            f"{n_classes - 1}; {fetch_again(path)}"
        )
    pixels = np.empty((len(labels), 3, size, size), dtype=np.uint8)
    for row, picture in enumerate(tqdm(encoded, f"decoding {path.name}", disable=None)):
        try:
            pixels[row] = _decode_picture(picture.as_py(), size)
        except (OSError, SyntaxError, TypeError, ValueError) as error:  # Pillow raises them all
            raise DataError(
                f"{path}, row {row}: the picture cannot be decoded ({error}); {fetch_again(path)}"
            ) from error
    return pixels, labels.astype(np.int64)


def _decode_picture(encoded: bytes, size: int) -> np.ndarray:
    """Return the picture in a PNG or JPEG file as uint8 of shape (3, size, size)."""
    from PIL import Image

    with Image.open(io.BytesIO(encoded)) as picture:
        if picture.size != (size, size):
            width, height = picture.size
            raise ValueError(f"{width} x {height} pixels, expected {size} x {size}")
        return np.asarray(picture.convert("RGB")).transpose(2, 0, 1)
