"""What the models are trained on: characters, tokens and images, each with its hash.

- ``corpora``, ``images``: text and image sets, by name; ``catalogue``: what is known unopened.
- ``tokens``: GPT-2's encoding, and files of tokens; ``preparation``: a text corpus made into them.
- ``image_files``: raw files of image sets; ``image_set``: their splits, checked and hashed.
- ``batches``: batches as functions of (seed, step); ``rng``: every seed of a run.
- ``locations``: where data lies, and how a raw file is read.

Names that need torch are imported from their own modules, :mod:`adamct.data.images` and
:mod:`adamct.data.batches`: opening a corpus does not pay for it.
"""

from adamct.data.corpora import Corpus, open_corpus
from adamct.data.locations import DataError, default_prepared, default_source

__all__ = ["Corpus", "DataError", "default_prepared", "default_source", "open_corpus"]
