"""The corpora of text, by name, each with the hash that its runs are named by.

| name | what | characters or tokens |
|---|---|---|
| ``pydoc_topics`` | Python's reference manual, part of every Python | characters |
| ``shakespeare`` | tiny Shakespeare, 1,115,394 characters | characters |
| ``c4`` | C4 as prepared by ``scripts/prepare_data.py c4`` | GPT-2's tokens |

Character corpora hold out their last tenth, in one piece, for validation; C4 has a validation
split of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adamct.data.locations import DataError, default_source
from adamct.data.tokens import TOKEN_DTYPE, open_tokens


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

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of some tokens, for a reader's eyes."""
        if self.encoding == "char":
            return "".join(self.characters[token] for token in tokens)
        from adamct.data.c4 import load_gpt2

        return load_gpt2(default_source()).decode([int(token) for token in tokens])


def open_corpus(name: str, *, source: Path | None, prepared: Path) -> Corpus:
    """Open a corpus by its name.

    Args:
        name: ``pydoc_topics``, ``shakespeare`` or ``c4``.
        source: folder of raw data (``adamct.data.default_source``); ``shakespeare`` reads it.
        prepared: folder of prepared data (``adamct.data.default_prepared``); ``c4`` reads it.

    Raises:
        ValueError: if there is no corpus of that name.
        DataError: if its data is missing, truncated or foreign.

    >>> corpus = open_corpus("pydoc_topics", source=None, prepared=Path("data"))
    >>> len(corpus.train) > 8 * len(corpus.validation), corpus.decode(corpus.train[:13])
    (True, 'The "assert" ')
    """
    if name == "pydoc_topics":
        return _character_corpus(name, _pydoc_topics())
    if name == "shakespeare":
        return _character_corpus(name, _shakespeare(source))
    if name == "c4":
        return _c4(prepared / "c4")
    raise ValueError(f"no corpus is named {name!r}: choose pydoc_topics, shakespeare or c4")


def _character_corpus(name: str, text: str) -> Corpus:
    characters = sorted(set(text))
    code = {character: token for token, character in enumerate(characters)}
    tokens = np.array([code[character] for character in text], dtype=TOKEN_DTYPE)
    n_train = len(tokens) * 9 // 10
    train, validation = tokens[:n_train], tokens[n_train:]
    digests = [hashlib.sha256(split.tobytes()).hexdigest() for split in (train, validation)]
    return Corpus(
        name=name,
        encoding="char",
        vocab_size=len(characters),
        train=train,
        validation=validation,
        sha256=_sha256("char", "".join(characters), *digests),
        characters="".join(characters),
    )


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


def _shakespeare(source: Path | None) -> str:
    path = (source or Path("source")) / "shakespeare" / "input.txt"
    if not path.is_file():
        raise DataError(
            f"{path if source else 'shakespeare/input.txt'} does not exist, expected the text of "
            "tiny Shakespeare: put it into shakespeare/ of the folder of raw data, and name that "
            "folder with ADAMCT_DATA"
        )
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no UTF-8 text ({error}): put the plain text there") from error
    if not text.strip():
        raise DataError(f"{path} is empty, expected the text of tiny Shakespeare: put it there")
    return text


def _c4(folder: Path) -> Corpus:
    manifest, splits = open_tokens(folder)
    encoding = manifest.request.encoding
    return Corpus(
        name="c4",
        encoding=encoding,
        vocab_size=manifest.request.vocab_size,
        train=splits["train"],
        validation=splits["validation"],
        sha256=_sha256(
            encoding, "", manifest.splits["train"].sha256, manifest.splits["validation"].sha256
        ),
    )


def _sha256(encoding: str, characters: str, train: str, validation: str) -> str:
    return hashlib.sha256(
        json.dumps([encoding, characters, train, validation]).encode()
    ).hexdigest()
