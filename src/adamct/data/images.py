"""The image sets, by name; each is decoded once and then shared.

``digits`` is scikit-learn's (1,797 grey images of 8 × 8), on every machine. All others are read
from raw files by :mod:`adamct.data.image_files`, once, into ``<name>.images.pt`` of the prepared
folder: uint8 pixels and labels with their hash, which all processes of a sweep map into memory, and
which do without the raw files from then on.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import torch

from adamct import files
from adamct.data.image_files import (
    HUB_COLUMNS,
    SPLITS,
    TORCHVISION_FOLDER,
    Columns,
    find_raw,
    fingerprint,
    read_raw,
)
from adamct.data.image_set import ImageSet, Split, stratified_split
from adamct.data.locations import default_prepared, hub_files, missing, preparing, unreadable


def open_images(
    name: str,
    *,
    source: Path | None = None,
    prepared: Path | None = None,
    held_out: float = 0.0,
    columns: Columns = HUB_COLUMNS,
    may_download: bool = False,
) -> ImageSet:
    """Open a set of images, on the CPU.

    Args:
        name: ``"digits"``, ``"cifar10"``, or a folder of the hub's parquet files in ``source``.
        source: folder of raw data (``adamct.data.default_source``), only read.
        prepared: folder of prepared data, where decoded images are kept; by default
            ``adamct.data.default_prepared()``.
        held_out: share of the train split for a validation split (:meth:`ImageSet.hold_out`).
        columns: of the parquet files.
        may_download: whether to read CIFAR-10 from the hub where neither folder has it.

    Raises:
        DataError: if the data is missing, truncated or foreign, or the hub out of reach.

    Example:
        >>> digits = open_images("digits")
        >>> digits.train.images.shape, len(digits.test)
        (torch.Size([1438, 1, 8, 8]), 359)
    """
    if name == "digits":
        images = _digits()
    else:
        images = _decoded_once(name, source, prepared or default_prepared(), columns, may_download)
    return images.hold_out(held_out) if held_out else images


def kept_path(name: str, prepared: Path, columns: Columns = HUB_COLUMNS) -> Path:
    """Return where a set of images is kept once it is decoded; other columns, another file."""
    digest = hashlib.sha256(str(columns).encode()).hexdigest()[:8]
    return prepared / f"{name}{'' if columns == HUB_COLUMNS else f'-{digest}'}.images.pt"


def _digits() -> ImageSet:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    grey = np.rint(bunch.images * 255 / 16).astype(np.uint8)  # 17 levels, 0 to 16
    whole = Split(torch.from_numpy(grey[:, None]), torch.from_numpy(bunch.target.astype(np.int64)))
    # scikit-learn publishes no split: a fifth of every class, always the same images.
    kept, held = stratified_split(whole.labels, 0.2, seed=0)
    return ImageSet.from_splits("digits", whole.take(kept), whole.take(held), n_classes=10)


def _decoded_once(
    name: str, source: Path | None, prepared: Path, columns: Columns, may_download: bool
) -> ImageSet:
    """Open what is kept of raw files, decoded now if need be; without any, what is kept at all."""
    path = kept_path(name, prepared, columns)
    raw = find_raw(name, source, prepared)
    origin = fingerprint(raw, columns) if raw else None
    if (kept := _open_kept(name, path, origin)) is not None:
        return kept
    hub = hub_files(name) if may_download else {}
    if not raw and not hub:
        layouts = f"{name}/**/{{train,test}}-*.parquet or, of CIFAR-10, {TORCHVISION_FOLDER}/"
        raise missing(name, layouts, source, "digits")
    with preparing(prepared, name):
        if (kept := _open_kept(name, path, origin)) is not None:  # another process was first
            return kept
        images = read_raw(name, raw or hub, columns)
        _keep(images, path, origin)
    return images


def _keep(images: ImageSet, path: Path, origin: str | None) -> None:
    content = {"origin": origin, "sha256": images.sha256, "n_classes": images.n_classes}
    splits = {
        f"{name}_{what}": getattr(getattr(images, name), what)
        for name in SPLITS
        for what in ("images", "labels")
    }
    buffer = io.BytesIO()
    torch.save(content | splits, buffer)
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
        remedy = "delete it, and it is decoded again from the raw files"
        raise unreadable(str(path), error, remedy) from error
    return images
