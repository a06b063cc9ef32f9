"""Documents to token files, once: resumable, atomic, locked, and the same to the last bit.

While it works, everything lies in ``<folder>.partial``: per split the tokens so far, and a
journal of how far into which shard they reach. A chunk of documents is on the disk before the
journal claims it; a restart cuts the tokens back to the journal and goes on. When all is done
the folder gets its manifest, and then its name in one rename.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from tqdm import tqdm

from adamct import files
from adamct.data.locations import DataError
from adamct.data.tokens import (
    MANIFEST,
    TOKEN_DTYPE,
    Manifest,
    Record,
    Request,
    ShardRecord,
    SplitRecord,
    sha256_of_file,
    token_file,
    verify_tokens,
)

JOURNAL = "journal.json"


@dataclass(frozen=True)
class Encoder:
    """How texts become token ids below ``vocab_size``; ``end_token`` closes each document."""

    name: str
    vocab_size: int
    end_token: int
    encode: Callable[[list[str]], list[list[int]]]

    def __post_init__(self) -> None:
        if self.vocab_size > 1 << 16:
            raise ValueError(f"{self.name} has {self.vocab_size} tokens, but uint16 holds 65536")


class Shard(Protocol):
    """A raw file of documents, here or elsewhere."""

    @property
    def name(self) -> str:
        """File name, unique within its split."""

    @property
    def size(self) -> int | None:
        """Bytes of the file; None where that cannot be known without a connection."""

    def identity(self) -> tuple[int, str]:
        """Size in bytes and sha256: what must not change between a start and a resumption."""

    def documents(self, start: int) -> Iterator[str]:
        """Texts from document ``start`` on, in the file's order."""


class Journal(Record):
    """How far a preparation has come: per split, the shards begun so far."""

    request: Request
    shards: dict[str, list[ShardRecord]]


def prepare_tokens(
    folder: Path,
    shards: Mapping[str, Sequence[Shard]],
    n_tokens: Mapping[str, int],
    encoder: Encoder,
    *,
    versions: Mapping[str, str],
    chunk_documents: int = 4096,
    progress: bool = True,
    wait: bool = True,
) -> Manifest:
    """Tokenize each split's shards in order into ``folder``, unless that has been done.

    A split holds whole documents, each followed by the end token: the shortest run of them that
    reaches the number of tokens asked for, or all there are.

    Args:
        folder: what to create. Work in progress lies beside it, in ``<folder>.partial``.
        shards: raw files of each split.
        n_tokens: tokens asked of each split.
        encoder: texts to token ids.
        versions: of the libraries that take part, for the manifest.
        chunk_documents: documents between two points where an interrupted preparation resumes.
            It does not influence the result.
        progress: whether to draw a bar on stderr.
        wait: whether to wait for another process that prepares the same folder, or to fail.

    Returns:
        The manifest of the finished folder.

    Raises:
        DataError: if a shard cannot be read, a file cannot be written, or ``folder`` was prepared
            from other files or on another request. What has been done until then is kept.
    """
    request = Request(
        encoding=encoder.name,
        vocab_size=encoder.vocab_size,
        end_token=encoder.end_token,
        tokens=dict(n_tokens),
    )
    partial = folder.with_name(folder.name + ".partial")
    with files.writing(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with files.exclusive(folder.with_name(folder.name + ".lock"), wait=wait):
        if folder.exists():
            return _check_prepared(folder, request, shards)
        with files.writing(partial):
            partial.mkdir(exist_ok=True)
        done = {split: _resume(partial, request, split, shards[split]) for split in shards}

        def save() -> None:
            journal = Journal(request=request, shards=done)
            files.replace(partial / JOURNAL, journal.model_dump_json(indent=1))

        for split, records in done.items():
            with tqdm(
                desc=split,
                total=n_tokens[split],
                initial=_count(records),
                unit="token",
                unit_scale=True,
                disable=not progress,
            ) as bar:
                chunks = _chunks(shards[split], records, n_tokens[split], encoder, chunk_documents)
                for record, tokens in chunks:
                    files.append(token_file(partial, split), tokens.tobytes())
                    records[-1] = record
                    save()
                    bar.update(len(tokens))
        manifest = Manifest(
            format="adamct-tokens-1",
            request=request,
            splits={
                split: SplitRecord(
                    tokens=_count(records),
                    documents=sum(record.documents for record in records),
                    sha256=sha256_of_file(token_file(partial, split)),
                    shards=records,
                )
                for split, records in done.items()
            },
            versions=dict(versions),
        )
        files.replace(partial / MANIFEST, manifest.model_dump_json(indent=1))
        with files.writing(folder):
            partial.rename(folder)
        (folder / JOURNAL).unlink(missing_ok=True)
        return manifest


def _chunks(
    shards: Sequence[Shard],
    records: list[ShardRecord],
    n_tokens: int,
    encoder: Encoder,
    chunk_documents: int,
) -> Iterator[tuple[ShardRecord, NDArray[np.uint16]]]:
    """Go on after ``records``: each next piece of the split, and its shard's record including it.

    The caller stores each record as the last of ``records`` before it asks for the next piece.
    """
    for index, shard in enumerate(shards):
        if index == len(records):
            size, sha256 = shard.identity()
            records.append(ShardRecord(name=shard.name, size=size, sha256=sha256))
        if index < len(records) - 1:
            continue
        documents = shard.documents(records[-1].documents)
        while (room := n_tokens - _count(records)) > 0:
            texts = list(islice(documents, chunk_documents))
            if not texts:
                break
            tokens, n_documents = _encode(texts, encoder, room)
            yield records[-1].advanced(n_documents, len(tokens)), tokens
        if room <= 0:
            return
        if records[-1].documents == 0:
            raise DataError(
                f"{shard.name} holds no documents: download it again, then run the same command, "
                "which goes on from there"
            )


def _encode(texts: list[str], encoder: Encoder, room: int) -> tuple[NDArray[np.uint16], int]:
    """Tokens of the first documents that together reach ``room``, and how many documents."""
    pieces: list[NDArray[np.uint16]] = []
    for ids in encoder.encode(texts):
        pieces.append(np.array([*ids, encoder.end_token], dtype=TOKEN_DTYPE))
        room -= len(pieces[-1])
        if room <= 0:
            break
    return np.concatenate(pieces), len(pieces)


def _resume(
    partial: Path, request: Request, split: str, shards: Sequence[Shard]
) -> list[ShardRecord]:
    """Records of what is already tokenized from the same shards; the token file cut to match."""
    try:
        journal = Journal.model_validate_json((partial / JOURNAL).read_bytes())
        recorded = journal.shards[split] if journal.request == request else []
    except (FileNotFoundError, ValidationError):
        recorded = []
    records: list[ShardRecord] = []
    for shard, record in zip(shards, recorded, strict=False):
        # A shard that was replaced meanwhile, and all after it, are tokenized again.
        if shard.name != record.name or shard.identity() != (record.size, record.sha256):
            break
        records.append(record)
    path = token_file(partial, split)
    with files.writing(path):
        path.touch()
        if path.stat().st_size < _count(records) * TOKEN_DTYPE.itemsize:
            records = []
        os.truncate(path, _count(records) * TOKEN_DTYPE.itemsize)
    return records


def _check_prepared(
    folder: Path, request: Request, shards: Mapping[str, Sequence[Shard]]
) -> Manifest:
    """The manifest of a finished folder, if it is what would be prepared now."""
    manifest = verify_tokens(folder)
    if manifest.request != request:
        raise DataError(
            f"{folder} was prepared for {_describe(manifest.request)}, but asked is "
            f"{_describe(request)}: ask for the same, or delete {folder} to prepare it again"
        )
    for split, record in manifest.splits.items():
        reached = record.tokens >= request.tokens[split]
        if reached and all(shard.size is None for shard in shards[split]):
            continue  # as much as was asked for, and nothing here to compare its origin with
        # A split that fell short has used all shards there were, so a further one makes it stale.
        offered = shards[split][: len(record.shards)] if reached else shards[split]
        if len(offered) != len(record.shards) or any(
            shard.name != used.name or shard.size not in (None, used.size)
            for shard, used in zip(offered, record.shards, strict=True)
        ):
            raise DataError(
                f"{folder} holds {record.tokens:,} of {request.tokens[split]:,} {split} tokens, "
                f"from {len(record.shards)} files beginning with {record.shards[0].name}; the "
                f"source now offers {len(shards[split])}, beginning with {shards[split][0].name}, "
                f"of other names or sizes: delete {folder} to prepare it again"
            )
    return manifest


def _describe(request: Request) -> str:
    counts = " and ".join(f"{count:,} {split}" for split, count in request.tokens.items())
    return f"{counts} tokens of {request.encoding}"


def _count(records: Sequence[ShardRecord]) -> int:
    return sum(record.tokens for record in records)
