"""Any text corpus in C4's layout as GPT-2 tokens: resumable, atomic, the same to the last bit.

A corpus is tokenized once and shared by all runs, since many jobs that stream at once are refused
(HTTP 429), and a stream does not resume.

While it works, everything lies in ``<corpus>.partial``: the tokens of each raw file, in a file that
gets its name when it is whole, and whose name says all that it depends on. So whatever is killed
goes on after the last whole file. When all is done they are joined, the folder gets its manifest,
and then its own name in one rename.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import itertools
import json
import os
import platform
from pathlib import Path

import numpy as np
from tqdm import tqdm

from adamct import files
from adamct.data.documents import AGAIN, Shard, find_shards
from adamct.data.locations import DataError, preparing, sha256_of_file
from adamct.data.tokens import (
    MANIFEST,
    TOKEN_DTYPE,
    Manifest,
    Request,
    ShardRecord,
    SplitRecord,
    load_gpt2,
    open_tokens,
    token_file,
)

# What 20,000 steps of 64 windows of 256 tokens read, the longest run of Appendix H.
TRAIN_TOKENS = 20_000 * 64 * 256
# Three times what one evaluation reads: 200 batches of 64 windows of 256 tokens.
VALIDATION_TOKENS = 10_000_000

CHUNK = 1024  # documents encoded at once


def prepare_corpus(
    corpus: str,
    source: Path | None,
    prepared: Path,
    *,
    train_tokens: int = TRAIN_TOKENS,
    validation_tokens: int = VALIDATION_TOKENS,
    text_column: str = "text",
) -> Manifest:
    """Tokenize a corpus into ``<prepared>/<corpus>``, unless that has been done.

    A split holds whole documents, each followed by the end token: the shortest run of them that
    reaches the number of tokens asked for, or all there are.

    Args:
        corpus: name of the corpus, and of its folder in ``source``.
        source: folder of raw data. Its ``tiktoken`` serves as tiktoken's cache where it exists.
        prepared: folder of prepared data.
        train_tokens: tokens asked of the train split.
        validation_tokens: the same for the validation split.
        text_column: the key of each line's object that holds the text.

    Returns:
        The manifest of the prepared folder.

    Raises:
        ValueError: for a number of tokens below 1.
        DataError: if raw files are missing, truncated or foreign, if the hub cannot be reached,
            or if the folder was prepared from something else.
        FileError: if nothing can be written.
    """
    request = Request(
        tokens={"train": train_tokens, "validation": validation_tokens}, text_column=text_column
    )
    shards = {split: find_shards(corpus, source, split) for split in request.tokens}
    folder, partial = prepared / corpus, prepared / f"{corpus}.partial"
    with preparing(prepared, corpus):
        if folder.exists():
            return _check_prepared(folder, request, shards)
        with files.writing(partial):
            partial.mkdir(exist_ok=True)
        manifest = Manifest(
            request=request,
            splits={
                split: _prepare_split(token_file(partial, split), shards[split], request, source)
                for split in shards
            },
            versions={
                "python": platform.python_version(),
                **{name: importlib.metadata.version(name) for name in ("datasets", "tiktoken")},
            },
        )
        files.replace(partial / MANIFEST, manifest.model_dump_json(indent=1))
        with files.writing(folder):
            partial.rename(folder)
        for piece in folder.glob("*.tokens*"):
            piece.unlink()
        return manifest


def _prepare_split(
    path: Path, shards: list[Shard], request: Request, source: Path | None
) -> SplitRecord:
    """Tokenize the shards of a split that are not yet, and join them into one file."""
    asked = room = request.tokens[path.stem]
    records: list[ShardRecord] = []
    with (
        tqdm(desc=path.stem, total=asked, unit="token", unit_scale=True, disable=None) as bar,
        files.writing(path),
        path.open("wb") as joined,
    ):
        for shard in shards:
            if room <= 0:
                break
            sha256 = None if shard.path is None else sha256_of_file(shard.path)
            depends_on = (shard.name, sha256, request.encoding, request.text_column, room)
            key = hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()[:16]
            piece = path.with_name(f"{key}.tokens")
            if not piece.exists():
                _tokenize(shard, piece, room, request, source)
            tokens = np.fromfile(piece, TOKEN_DTYPE)
            joined.write(tokens.data)
            records.append(
                ShardRecord(
                    name=shard.name,
                    size=shard.size,
                    sha256=sha256,
                    documents=int(np.count_nonzero(tokens == request.end_token)),
                    tokens=len(tokens),
                )
            )
            room -= len(tokens)
            bar.update(len(tokens))
    return SplitRecord(
        tokens=asked - room,
        documents=sum(record.documents for record in records),
        sha256=sha256_of_file(path),
        shards=records,
    )


def _tokenize(shard: Shard, piece: Path, room: int, request: Request, source: Path | None) -> None:
    """Write the tokens of the first documents that together reach ``room``: all, or no file."""
    texts = shard.texts(request.text_column)
    unfinished = piece.with_suffix(".tokens.part")
    with files.writing(unfinished), unfinished.open("wb") as file:
        while room > 0 and (chunk := list(itertools.islice(texts, CHUNK))):
            for ids in load_gpt2(source).encode_ordinary_batch(chunk):
                if room > 0:
                    file.write(np.array([*ids, request.end_token], TOKEN_DTYPE).tobytes())
                    room -= len(ids) + 1
        if not file.tell():
            raise DataError(f"{shard.name} holds no documents: {AGAIN}")
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(piece)


def _check_prepared(folder: Path, request: Request, shards: dict[str, list[Shard]]) -> Manifest:
    """The manifest of a finished folder, if it is what would be prepared now."""
    manifest, _ = open_tokens(folder, verify=True)
    if manifest.request != request:
        raise DataError(
            f"{folder} was prepared for {manifest.request}, but asked is {request}: "
            f"ask for the same, or delete {folder} to prepare it again"
        )
    for split, record in manifest.splits.items():
        used = [(shard.name, shard.size) for shard in record.shards]
        offered = [(shard.name, shard.size) for shard in shards[split]]
        if record.tokens >= request.tokens[split]:
            offered = offered[: len(used)]  # to a split that is full, further ones do not matter
        if shards[split][0].path is not None and offered != used:
            raise DataError(
                f"{folder} holds {record.tokens:,} of {request.tokens[split]:,} {split} tokens, "
                f"from {len(used)} files beginning with {used[0][0]}; the source now offers "
                f"{len(shards[split])}, beginning with {offered[0][0]}, of other names or sizes: "
                f"delete {folder} to prepare it again"
            )
    return manifest
