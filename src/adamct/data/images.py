"""The image sets, by name; each is decoded once and then shared.

``digits`` is scikit-learn's (1,797 grey images of 8 × 8), on every machine. All others are read
from raw files by :mod:`adamct.data.image_files`, once, into ``<name>.images.pt`` of the prepared
folder: uint8 pixels and labels with their hash, which all processes of a sweep map into memory, and
which do without the raw files from then on.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch

from adamct import files
from adamct.data.image_files import (
    HUB_COLUMNS,
    SPLITS,
    Columns,
    RawImages,
    download,
    find_raw,
    missing,
)
from adamct.data.image_set import ImageSet, Split, stratified_split
from adamct.data.locations import DataError


def open_images(
    name: str,
    *,
    source: Path | None = None,
    prepared: Path | None = None,
    held_out: float = 0.0,
    columns: Columns = HUB_COLUMNS,
) -> ImageSet:
    """Open a set of images, on the CPU; nothing is ever downloaded here.

    Args:
        name: ``"digits"``, ``"cifar10"``, or a folder of the hub's parquet files in ``source``.
        source: folder of raw data (``adamct.data.default_source``), only read.
        prepared: folder of prepared data (``adamct.data.default_prepared``), where decoded images
            are kept; ``None`` keeps none.
        held_out: share of the train split for a validation split (:meth:`ImageSet.hold_out`).
        columns: of the parquet files.

    Raises:
        DataError: if the data is missing, truncated or foreign.

    Example:
        >>> digits = open_images("digits")
        >>> digits.train.images.shape, len(digits.test)
        (torch.Size([1438, 1, 8, 8]), 359)
    """
    if name == "digits":
        images = _digits()
    else:
        raw = find_raw(name, source, prepared, columns)
        kept = raw.read() if raw and prepared is None else _decoded_once(name, raw, prepared)
        if kept is None:
            raise DataError(missing(name, source, prepared))
        images = kept
    return images.hold_out(held_out) if held_out else images


def prepare_images(
    name: str, source: Path | None, prepared: Path, *, columns: Columns = HUB_COLUMNS
) -> ImageSet:
    """Make a set of images ready to open: download CIFAR-10 unless it is there, and decode.

    Args:
        name: as for :func:`open_images`.
        source: folder of raw data, only read; what it holds is not downloaded again.
        prepared: folder for what is downloaded and decoded.
        columns: of the parquet files.

    Returns:
        The data, as :func:`open_images` gives them from now on.

    Raises:
        DataError: if the download fails, or a file its checks.
    """
    if name == "cifar10":
        with files.writing(prepared):
            prepared.mkdir(parents=True, exist_ok=True)
        with files.exclusive(prepared / "cifar10.lock", wait=True):
            if find_raw(name, source, prepared, columns) is None:
                download(prepared / "cifar10")
    return open_images(name, source=source, prepared=prepared, columns=columns)


def _digits() -> ImageSet:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    grey = np.rint(bunch.images * 255 / 16).astype(np.uint8)  # 17 levels, 0 to 16
    whole = Split(torch.from_numpy(grey[:, None]), torch.from_numpy(bunch.target.astype(np.int64)))
    # scikit-learn publishes no split: a fifth of every class, always the same images.
    kept, held = stratified_split(whole.labels, 0.2, seed=0)
    return ImageSet.from_splits("digits", whole.take(kept), whole.take(held), n_classes=10)


def _decoded_once(name: str, raw: RawImages | None, prepared: Path | None) -> ImageSet | None:
    """Open what is kept of raw files, decoded now if need be; without any, what is kept at all."""
    if prepared is None:
        return None
    path = prepared / f"{name}.images.pt"
    origin = None if raw is None else raw.fingerprint()
    kept = _open_kept(name, path, origin)
    if kept is not None or raw is None:
        return kept
    with files.writing(prepared):
        prepared.mkdir(parents=True, exist_ok=True)
    with files.exclusive(path.with_suffix(".lock"), wait=True):
        kept = _open_kept(name, path, origin)  # another process may have been first
        if kept is None:
            _keep(raw.read(), path, origin)
            kept = _open_kept(name, path, origin)
    return kept


def _keep(images: ImageSet, path: Path, origin: str | None) -> None:
    content: dict[str, object] = {
        "origin": origin,
        "sha256": images.sha256,
        "n_classes": images.n_classes,
    }
    for name, split in zip(SPLITS, (images.train, images.test), strict=True):
        content |= {f"{name}_images": split.images, f"{name}_labels": split.labels}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    files.replace(path, buffer.getvalue())


def _open_kept(name: str, path: Path, origin: str | None) -> ImageSet | None:
    """Map kept images into memory and verify their hash; None where there are none of ``origin``.

    Raises:
        DataError: if the file is truncated, changed or foreign.
    """
    if not path.is_file():
        return None
    try:
        kept = torch.load(path, mmap=True, weights_only=True)
        if origin is not None and kept["origin"] != origin:
            return None
        train, test = (Split(kept[f"{split}_images"], kept[f"{split}_labels"]) for split in SPLITS)
        images = ImageSet.from_splits(name, train, test, kept["n_classes"])
        if images.sha256 != kept["sha256"]:
            raise ValueError(f"sha256 {images.sha256}, expected {kept['sha256']}")
    except Exception as error:  # torch, zip and pickle each raise their own
        reason = str(error).partition(". ")[0]  # torch goes on to advise trusting the file
        raise DataError(
            f"{path} cannot be used ({type(error).__name__}: {reason}); delete it: it is decoded "
            "again from the raw files"
        ) from error
    return images
