"""Tokens: GPT-2's encoding, and the files that hold them.

Per split a little-endian uint16 file, and a manifest that says what they hold:

    <corpus>/train.bin  <corpus>/validation.bin  <corpus>/manifest.json

The manifest is written last, so a folder without one was never finished. Opening compares sizes;
only on demand does it read every byte and compare hashes.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from adamct import files
from adamct.data.locations import DataError, unreadable

if TYPE_CHECKING:
    import tiktoken

MANIFEST = "manifest.json"
# What 20,000 steps of 64 windows of 256 tokens read, the longest run of Appendix H.
TRAIN_TOKENS = 20_000 * 64 * 256
# Three times what one evaluation reads: 200 batches of 64 windows of 256 tokens.
VALIDATION_TOKENS = 10_000_000
TOKEN_DTYPE = np.dtype("<u2")  # GPT-2's 50257 tokens fit in two bytes


@cache
def load_gpt2(source: Path | None) -> tiktoken.Encoding:
    """GPT-2's encoding by tiktoken, whose cache is ``<source>/tiktoken`` where that exists.

    Raises:
        DataError: if its two files are neither cached nor within reach.
    """
    import tiktoken

    if source is not None and (source / "tiktoken").is_dir():
        os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(source / "tiktoken"))
    try:
        return tiktoken.get_encoding("gpt2")
    except (OSError, ValueError) as error:
        place = os.environ.get("TIKTOKEN_CACHE_DIR", "its cache")
        raise unreadable(
            f"tiktoken's files of GPT-2, neither in {place} nor from the network,",
            error,
            "run once where there is a connection, and keep what TIKTOKEN_CACHE_DIR then holds in "
            "tiktoken/ of the source",
        ) from error


class ManifestPart(BaseModel):
    """A frozen part of a manifest; unknown or missing keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ShardRecord(ManifestPart):
    """One raw file, and how many of its documents went into how many tokens."""

    name: str
    size: int | None  # None of a file on the hub
    sha256: str | None
    documents: int
    tokens: int


class SplitRecord(ManifestPart):
    """One token file: how much it holds, the hash of its bytes, and the files it came from."""

    tokens: int
    documents: int
    sha256: str
    shards: list[ShardRecord]


class Request(ManifestPart):
    """What was asked for: preparations with equal requests and sources are interchangeable."""

    encoding: str = "gpt2"
    vocab_size: int = 50257
    end_token: int = 50256  # closes each document: <|endoftext|>, never the id of a piece of text
    tokens: dict[str, PositiveInt] = {"train": TRAIN_TOKENS, "validation": VALIDATION_TOKENS}
    text_column: str = "text"


class Manifest(ManifestPart):
    """What a folder of token files holds, and where it came from."""

    format: Literal["adamct-tokens-1"] = "adamct-tokens-1"
    request: Request
    splits: dict[str, SplitRecord]
    versions: dict[str, str]


def open_tokens(
    folder: Path, *, verify: bool = False
) -> tuple[Manifest, dict[str, NDArray[np.uint16]]]:
    """Memory maps of a prepared folder's splits, with their manifest.

    Args:
        folder: as written by ``adamct.data.preparation.prepare_corpus``.
        verify: read every byte and compare hashes, beyond sizes.

    Returns:
        The manifest, and per split its tokens, 1-D uint16, read-only and not loaded.

    Raises:
        DataError: if the folder, its manifest or a token file is missing, foreign or truncated.
    """
    remedy = f"delete {folder} and run scripts/prepare_data.py {folder.name}"
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        what = f"{path}, a manifest of format adamct-tokens-1,"
        raise unreadable(what, error, remedy) from error
    maps: dict[str, NDArray[np.uint16]] = {}
    for split, record in manifest.splits.items():
        path = folder / f"{split}.bin"
        expected = f"{record.tokens * TOKEN_DTYPE.itemsize:,} bytes"
        found = f"{path.stat().st_size if path.is_file() else 0:,} bytes"
        if verify and found == expected:
            expected, found = f"sha256 {record.sha256}", f"sha256 {files.sha256(path)}"
        if found != expected:
            raise DataError(f"{path} has {found}, but {MANIFEST} promises {expected}: {remedy}")
        maps[split] = np.memmap(path, dtype=TOKEN_DTYPE, mode="r")
    return manifest, maps
