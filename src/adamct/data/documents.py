"""Raw files of a text corpus in C4's layout.

``<corpus>/*-{train,validation}.*json.gz`` of the source folder (C4's own lie in ``c4/en``), one
JSON object a line with the text in one column. C4 is streamed from the Hugging Face hub, at a
pinned revision, where there is no local copy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from adamct.data.locations import DataError, stream

C4_ON_THE_HUB = "hf://datasets/allenai/c4@1588ec454efa1a09f29cd18ddd04fe05fc8653a2/en"
C4_SHARDS = {"train": 1024, "validation": 8}

AGAIN = "download it again, then run the same command, which goes on from there"
CONNECT = (
    "run the same command where there is a connection (it goes on from there), or put C4's files "
    "into c4/en of a source folder and name that with --source or ADAMCT_DATA"
)


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


def _folder(corpus: str, source: Path) -> Path:
    """Return where a corpus' files lie: C4's own are in a folder of their language."""
    english = source / corpus / "en"
    return english if english.is_dir() else source / corpus
