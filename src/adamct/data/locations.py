"""Where data lies, how a raw file is read, and what is raised when it cannot be.

Two folders, kept apart because they belong to different owners:

- the *source* holds raw data as others publish it (``c4/en/*.json.gz``,
  ``shakespeare/input.txt``, ``tiktoken/``). It is read, never written, and may be shared by a
  whole cluster: the environment variable ``ADAMCT_DATA``, or none.
- the *prepared* folder holds what is computed from it once and shared by all runs. It may be
  deleted at any time: ``ADAMCT_CACHE``, or ``data/`` in the project's root.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from adamct import files

if TYPE_CHECKING:
    import datasets

HUB = "hf://datasets/"  # how the address of a file on the Hugging Face hub begins
C4 = f"{HUB}allenai/c4@1588ec454efa1a09f29cd18ddd04fe05fc8653a2/en"
CIFAR10 = f"{HUB}uoft-cs/cifar10@0b2714987fa478483af9968de7c934580d0bb9a2/plain_text"
ON_THE_HUB = {  # per split the number of raw files, and their names, at a pinned revision
    "c4": ({"train": 1024, "validation": 8}, C4 + "/c4-{}.{:05d}-of-{:05d}.json.gz"),
    "cifar10": ({"train": 1, "test": 1}, CIFAR10 + "/{}-{:05d}-of-{:05d}.parquet"),
}
CONNECT = (
    "run the same command where there is a connection, or put the raw files into a folder of raw "
    "data and name that with --source or ADAMCT_DATA"
)


class DataError(files.ExpectedError):
    """Data that is missing, truncated or foreign; the message names the file and the remedy."""


def default_source() -> Path | None:
    """Folder of raw data, from ``ADAMCT_DATA``; None where the variable is unset."""
    value = os.environ.get("ADAMCT_DATA")
    return Path(value) if value else None


def default_prepared() -> Path:
    """Folder of prepared data: ``ADAMCT_CACHE``, or ``data/`` in the project's root.

    Outside a checkout (the package installed without its repository) the root is the current
    directory.
    """
    root = Path(__file__).parents[3]
    home = root if (root / "pyproject.toml").is_file() else Path.cwd()
    return Path(os.environ.get("ADAMCT_CACHE") or home / "data")


def missing(name: str, layouts: str, source: Path | None, embedded: str) -> DataError:
    """Return the error for a data set that is not prepared and has no raw files.

    Args:
        name: of the data set.
        layouts: where its raw files are looked for.
        source: folder of raw data.
        embedded: the data set of its kind that every machine has.
    """
    download = f"run scripts/prepare_data.py {name} without a source to download them, or "
    hint = download if name in ON_THE_HUB else ""
    return DataError(
        f"the data {name!r} are not prepared, and not in {source or 'any folder of raw data'}: "
        f"expected {layouts}; {hint}put them into a folder of raw data "
        f"and name that with ADAMCT_DATA or --source; task.data.corpus={embedded} needs none"
    )


def unreadable(what: str, error: Exception, remedy: str) -> DataError:
    """Return the error for data that a library cannot read, with the first sentence of its own.

    Args:
        what: the file's name or address, and more of it.
        error: as the library raised it.
        remedy: for a file on the disk; for one on the hub it is a connection.
    """
    reason = " ".join(str(error).split()).partition(". ")[0]
    remedy = CONNECT if on_the_hub(what) else remedy
    return DataError(f"{what} cannot be read ({type(error).__name__}: {reason}): {remedy}")


@contextmanager
def preparing(prepared: Path, name: str) -> Iterator[None]:
    """Make the folder of prepared data, and let one process at a time prepare a data set in it.

    Raises:
        FileError: if the folder or its lock cannot be written.
    """
    with files.writing(prepared):
        prepared.mkdir(parents=True, exist_ok=True)
    with files.exclusive(prepared / f"{name}.lock", wait=True):
        yield


def stream_rows(layout: Literal["text", "parquet"], url: str) -> datasets.IterableDataset:
    """Read the rows of one file by ``datasets``, from the disk or the hub, without a copy of it.

    Args:
        layout: ``text`` gives one row a line, decompressed, under ``text``; ``parquet`` its rows.
        url: a path, or ``hf://…`` for a file on the hub.
    """
    if not on_the_hub(url):
        # ``datasets`` reports every load to the hub unless told, before its import, that it is
        # offline; without a connection that costs a timeout.
        os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
    import datasets

    with tempfile.TemporaryDirectory() as cache_dir:  # streaming leaves only lock files there
        return datasets.load_dataset(
            layout, data_files=[url], split="train", streaming=True, cache_dir=cache_dir
        )


def hub_files(name: str) -> dict[str, list[str]]:
    """Return the addresses of the raw files of each split on the hub; none for others' data."""
    counts, address = ON_THE_HUB.get(name, ({}, ""))
    return {split: [address.format(split, i, n) for i in range(n)] for split, n in counts.items()}


def on_the_hub(address: str) -> bool:
    """Whether a raw file lies on the hub, where its name and pinned revision identify it."""
    return address.startswith(HUB)
