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
            for index, line in enumerate(stream("text", url)):
                row = json.loads(line["text"])
                if not isinstance(row.get(column), str):
                    raise DataError(
                        f"{url}, document {index}, has columns {', '.join(row)}, expected a text "
                        f"under {column}: name the one that holds the text by text_column of the "
                        "task's data (--text-column), or leave the document out"
                    )
                yield row[column]
        except DataError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())  # arrow's messages run over many lines
            raise DataError(
                f"{url} cannot be read from document {index} on "
                f"({type(error).__name__}: {reason}): {CONNECT if self.path is None else AGAIN}"
            ) from error


def raw_files(corpus: str, source: Path | None, split: str) -> list[Path]:
    """Return the files of one split in a source folder, in their order; there may be none."""
    if source is None:
        return []
    english = source / corpus / "en"  # where C4's own lie
    folder = english if english.is_dir() else source / corpus
    return sorted(folder.glob(f"*-{split}.*json.gz"))


def find_shards(corpus: str, source: Path | None, split: str) -> list[Shard]:
    """Raw files of one split in their order: the source's own, or else, for C4, the hub's.

    Raises:
        DataError: if ``source`` does not exist, or holds no files of this split.
    """
    if corpus == "c4" and (source is None or (source.is_dir() and not (source / "c4").is_dir())):
        total = C4_SHARDS[split]
        return [Shard(f"c4-{split}.{i:05d}-of-{total:05d}.json.gz") for i in range(total)]
    paths = raw_files(corpus, source, split)
    if not paths:
        hub = ", or leave that out to read C4 from the hub" if corpus == "c4" else ""
        raise DataError(
            f"{corpus}/*-{split}.*json.gz is not in {source or 'any source'}: put the corpus' "
            f"files there, and name the folder that holds {corpus}/ with --source or "
            f"ADAMCT_DATA{hub}"
        )
    return [Shard(path.name, path) for path in paths]
