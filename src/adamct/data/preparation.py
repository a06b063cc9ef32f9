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
from numpy.typing import NDArray

from adamct import files
from adamct.data.locations import (
    DataError,
    hub_files,
    missing,
    on_the_hub,
    preparing,
    stream_rows,
    unreadable,
)
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

CHUNK = 1024  # documents encoded at once

AGAIN = (
    "name the key that holds the text by text_column of the task's data (--text-column), or leave "
    "the document out, or download the file again; then run the same command, which goes on from "
    "there"
)


def prepare_corpus(
    corpus: str,
    source: Path | None,
    prepared: Path,
    request: Request,
    *,
    may_download: bool = True,
) -> Manifest:
    """Tokenize a corpus into ``<prepared>/<corpus>``, unless that has been done.

    A split holds whole documents, each followed by the end token: the shortest run of them that
    reaches the number of tokens asked for, or all there are.

    Args:
        corpus: name of the corpus, and of its folder in ``source``.
        source: folder of raw data. Its ``tiktoken`` serves as tiktoken's cache where it exists.
        prepared: folder of prepared data.
        request: how many tokens are asked of each split, and the key of each line's object that
            holds the text.
        may_download: whether to read C4 from the hub where the source has none.

    Returns:
        The manifest of the prepared folder.

    Raises:
        DataError: if raw files are missing, truncated or foreign, if the hub cannot be reached,
            or if the folder was prepared from something else.
        FileError: if nothing can be written.
    """
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
    urls = hub_files(corpus).get(split)
    if urls and may_download and not folder.exists() and (not source or source.is_dir()):
        return urls
    layouts = f"{corpus}/input.txt, a plain text, or {corpus}/*-{split}.*json.gz in C4's layout"
    raise missing(corpus, layouts, source, "pydoc_topics")


def texts(shard: str, column: str) -> Iterator[str]:
    """Yield the text of each document of a raw file, in the file's order.

    Lines are parsed here, since ``datasets`` fits all rows of a JSON file to the columns of the
    first ones, and makes dates of texts that look like dates.

    Raises:
        DataError: if the file is truncated or foreign, or the hub cannot be reached.
    """
    n_read = 0
    # Errors of gzip, JSON, fsspec and the network all end here: each spoils this one file.
    try:
        for line in stream_rows("text", shard):
            row = json.loads(line["text"])
            if not isinstance(row.get(column), str):
                raise ValueError(f"it has keys {', '.join(row)}, expected a text under {column}")
            yield row[column]
            n_read += 1
    except Exception as error:
        raise unreadable(f"{shard}, from document {n_read} on,", error, AGAIN) from error


def name_and_size(shard: str) -> tuple[str, int | None]:
    """Tell raw files apart without reading them; the size of one on the hub does not matter."""
    return Path(shard).name, None if on_the_hub(shard) else Path(shard).stat().st_size


def _prepare_split(
    path: Path, shards: list[str], request: Request, source: Path | None
) -> SplitRecord:
    """Tokenize the shards of a split that are not yet, and join them into one file."""
    asked = room = request.tokens[path.stem]
    records: list[ShardRecord] = []
    from tqdm import tqdm  # here, since training needs no progress of preparation

    with (
        tqdm(desc=path.stem, total=asked, unit="token", unit_scale=True, disable=None) as bar,
        files.writing(path),
        path.open("wb") as joined,
    ):
        for shard in shards:
            if room <= 0:
                break
            name, size = name_and_size(shard)
            sha256 = None if on_the_hub(shard) else files.sha256(Path(shard))
            depends_on = (name, sha256, request.encoding, request.text_column, room)
            key = hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()[:16]
            tokens = _tokenize_once(shard, path.with_name(f"{key}.tokens"), room, request, source)
            joined.write(tokens.data)
            documents = int(np.count_nonzero(tokens == request.end_token))
            counts = {"documents": documents, "tokens": len(tokens)}
            records.append(ShardRecord(name=name, size=size, sha256=sha256, **counts))
            room -= len(tokens)
            bar.update(len(tokens))
    return SplitRecord(
        tokens=asked - room,
        documents=sum(record.documents for record in records),
        sha256=files.sha256(path),
        shards=records,
    )


def _tokenize_once(
    shard: str, piece: Path, room: int, request: Request, source: Path | None
) -> NDArray[np.uint16]:
    """Return the tokens of the first documents that together reach ``room``, from their file."""
    if not piece.exists():
        documents = texts(shard, request.text_column)
        tokens = array("H")  # of 16 bits: a whole file of C4 takes 340 MB
        while len(tokens) < room and (chunk := list(itertools.islice(documents, CHUNK))):
            for ids in load_gpt2(source).encode_ordinary_batch(chunk):
                if len(tokens) < room:
                    tokens.extend([*ids, request.end_token])
        if not tokens:
            raise DataError(f"{shard} holds no documents: {AGAIN}")
        files.replace(piece, np.asarray(tokens, TOKEN_DTYPE).tobytes())
    return np.fromfile(piece, TOKEN_DTYPE)


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
        full = record.tokens >= request.tokens[split]  # then further files do not matter
        same = used == (offered[: len(used)] if full else offered)
        if not (same or on_the_hub(shards[split][0])):
            raise DataError(
                f"{folder} holds {record.tokens:,} of {request.tokens[split]:,} {split} tokens, "
                f"from {len(used)} files beginning with {used[0][0]}; the source now offers "
                f"{len(offered)}, beginning with {offered[0][0]}, of other names or sizes: "
                f"delete {folder} to prepare it again"
            )
    return manifest
