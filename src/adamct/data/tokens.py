"""Tokens: GPT-2's encoding, and the files that hold them.

Per split a little-endian uint16 file, and a manifest that says what they hold:

    <corpus>/train.bin  <corpus>/validation.bin  <corpus>/manifest.json

The manifest is written last, so a folder without one was never finished. Opening compares sizes;
``verify_tokens`` reads every byte and compares hashes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from adamct.data.locations import DataError, sha256_of_file

if TYPE_CHECKING:
    import tiktoken

MANIFEST = "manifest.json"
TOKEN_DTYPE = np.dtype("<u2")  # GPT-2's 50257 tokens fit in two bytes


@dataclass(frozen=True)
class Encoder:
    """How texts become token ids below ``vocab_size``; ``end_token`` closes each document."""

    name: str
    vocab_size: int
    end_token: int  # never the id of a piece of text
    encode: Callable[[list[str]], list[list[int]]]

    def __post_init__(self) -> None:
        if self.vocab_size > 1 << 16:
            raise ValueError(f"{self.name} has {self.vocab_size} tokens, but uint16 holds 65536")


def gpt2_encoder(source: Path | None) -> Encoder:
    """GPT-2's encoding by tiktoken, loaded at the first text; <|endoftext|> is 50256."""

    def encode(texts: list[str]) -> list[list[int]]:
        return load_gpt2(source).encode_ordinary_batch(texts)

    return Encoder(name="gpt2", vocab_size=50257, end_token=50256, encode=encode)


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
        raise DataError(
            f"tiktoken's GPT-2 files are not in {os.environ.get('TIKTOKEN_CACHE_DIR', 'its cache')}"
            f" and cannot be downloaded ({type(error).__name__}: {error}): run once where there is "
            "a connection, and keep what TIKTOKEN_CACHE_DIR then holds in tiktoken/ of the source"
        ) from error


class Record(BaseModel):
    """A frozen piece of a manifest; unknown or missing keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ShardRecord(Record):
    """One raw file, and how many of its documents went into how many tokens."""

    name: str
    size: int | None  # None of a file on the hub
    sha256: str | None
    documents: int
    tokens: int


class SplitRecord(Record):
    """One token file: how much it holds, the hash of its bytes, and the files it came from."""

    tokens: int
    documents: int
    sha256: str
    shards: list[ShardRecord]


class Request(Record):
    """What was asked for: preparations with equal requests and sources are interchangeable."""

    encoding: str
    vocab_size: int
    end_token: int
    tokens: dict[str, PositiveInt]
    text_column: str = "text"


class Manifest(Record):
    """What a folder of token files holds, and where it came from."""

    format: Literal["adamct-tokens-1"]
    request: Request
    splits: dict[str, SplitRecord]
    versions: dict[str, str]


def token_file(folder: Path, split: str) -> Path:
    """Path of one split's tokens."""
    return folder / f"{split}.bin"


def open_tokens(folder: Path) -> tuple[Manifest, dict[str, NDArray[np.uint16]]]:
    """Memory maps of a prepared folder's splits, with their manifest.

    Args:
        folder: as written by ``adamct.data.preparation.prepare_corpus``.

    Returns:
        The manifest, and per split its tokens, 1-D uint16, read-only and not loaded.

    Raises:
        DataError: if the folder, its manifest or a token file is missing, foreign or truncated.
    """
    manifest = _read_manifest(folder)
    maps: dict[str, NDArray[np.uint16]] = {}
    for split, record in manifest.splits.items():
        path = token_file(folder, split)
        size = path.stat().st_size if path.is_file() else 0
        expected = record.tokens * TOKEN_DTYPE.itemsize
        if size != expected:
            raise DataError(
                f"{path} holds {size:,} bytes, but {MANIFEST} promises {expected:,} "
                f"({record.tokens:,} tokens): {_remedy(folder)}"
            )
        maps[split] = np.memmap(path, dtype=TOKEN_DTYPE, mode="r")
    return manifest, maps


def verify_tokens(folder: Path) -> Manifest:
    """Manifest of a prepared folder whose every byte has been compared with its hash.

    Raises:
        DataError: as ``open_tokens``, and where a file's hash differs.
    """
    manifest, _ = open_tokens(folder)
    for split, record in manifest.splits.items():
        path = token_file(folder, split)
        found = sha256_of_file(path)
        if found != record.sha256:
            raise DataError(
                f"{path} has sha256 {found}, but {MANIFEST} promises {record.sha256}: "
                f"{_remedy(folder)}"
            )
    return manifest


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not folder.is_dir():
        raise DataError(
            f"{folder} does not exist, expected prepared tokens: "
            f"run scripts/prepare_data.py {folder.name}"
        )
    if not path.is_file():
        raise DataError(f"{path} does not exist, expected a manifest: {_remedy(folder)}")
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataError(
            f"{path} is not a manifest of format adamct-tokens-1 ({error.error_count()} errors, "
            f"the first: {error.errors()[0]['msg']}): {_remedy(folder)}"
        ) from error


def _remedy(folder: Path) -> str:
    return f"delete {folder} and run scripts/prepare_data.py {folder.name}"
