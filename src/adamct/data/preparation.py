"""Any text corpus in C4's layout as GPT-2 tokens: resumable, atomic, the same to the last bit.

Its raw files are ``<corpus>/*-{train,validation}.*json.gz`` of the source folder (C4's own lie in
``c4/en``), one JSON object a line with the text in one column. C4 is streamed from the Hugging Face
hub, at a pinned revision, where there is no local copy. A corpus is tokenized once and shared by
all runs, since many jobs that stream at once are refused (HTTP 429), and a stream does not resume.

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
import platform
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from adamct import files
from adamct.data.locations import DataError, missing, preparing, sha256_of_file, stream, unreadable
from adamct.data.tokens import (
    MANIFEST,
    TOKEN_DTYPE,
    Manifest,
    Request,
    ShardRecord,
    SplitRecord,
    load_gpt2,
    open_tokens,
)

# What 20,000 steps of 64 windows of 256 tokens read, the longest run of Appendix H.
TRAIN_TOKENS = 20_000 * 64 * 256
# Three times what one evaluation reads: 200 batches of 64 windows of 256 tokens.
VALIDATION_TOKENS = 10_000_000

CHUNK = 1024  # documents encoded at once

C4_ON_THE_HUB = "hf://datasets/allenai/c4@1588ec454efa1a09f29cd18ddd04fe05fc8653a2/en"
C4_SHARDS = {"train": 1024, "validation": 8}

AGAIN = "download it again, then run the same command, which goes on from there"
CONNECT = (
    "run the same command where there is a connection (it goes on from there), or put C4's files "
    "into c4/en of a source folder and name that with --source or ADAMCT_DATA"
)


def prepare_corpus(
    corpus: str,
    source: Path | None,
    prepared: Path,
    *,
    train_tokens: int = TRAIN_TOKENS,
    validation_tokens: int = VALIDATION_TOKENS,
    text_column: str = "text",
    may_download: bool = True,
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
        may_download: whether to read C4 from the hub where the source has none.

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
    shards = {split: find_shards(corpus, source, split, may_download) for split in request.tokens}
    folder, partial = prepared / corpus, prepared / f"{corpus}.partial"
    with preparing(prepared, corpus):
        if folder.exists():
            return _check_prepared(folder, request, shards)
        with files.writing(partial):
            partial.mkdir(exist_ok=True)
        manifest = Manifest(
            request=request,
            splits={
                split: _prepare_split(partial / f"{split}.bin", shards[split], request, source)
                for split in shards
            },
            versions={"python": platform.python_version()}
            | {name: importlib.metadata.version(name) for name in ("datasets", "tiktoken")},
        )
        files.replace(partial / MANIFEST, manifest.model_dump_json(indent=1))
        with files.writing(folder):
            partial.rename(folder)
        for piece in folder.glob("*.tokens*"):
            piece.unlink()
        return manifest


def find_shards(corpus: str, source: Path | None, split: str, may_download: bool) -> list[str]:
    """Raw files of one split in their order: the source's own, or else, for C4, URLs on the hub.

    Raises:
        DataError: if there are none, or ``source`` does not exist.
    """
    folder = (source or Path()) / corpus
    if (folder / "en").is_dir():  # where C4's own lie
        folder /= "en"
    if source is not None and (paths := sorted(folder.glob(f"*-{split}.*json.gz"))):
        return [str(path) for path in paths]
    if corpus == "c4" and may_download and not folder.exists() and (not source or source.is_dir()):
        total = C4_SHARDS[split]
        names = (f"c4-{split}.{i:05d}-of-{total:05d}.json.gz" for i in range(total))
        return [f"{C4_ON_THE_HUB}/{name}" for name in names]
    layouts = f"{corpus}/input.txt, a plain text, or {corpus}/*-{split}.*json.gz in C4's layout"
    raise missing(corpus, layouts, source, "pydoc_topics")


def texts(shard: str, column: str) -> Iterator[str]:
    """Yield the text of each document of a raw file, in the file's order.

    Lines are parsed here, since ``datasets`` fits all rows of a JSON file to the columns of the
    first ones, and makes dates of texts that look like dates.

    Raises:
        DataError: if the file is truncated or foreign, or the hub cannot be reached.
    """
    index = 0
    # Errors of gzip, JSON, fsspec and the network all end here: each spoils this one file.
    try:
        for index, line in enumerate(stream("text", shard)):
            row = json.loads(line["text"])
            if not isinstance(row.get(column), str):
                raise DataError(
                    f"{shard}, document {index}, has columns {', '.join(row)}, expected a text "
                    f"under {column}: name the one that holds the text by text_column of the "
                    "task's data (--text-column), or leave the document out"
                )
            yield row[column]
    except DataError:
        raise
    except Exception as error:
        remedy = CONNECT if on_the_hub(shard) else AGAIN
        raise unreadable(f"{shard}, from document {index} on,", error, remedy) from error


def on_the_hub(shard: str) -> bool:
    """Whether a raw file is one of C4's on the hub, which name and pinned revision identify."""
    return shard.startswith(C4_ON_THE_HUB)


def name_and_size(shard: str) -> tuple[str, int | None]:
    """Tell raw files apart without reading them; the size of one on the hub does not matter."""
    return Path(shard).name, None if on_the_hub(shard) else Path(shard).stat().st_size


def _prepare_split(
    path: Path, shards: list[str], request: Request, source: Path | None
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
            name, size = name_and_size(shard)
            sha256 = None if on_the_hub(shard) else sha256_of_file(Path(shard))
            depends_on = (name, sha256, request.encoding, request.text_column, room)
            key = hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()[:16]
            piece = path.with_name(f"{key}.tokens")
            if not piece.exists():
                _tokenize(shard, piece, room, request, source)
            tokens = np.fromfile(piece, TOKEN_DTYPE)
            joined.write(tokens.data)
            records.append(
                ShardRecord(
                    name=name,
                    size=size,
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


def _tokenize(shard: str, piece: Path, room: int, request: Request, source: Path | None) -> None:
    """Write the tokens of the first documents that together reach ``room``: all, or no file."""
    documents = texts(shard, request.text_column)
    tokens = array("H")  # of 16 bits: a whole file of C4 takes 340 MB
    while len(tokens) < room and (chunk := list(itertools.islice(documents, CHUNK))):
        for ids in load_gpt2(source).encode_ordinary_batch(chunk):
            if len(tokens) < room:
                tokens.extend([*ids, request.end_token])
    if not tokens:
        raise DataError(f"{shard} holds no documents: {AGAIN}")
    files.replace(piece, np.asarray(tokens, TOKEN_DTYPE).tobytes())


def _check_prepared(folder: Path, request: Request, shards: dict[str, list[str]]) -> Manifest:
    """The manifest of a finished folder, if it is what would be prepared now."""
    manifest, _ = open_tokens(folder, verify=True)
    if manifest.request != request:
        raise DataError(
            f"{folder} was prepared for {manifest.request}, but asked is {request}: "
            f"ask for the same, or delete {folder} to prepare it again"
        )
    for split, record in manifest.splits.items():
        used = [(shard.name, shard.size) for shard in record.shards]
        offered = [name_and_size(shard) for shard in shards[split]]
        if record.tokens >= request.tokens[split]:
            offered = offered[: len(used)]  # to a split that is full, further ones do not matter
        if not on_the_hub(shards[split][0]) and offered != used:
            raise DataError(
                f"{folder} holds {record.tokens:,} of {request.tokens[split]:,} {split} tokens, "
                f"from {len(used)} files beginning with {used[0][0]}; the source now offers "
                f"{len(shards[split])}, beginning with {offered[0][0]}, of other names or sizes: "
                f"delete {folder} to prepare it again"
            )
    return manifest
