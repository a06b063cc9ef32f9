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
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from adamct import files
from adamct.data.documents import AGAIN, Shard, find_shards
from adamct.data.locations import DataError, sha256_of_file
from adamct.data.tokens import (
    MANIFEST,
    TOKEN_DTYPE,
    Encoder,
    Manifest,
    Request,
    ShardRecord,
    SplitRecord,
    gpt2_encoder,
    token_file,
    verify_tokens,
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
    encoder: Encoder | None = None,
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
        encoder: texts to token ids; GPT-2's by default.

    Returns:
        The manifest of the prepared folder.

    Raises:
        ValueError: for a number of tokens below 1.
        DataError: if raw files are missing, truncated or foreign, if the hub cannot be reached,
            or if the folder was prepared from something else.
        FileError: if nothing can be written.
    """
    n_tokens = {"train": train_tokens, "validation": validation_tokens}
    shards = {split: find_shards(corpus, source, split) for split in n_tokens}
    encoder = encoder or gpt2_encoder(source)
    request = Request(
        encoding=encoder.name,
        vocab_size=encoder.vocab_size,
        end_token=encoder.end_token,
        tokens=n_tokens,
        text_column=text_column,
    )
    folder, partial = prepared / corpus, prepared / f"{corpus}.partial"
    with files.writing(prepared):
        prepared.mkdir(parents=True, exist_ok=True)
    with files.exclusive(prepared / f"{corpus}.lock", wait=True):
        if folder.exists():
            return _check_prepared(folder, request, shards)
        with files.writing(partial):
            partial.mkdir(exist_ok=True)
        manifest = Manifest(
            format="adamct-tokens-1",
            request=request,
            splits={
                split: _prepare_split(partial, split, shards[split], request, encoder)
                for split in n_tokens
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
    partial: Path, split: str, shards: Sequence[Shard], request: Request, encoder: Encoder
) -> SplitRecord:
    """Tokenize the shards of a split that are not yet, and join them."""
    path, room = token_file(partial, split), request.tokens[split]
    records: list[ShardRecord] = []
    with (
        tqdm(desc=split, total=room, unit="token", unit_scale=True, disable=None) as bar,
        files.writing(path),
        path.open("wb") as joined,
    ):
        for shard in shards:
            if room <= 0:
                break
            sha256 = None if shard.path is None else sha256_of_file(shard.path)
            depends_on = (shard.name, sha256, encoder.name, request.text_column, room)
            key = hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()[:16]
            piece = partial / f"{key}.tokens"
            if not piece.exists():
                _tokenize(shard, request.text_column, piece, room, encoder)
            tokens = np.fromfile(piece, TOKEN_DTYPE)
            joined.write(tokens.data)
            documents = int(np.count_nonzero(tokens == encoder.end_token))
            records.append(
                ShardRecord(
                    name=shard.name,
                    size=shard.size,
                    sha256=sha256,
                    documents=documents,
                    tokens=len(tokens),
                )
            )
            room -= len(tokens)
            bar.update(len(tokens))
    return SplitRecord(
        tokens=sum(record.tokens for record in records),
        documents=sum(record.documents for record in records),
        sha256=sha256_of_file(path),
        shards=records,
    )


def _tokenize(shard: Shard, column: str, piece: Path, room: int, encoder: Encoder) -> None:
    """Write the tokens of the first documents that together reach ``room``: all, or no file."""
    texts = shard.texts(column)
    unfinished = piece.with_suffix(".tokens.part")
    with files.writing(unfinished), unfinished.open("wb") as file:
        while room > 0 and (chunk := list(itertools.islice(texts, CHUNK))):
            for ids in encoder.encode(chunk):
                if room > 0:
                    file.write(np.array([*ids, encoder.end_token], TOKEN_DTYPE).tobytes())
                    room -= len(ids) + 1
        if not file.tell():
            raise DataError(f"{shard.name} holds no documents: {AGAIN}")
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(piece)


def _check_prepared(folder: Path, request: Request, shards: dict[str, list[Shard]]) -> Manifest:
    """The manifest of a finished folder, if it is what would be prepared now."""
    manifest = verify_tokens(folder)
    if manifest.request != request:
        raise DataError(
            f"{folder} was prepared for {_describe(manifest.request)}, but asked is "
            f"{_describe(request)}: ask for the same, or delete {folder} to prepare it again"
        )
    for split, record in manifest.splits.items():
        used = [(shard.name, shard.size) for shard in record.shards]
        offered = [(shard.name, shard.size) for shard in shards[split]]
        # A split that fell short has used all shards there were, so a further one makes it stale.
        relevant = offered[: len(used)] if record.tokens >= request.tokens[split] else offered
        if shards[split][0].path is not None and relevant != used:
            raise DataError(
                f"{folder} holds {record.tokens:,} of {request.tokens[split]:,} {split} tokens, "
                f"from {len(used)} files beginning with {used[0][0]}; the source now offers "
                f"{len(offered)}, beginning with {offered[0][0]}, of other names or sizes: "
                f"delete {folder} to prepare it again"
            )
    return manifest


def _describe(request: Request) -> str:
    counts = " and ".join(f"{count:,} {split}" for split, count in request.tokens.items())
    return f"{counts} tokens of {request.encoding} from the column {request.text_column!r}"
