"""CIFAR-10: found in either of its layouts, downloaded on request only.

Looked for in the raw folder first, then in the prepared one:

1. torchvision's ``cifar-10-batches-py/``, under the folder or its ``cifar10/``; torchvision
   checks the md5 of every file each time.
2. The hub's ``cifar10/{train,test}-*.parquet``, decoded once by
   :mod:`adamct.data.image_parquet`. The decoded pictures do without their source from then on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from adamct import files
from adamct.data.image_parquet import fetch_again, find_decoded, open_decoded, read_parquet
from adamct.data.images import ImageSet, Split
from adamct.data.locations import DataError

Origin = Literal["hub", "torchvision"]
N_CLASSES = 10
HUB_NAME = "uoft-cs/cifar10"
TORCHVISION_FOLDER = "cifar-10-batches-py"


def open_cifar10(*, source: Path | None, prepared: Path | None) -> ImageSet:
    """Open CIFAR-10 from ``source`` or ``prepared``; see :func:`adamct.data.images.open_images`.

    Args:
        source: folder of raw data, only read.
        prepared: folder where decoded pictures are kept; ``None`` decodes without keeping.

    Raises:
        DataError: if neither folder holds CIFAR-10, or a file fails its checks.
    """
    raw = _find_raw(source, prepared)
    if raw is None:
        return _open_without_source(source, prepared)
    if (raw / TORCHVISION_FOLDER).is_dir():
        return _read_torchvision(raw)
    return read_parquet("cifar10", raw, prepared, size=32, n_classes=N_CLASSES)


def prepare_cifar10(source: Path | None, prepared: Path, *, origin: Origin = "hub") -> ImageSet:
    """Make CIFAR-10 ready to open: download it unless it is there, and decode it.

    Args:
        source: folder of raw data, only read; what it holds is not downloaded again.
        prepared: folder for what is downloaded and decoded.
        origin: ``"hub"`` for the parquet files, ``"torchvision"`` for the archive from the
            authors' host.

    Returns:
        The data, as :func:`open_cifar10` gives them from now on.

    Raises:
        DataError: if the download fails, or a file its checks.
    """
    if _find_raw(source, prepared) is None:
        with files.writing(prepared):
            prepared.mkdir(parents=True, exist_ok=True)
        with files.exclusive(prepared / "cifar10.lock", wait=True):
            if _find_raw(source, prepared) is None:  # else another process was first
                _download(prepared / "cifar10", origin)
    return open_cifar10(source=source, prepared=prepared)


def _find_raw(source: Path | None, prepared: Path | None) -> Path | None:
    """Return the folder that has the parquet files or torchvision's folder in it."""
    for root in (source, prepared):
        if root is None:
            continue
        for folder in (root, root / "cifar10"):
            if (folder / TORCHVISION_FOLDER).is_dir():
                return folder
        if any((root / "cifar10").glob("*.parquet")):
            return root / "cifar10"
    return None


def _open_without_source(source: Path | None, prepared: Path | None) -> ImageSet:
    decoded = find_decoded("cifar10", prepared) if prepared else []
    if len(decoded) == 1:
        return open_decoded("cifar10", decoded[0], N_CLASSES)
    if decoded:
        raise DataError(
            f"{prepared} holds {len(decoded)} decoded versions of CIFAR-10 "
            f"({', '.join(folder.name for folder in decoded)}); point ADAMCT_DATA at "
            "the source of the one that is meant, or delete the others"
        )
    folders = " or ".join(str(root) for root in (source, prepared) if root) or "no folder at all"
    raise DataError(
        f"no CIFAR-10 in {folders}: expected {TORCHVISION_FOLDER}/ or "
        "cifar10/{train,test}-*.parquet; run `python scripts/prepare_data.py cifar10`, which "
        "downloads it, or set ADAMCT_DATA to a folder that has it; the laptop scale needs none"
    )


def _read_torchvision(root: Path) -> ImageSet:
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import check_integrity

    def read(train: bool) -> Split:
        data = CIFAR10(str(root), train=train, download=False)
        pixels = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()
        return Split(pixels, torch.tensor(data.targets))

    try:
        train, test = read(True), read(False)
    except RuntimeError as error:  # it does not say which file it was
        meta = (CIFAR10.meta["filename"], CIFAR10.meta["md5"])
        for name, md5 in (*CIFAR10.train_list, *CIFAR10.test_list, meta):
            path = root / TORCHVISION_FOLDER / name
            if not check_integrity(str(path), md5):
                raise DataError(
                    f"{path} is missing, truncated or another file: expected md5 {md5}; "
                    f"{fetch_again(path)}"
                ) from error
        raise
    return ImageSet.from_splits("cifar10", train, test, N_CLASSES)


def _download(folder: Path, origin: Origin) -> None:
    """Fill a folder that does not exist yet, all of it or nothing."""
    partial = folder.with_name(folder.name + ".partial")
    download = _download_from_hub if origin == "hub" else _download_with_torchvision
    with files.writing(partial):
        partial.mkdir(exist_ok=True)
    try:
        download(partial)
    except Exception as error:  # whatever it was, the remedy is the same
        other = "torchvision" if origin == "hub" else "hub"
        raise DataError(
            f"CIFAR-10 could not be downloaded from origin {origin!r} "
            f"({type(error).__name__}: {error}); try origin {other!r}, or copy "
            f"{{train,test}}-*.parquet or {TORCHVISION_FOLDER}/ into {folder}"
        ) from error
    with files.writing(folder):
        partial.rename(folder)


def _download_from_hub(folder: Path) -> None:
    import datasets

    for split in ("train", "test"):
        pictures = datasets.load_dataset(HUB_NAME, split=split)
        # As they are, without decoding and encoding them again.
        encoded = pictures.cast_column("img", datasets.Image(decode=False))
        encoded.to_parquet(str(folder / f"{split}-00000-of-00001.parquet"))


def _download_with_torchvision(folder: Path) -> None:
    from torchvision.datasets import CIFAR10

    CIFAR10(str(folder), download=True)
    (folder / CIFAR10.filename).unlink(missing_ok=True)  # the archive, now extracted
