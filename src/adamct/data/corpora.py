"""The corpora of text, by name, each with the hash that its runs are named by.

| name | what | characters or tokens |
|---|---|---|
| ``pydoc_topics`` | Python's reference manual, part of every Python | characters |
| any with ``<name>/input.txt``, as ``shakespeare`` | plain text | characters |
| ``*-{train,validation}.*json.gz``, as ``c4`` | documents in C4's layout | GPT-2's tokens |

A plain text holds out its last tenth, in one piece, for validation; documents have a validation
split of their own. They are tokenized when they are first opened, or before by
``scripts/prepare_data.py``, which downloads C4 too.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adamct.data.locations import DataError, unreadable
from adamct.data.preparation import prepare_corpus
from adamct.data.tokens import TOKEN_DTYPE, Request, open_tokens


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text as two runs of tokens.

    Args:
        name: as given to ``open_corpus``.
        encoding: ``char`` (token i is the i-th character in order) or ``gpt2``.
        vocab_size: tokens are below it.
        train: 1-D uint16, in memory or memory-mapped.
        validation: 1-D uint16, held out.
        sha256: of the encoding, its characters and both splits' tokens.
        characters: the vocabulary of a character corpus, in order; empty for others.
    """

    name: str
    encoding: str
    vocab_size: int
    train: NDArray[np.uint16] = field(repr=False)
    validation: NDArray[np.uint16] = field(repr=False)
    sha256: str
    characters: str = field(default="", repr=False)


def open_corpus(
    name: str, *, source: Path | None, prepared: Path, text_column: str = "text"
) -> Corpus:
    """Open a corpus by its name.

    Args:
        name: ``pydoc_topics``, or a folder of ``source`` or of ``prepared``.
        source: folder of raw data (``adamct.data.default_source``), only read.
        prepared: folder of prepared data (``adamct.data.default_prepared``).
        text_column: the key that holds the text, in C4's layout.

    Raises:
        DataError: if its data is missing, truncated or foreign.

    >>> corpus = open_corpus("pydoc_topics", source=None, prepared=Path("data"))
    >>> len(corpus.train) > 8 * len(corpus.validation), corpus.characters[corpus.train[0]]
    (True, 'T')
    """
    if name == "pydoc_topics":
        return _characters(name, _pydoc_topics())
    if (path := plain_text(name, source)) is not None:
        return _characters(name, _read_text(path))
    if not (prepared / name).is_dir():
        request = Request(text_column=text_column)
        prepare_corpus(name, source, prepared, request, may_download=False)
    return _tokens(name, prepared / name, text_column)


def plain_text(name: str, source: Path | None) -> Path | None:
    """Return the file of a plain text, which needs no preparation; None where there is none."""
    path = source and source / name / "input.txt"
    return path if path and path.is_file() else None


def _characters(name: str, text: str) -> Corpus:
    characters = "".join(sorted(set(text)))
    code = {character: token for token, character in enumerate(characters)}
    tokens = np.array([code[character] for character in text], dtype=TOKEN_DTYPE)
    train, validation = np.split(tokens, [len(tokens) * 9 // 10])
    digests = (hashlib.sha256(split.tobytes()).hexdigest() for split in (train, validation))
    sha256 = _hash_strings("char", characters, *digests)
    return Corpus(name, "char", len(characters), train, validation, sha256, characters)


def _pydoc_topics() -> str:
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise DataError(
            "this Python lacks pydoc_data, part of the standard library that some distributions "
            "leave out: install their full package (python3-full, libpython3-stdlib) or choose "
            "another corpus"
        ) from error
    # The text differs between Python versions, so the corpus has to be named by its hash.
    return "\n\n".join(topics[topic] for topic in sorted(topics))


def _read_text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8")
        if not text.strip():
            raise ValueError("it is empty")
    except ValueError as error:
        raise unreadable(f"{path}, a plain text,", error, "put one there, in UTF-8") from error
    return text


def _tokens(name: str, folder: Path, text_column: str) -> Corpus:
    manifest, splits = open_tokens(folder)
    request = manifest.request
    if request.text_column != text_column:
        raise DataError(
            f"{folder} was prepared from the column {request.text_column!r}, but asked is "
            f"{text_column!r}: delete {folder}, and it is prepared again"
        )
    train, validation = splits["train"], splits["validation"]
    digests = (manifest.splits[split].sha256 for split in ("train", "validation"))
    sha256 = _hash_strings(request.encoding, "", *digests)
    return Corpus(name, request.encoding, request.vocab_size, train, validation, sha256)


def _hash_strings(*identity: str) -> str:
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()
