"""C4, the corpus of Appendix H, as GPT-2 tokens.

Raw files are C4's own, ``c4/en/c4-{train,validation}.*-of-*.json.gz``, one JSON object with
``text``, ``timestamp`` and ``url`` a line: from a local copy where there is one, else streamed
from the Hugging Face hub at a pinned revision. They are tokenized once and shared by all runs,
since many jobs that stream at once are refused (HTTP 429), and a stream does not resume.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from adamct.data.locations import DataError
from adamct.data.preparation import Encoder, Shard, prepare_tokens
from adamct.data.tokens import Manifest, sha256_of_file

if TYPE_CHECKING:
    import tiktoken

# What 20,000 steps of 64 windows of 256 tokens read, the longest run of Appendix H.
TRAIN_TOKENS = 20_000 * 64 * 256
# Three times what one evaluation reads: 200 batches of 64 windows of 256 tokens.
VALIDATION_TOKENS = 10_000_000

HUB_REPOSITORY = "allenai/c4"
HUB_REVISION = "1588ec454efa1a09f29cd18ddd04fe05fc8653a2"
HUB_SHARDS = {"train": 1024, "validation": 8}
HUB_REMEDY = (
    "run the same command where there is a connection (it goes on from there), or put C4's files "
    "into c4/en of a source folder and name that with --source or ADAMCT_DATA"
)


@dataclass(frozen=True)
class LocalShard:
    """A json.gz file of a local copy of C4."""

    path: Path

    @property
    def name(self) -> str:
        """File name."""
        return self.path.name

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    def identity(self) -> tuple[int, str]:
        """Size in bytes and sha256."""
        return self.size, sha256_of_file(self.path)

    def documents(self, start: int) -> Iterator[str]:
        """Texts from document ``start`` on."""
        # ``datasets`` reports every load to the hub unless told, before its import, that it is
        # offline; without a connection that costs a timeout.
        os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
        remedy = "download the file again, then run the same command, which goes on from there"
        return _documents(str(self.path), start, remedy)


@dataclass(frozen=True)
class HubShard:
    """A json.gz file of C4 on the hub, at the pinned revision."""

    name: str
    size: None = None

    def identity(self) -> tuple[int, str]:
        """Size in bytes and sha256, as the hub states them."""
        from huggingface_hub import HfApi

        try:
            [info] = HfApi().get_paths_info(
                HUB_REPOSITORY, f"en/{self.name}", repo_type="dataset", revision=HUB_REVISION
            )
            return info.size, info.lfs.sha256  # type: ignore[union-attr]
        except Exception as error:
            raise DataError(
                f"{HUB_REPOSITORY} en/{self.name} cannot be reached on the hub "
                f"({type(error).__name__}: {error}): {HUB_REMEDY}"
            ) from error

    def documents(self, start: int) -> Iterator[str]:
        """Texts from document ``start`` on; those before it are downloaded again and skipped."""
        url = f"hf://datasets/{HUB_REPOSITORY}@{HUB_REVISION}/en/{self.name}"
        return _documents(url, start, HUB_REMEDY)


def prepare_c4(
    source: Path | None,
    prepared: Path,
    *,
    train_tokens: int = TRAIN_TOKENS,
    validation_tokens: int = VALIDATION_TOKENS,
    encoder: Encoder | None = None,
    chunk_documents: int = 4096,
    progress: bool = True,
    wait: bool = True,
) -> Manifest:
    """Tokenize C4 into ``<prepared>/c4``, unless that has been done; see ``prepare_tokens``.

    Args:
        source: folder of raw data. Its ``c4/en`` is read where it exists, else the hub is; its
            ``tiktoken`` serves as tiktoken's cache where it exists.
        prepared: folder of prepared data.
        train_tokens: tokens asked of the train split; fewer are taken if the source holds fewer.
        validation_tokens: the same for the validation split.
        encoder: texts to token ids; GPT-2's by default.
        chunk_documents: documents between two points of resumption.
        progress: whether to draw a bar on stderr.
        wait: whether to wait for another process that prepares the same data, or to fail.

    Returns:
        The manifest of the prepared folder.

    Raises:
        DataError: if raw files are missing, truncated or foreign, if the hub cannot be reached,
            if nothing can be written, or if ``<prepared>/c4`` was prepared from something else.
    """
    n_tokens = {"train": train_tokens, "validation": validation_tokens}
    for split, count in n_tokens.items():
        if count < 1:
            raise ValueError(f"{split}_tokens is {count}, but must be at least 1")
    return prepare_tokens(
        prepared / "c4",
        {split: find_shards(source, split) for split in n_tokens},
        n_tokens,
        encoder or gpt2_encoder(source),
        versions={
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ("datasets", "tiktoken")},
        },
        chunk_documents=chunk_documents,
        progress=progress,
        wait=wait,
    )


def find_shards(source: Path | None, split: str) -> list[Shard]:
    """Raw files of one split in their order: the source's own, or else the hub's.

    Raises:
        DataError: if ``source`` does not exist, or has a ``c4/en`` without files of this split.
    """
    if source is not None and not source.is_dir():
        raise DataError(
            f"{source} is not a folder, expected the source of raw data: "
            "correct --source or ADAMCT_DATA, or leave both out to read C4 from the hub"
        )
    if source is None or not (source / "c4" / "en").is_dir():
        total = HUB_SHARDS[split]
        return [HubShard(f"c4-{split}.{i:05d}-of-{total:05d}.json.gz") for i in range(total)]
    pattern = f"c4-{split}.*-of-*.json.gz"
    paths = sorted((source / "c4" / "en").glob(pattern))
    if not paths:
        raise DataError(
            f"{source / 'c4' / 'en'} holds no {pattern}: download C4's files into it, "
            "or remove it to read C4 from the hub"
        )
    return [LocalShard(path) for path in paths]


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


def _documents(url: str, start: int, remedy: str) -> Iterator[str]:
    import datasets

    # Named features keep ``timestamp`` a string, where a guess would make it a date or a null.
    features = datasets.Features(
        {column: datasets.Value("string") for column in ("text", "timestamp", "url")}
    )
    index = start
    # Errors of gzip, arrow, fsspec and the network all end here: each spoils this one file.
    try:
        with tempfile.TemporaryDirectory() as cache_dir:  # streaming leaves only lock files there
            rows = datasets.load_dataset(
                "json",
                data_files=[url],
                split="train",
                features=features,
                streaming=True,
                cache_dir=cache_dir,
            )
            for row in rows.skip(start):
                if row["text"] is None:
                    raise ValueError("a line without a text")
                yield row["text"]
                index += 1
    except Exception as error:
        reason = " ".join(str(error).split())  # arrow's messages run over many lines
        raise DataError(
            f"{url} cannot be read from document {index} on "
            f"({type(error).__name__}: {reason}): {remedy}"
        ) from error
