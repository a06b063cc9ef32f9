"""Corpora of text: characters, documents in C4's layout, and what is said of missing ones."""

import pydoc_data.topics
import sys
from pathlib import Path

import numpy as np
import pytest

from adamct.data import DataError, default_prepared, default_source, open_corpus
from adamct.data.catalogue import VOCABULARIES


def decoded(corpus, tokens) -> str:
    return "".join(corpus.characters[token] for token in tokens)


def test_pydoc_topics_is_the_reference_manual_split_in_two():
    corpus = open_corpus("pydoc_topics", source=None, prepared=Path("unused"))
    topics = pydoc_data.topics.topics
    text = "\n\n".join(topics[name] for name in sorted(topics))
    assert decoded(corpus, [*corpus.train, *corpus.validation]) == text
    assert len(corpus.train) == len(text) * 9 // 10
    assert corpus.vocab_size == len(set(text)) == len(corpus.characters)
    assert corpus.train.dtype == corpus.validation.dtype == np.uint16
    assert list(corpus.characters) == sorted(corpus.characters)
    if sys.version_info[:2] == (3, 11):
        assert corpus.vocab_size == VOCABULARIES["pydoc_topics"]


def test_the_hash_sees_characters_and_their_order_and_the_vocabulary(tmp_path):
    hashes = []
    for text in ("abc" * 20, "abc" * 19 + "acb", "abc" * 20 + "a", "abd" * 20):
        (tmp_path / "any_name").mkdir(exist_ok=True)
        (tmp_path / "any_name" / "input.txt").write_text(text)
        hashes.append(open_corpus("any_name", source=tmp_path, prepared=tmp_path).sha256)
    assert len(set(hashes)) == 4
    # Runs are named by it, so it must not change, nor differ between processes.
    assert hashes[0].startswith("c155c7663252dd2fe8aa54b6ba520b21")


def test_shakespeare_as_nanogpt_splits_it():
    place = default_source()
    if place is None or not (place / "shakespeare" / "input.txt").is_file():
        pytest.skip("ADAMCT_DATA names no folder with shakespeare/input.txt")
    corpus = open_corpus("shakespeare", source=place, prepared=Path("unused"))
    assert (len(corpus.train), len(corpus.validation)) == (1_003_854, 111_540)
    assert corpus.vocab_size == VOCABULARIES["shakespeare"]
    assert decoded(corpus, corpus.train[:14]) == "First Citizen:"


@pytest.mark.parametrize(
    ("text", "message"), [(b"\xff\xfe", "'utf-8' codec"), (b" \n", "is empty")]
)
def test_what_is_no_text_is_refused(tmp_path, text, message):
    (tmp_path / "shakespeare").mkdir()
    (tmp_path / "shakespeare" / "input.txt").write_bytes(text)
    with pytest.raises(DataError, match=rf"input\.txt, a plain text, .*{message}.*UTF-8"):
        open_corpus("shakespeare", source=tmp_path, prepared=tmp_path)


def test_a_missing_corpus_is_not_downloaded_unasked(tmp_path):
    message = r"'c4' are not prepared.*c4/input\.txt.*C4's layout; run scripts/prepare_data\.py c4"
    with pytest.raises(DataError, match=message):
        open_corpus("c4", source=None, prepared=tmp_path / "unused")
    assert not list(tmp_path.iterdir())


def test_a_python_without_its_manual_is_reported(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(DataError, match=r"lacks pydoc_data.*install"):
        open_corpus("pydoc_topics", source=None, prepared=Path("unused"))


def test_locations_come_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("ADAMCT_DATA", str(tmp_path / "raw"))
    monkeypatch.setenv("ADAMCT_CACHE", str(tmp_path / "cache"))
    assert default_source() == tmp_path / "raw"
    assert default_prepared() == tmp_path / "cache"
    monkeypatch.setenv("ADAMCT_DATA", "")
    monkeypatch.delenv("ADAMCT_CACHE")
    assert default_source() is None
    assert default_prepared().name == "data"
