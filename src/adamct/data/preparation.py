"""Any text corpus in C4's layout as GPT-2 tokens: resumable, atomic, the same to the last bit.

Raw files are ``<corpus>/*-{train,validation}.*json.gz`` of the source folder (C4's own lie in
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
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from adamct import files
from adamct.data.locations import DataError, sha256_of_file, stream
from adamct.data.tokens import (
    MANIFEST,
    TOKEN_DTYPE,
    Manifest,
    Request,
    ShardRecord,
    SplitRecord,
    token_file,
    verify_tokens,
)

if TYPE_CHECKING:
    import tiktoken

# What 20,000 steps of 64 windows of 256 tokens read, the longest run of Appendix H.
TRAIN_TOKENS = 20_000 * 64 * 256
# Three times what one evaluation reads: 200 batches of 64 windows of 256 tokens.
VALIDATION_TOKENS = 10_000_000

C4_ON_THE_HUB = "hf://datasets/allenai/c4@1588ec454efa1a09f29cd18ddd04fe05fc8653a2/en"
CHUNK = 1024  # documents encoded at once
C4_SHARDS = {"train": 1024, "validation": 8}

AGAIN = "download it again, then run the same command, which goes on from there"
CONNECT = (
    "run the same command where there is a connection (it goes on from there), or put C4's files "
    "into c4/en of a source folder and name that with --source or ADAMCT_DATA"
)


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


@dataclass(frozen=True)
class Shard:
    """A json.gz file of documents, on the disk or, without a path, C4's on the hub."""

    name: str
    path: Path | None = None

    @property
    def size(self) -> int | None:
        """Bytes of the file; on the hub the name and the pinned revision say which file it is."""
        return None if self.path is None else self.path.stat().st_size

    def texts(self, column: str) -> Iterator[str]:
        """Yield the text of each document, in the file's order.

        Lines are parsed here, since ``datasets`` fits all rows of a JSON file to the columns of
        the first ones, and makes dates of texts that look like dates.
        """
        url = str(self.path or f"{C4_ON_THE_HUB}/{self.name}")
        index = 0
        # Errors of gzip, JSON, fsspec and the network all end here: each spoils this one file.
        try:
            for index, line in enumerate(line["text"] for line in stream("text", url)):
                row = json.loads(line)
                if column not in row:
                    raise DataError(
                        f"{url}, document {index}, has columns {', '.join(row)}, expected "
                        f"{column}: name the one that holds the text by text_column of the task's "
                        "data (--text-column)"
                    )
                if not isinstance(row[column], str):
                    raise TypeError(f"{column!r} is {row[column]!r}, expected a text")
                yield row[column]
        except DataError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())  # arrow's messages run over many lines
            raise DataError(
                f"{url} cannot be read from document {index} on "
                f"({type(error).__name__}: {reason}): {CONNECT if self.path is None else AGAIN}"
            ) from error


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


def has_shards(corpus: str, source: Path | None) -> bool:
    """Whether a source folder holds a corpus in C4's layout."""
    return source is not None and any(_folder(corpus, source).glob("*.json.gz"))


def find_shards(corpus: str, source: Path | None, split: str) -> list[Shard]:
    """Raw files of one split in their order: the source's own, or else, for C4, the hub's.

    Raises:
        DataError: if ``source`` does not exist, or holds no files of this split.
    """
    if source is not None and not source.is_dir():
        raise DataError(
            f"{source} is not a folder, expected the source of raw data: "
            "correct --source or ADAMCT_DATA, or leave both out to read C4 from the hub"
        )
    if corpus == "c4" and (source is None or not (source / "c4").is_dir()):
        total = C4_SHARDS[split]
        return [Shard(f"c4-{split}.{i:05d}-of-{total:05d}.json.gz") for i in range(total)]
    pattern = f"*-{split}.*json.gz"
    folder = Path(corpus) if source is None else _folder(corpus, source)
    paths = sorted(folder.glob(pattern))
    if not paths:
        hub = ", or remove it to read C4 from the hub" if corpus == "c4" else ""
        raise DataError(
            f"{folder} holds no {pattern}: put the corpus' files there, and name the folder that "
            f"holds {corpus}/ with --source or ADAMCT_DATA{hub}"
        )
    return [Shard(path.name, path) for path in paths]


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


def _folder(corpus: str, source: Path) -> Path:
    """Return where a corpus' files lie: C4's own are in a folder of their language."""
    english = source / corpus / "en"
    return english if english.is_dir() else source / corpus


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
                _tokenize(shard.texts(request.text_column), piece, room, encoder)
            tokens = np.fromfile(piece, TOKEN_DTYPE)
            if not len(tokens):
                raise DataError(f"{shard.name} holds no documents: {AGAIN}")
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


def _tokenize(texts: Iterator[str], piece: Path, room: int, encoder: Encoder) -> None:
    """Write the tokens of the first documents that together reach ``room``: all, or no file."""
    unfinished = piece.with_suffix(".tokens.part")
    with files.writing(unfinished), unfinished.open("wb") as file:
        while room > 0 and (chunk := list(itertools.islice(texts, CHUNK))):
            for ids in encoder.encode(chunk):
                if room > 0:
                    file.write(np.array([*ids, encoder.end_token], TOKEN_DTYPE).tobytes())
                    room -= len(ids) + 1
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
