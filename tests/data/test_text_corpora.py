"""Character corpora, and what is said of those that cannot be opened."""

from __future__ import annotations

import os
import pydoc_data.topics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from adamct.data import DataError, default_prepared, default_source, open_corpus


def test_pydoc_topics_is_the_reference_manual_split_in_two() -> None:
    corpus = open_corpus("pydoc_topics", source=None, prepared=Path("unused"))
    topics = pydoc_data.topics.topics
    text = "\n\n".join(topics[name] for name in sorted(topics))
    assert corpus.decode([*corpus.train, *corpus.validation]) == text
    assert len(corpus.train) == len(text) * 9 // 10
    assert corpus.vocab_size == len(set(text)) == len(corpus.characters)
    assert corpus.train.dtype == corpus.validation.dtype == np.uint16
    assert list(corpus.characters) == sorted(corpus.characters)


def test_a_corpus_has_the_same_hash_in_another_process() -> None:
    corpus = open_corpus("pydoc_topics", source=None, prepared=Path("unused"))
    program = (
        "from adamct.data import open_corpus; from pathlib import Path\n"
        "print(open_corpus('pydoc_topics', source=None, prepared=Path('unused')).sha256)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert found.stdout.strip() == corpus.sha256


def test_the_hash_sees_characters_and_their_order_and_the_vocabulary(tmp_path: Path) -> None:
    hashes = set()
    texts = ["abc" * 20, "abc" * 19 + "acb", "abc" * 20 + "a", "abd" * 20]
    for index, text in enumerate(texts):
        (tmp_path / str(index) / "shakespeare").mkdir(parents=True)
        (tmp_path / str(index) / "shakespeare" / "input.txt").write_text(text)
        corpus = open_corpus("shakespeare", source=tmp_path / str(index), prepared=tmp_path)
        hashes.add(corpus.sha256)
    assert len(hashes) == len(texts)


def test_shakespeare_as_nanogpt_splits_it() -> None:
    place = default_source()
    if place is None or not (place / "shakespeare" / "input.txt").is_file():
        pytest.skip("ADAMCT_DATA names no folder with shakespeare/input.txt")
    corpus = open_corpus("shakespeare", source=place, prepared=Path("unused"))
    assert (len(corpus.train), len(corpus.validation)) == (1_003_854, 111_540)
    assert corpus.vocab_size == 65
    assert corpus.decode(corpus.train[:14]) == "First Citizen:"


@pytest.mark.parametrize("source", [None, Path("nowhere")])
def test_missing_shakespeare_is_reported_with_its_place(source: Path | None) -> None:
    with pytest.raises(DataError, match=r"shakespeare/input\.txt does not exist.*ADAMCT_DATA"):
        open_corpus("shakespeare", source=source, prepared=Path("unused"))


def test_a_python_without_its_manual_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(DataError, match=r"lacks pydoc_data.*install"):
        open_corpus("pydoc_topics", source=None, prepared=Path("unused"))


def test_an_unknown_corpus_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'wikitext': choose pydoc_topics, shakespeare or c4"):
        open_corpus("wikitext", source=None, prepared=Path("unused"))


def test_locations_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ADAMCT_DATA", str(tmp_path / "raw"))
    monkeypatch.setenv("ADAMCT_CACHE", str(tmp_path / "cache"))
    assert default_source() == tmp_path / "raw"
    assert default_prepared() == tmp_path / "cache"
    monkeypatch.setenv("ADAMCT_DATA", "")
    monkeypatch.delenv("ADAMCT_CACHE")
    assert default_source() is None
    assert default_prepared().name == "data"
