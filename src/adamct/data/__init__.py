"""What the models are trained on: characters, tokens and images, each with its hash.

Names that need torch are imported from their own modules, :mod:`adamct.data.images` and
:mod:`adamct.data.batches`: opening a corpus does not pay for it.
"""

from adamct.data.corpora import Corpus, open_corpus
from adamct.data.locations import DataError, default_prepared, default_source

__all__ = ["Corpus", "DataError", "default_prepared", "default_source", "open_corpus"]
