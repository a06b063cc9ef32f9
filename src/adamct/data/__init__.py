"""What the models are trained on: characters, tokens and pictures, each with its hash."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adamct.data.corpora import Corpus as Corpus
    from adamct.data.corpora import open_corpus as open_corpus
    from adamct.data.locations import DataError as DataError
    from adamct.data.locations import default_prepared as default_prepared
    from adamct.data.locations import default_source as default_source
    from adamct.data.text_batches import text_batch as text_batch
    from adamct.data.text_batches import unigram_cross_entropy as unigram_cross_entropy

# Loaded on first use: opening a corpus must not pay for torch, nor `--help` for anything.
_LAZY = {
    "Corpus": "adamct.data.corpora",
    "DataError": "adamct.data.locations",
    "default_prepared": "adamct.data.locations",
    "default_source": "adamct.data.locations",
    "open_corpus": "adamct.data.corpora",
    "text_batch": "adamct.data.text_batches",
    "unigram_cross_entropy": "adamct.data.text_batches",
}
__all__ = [
    "Corpus",
    "DataError",
    "default_prepared",
    "default_source",
    "open_corpus",
    "text_batch",
    "unigram_cross_entropy",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, the lazily loaded ones included."""
    return sorted({*globals(), *__all__})
