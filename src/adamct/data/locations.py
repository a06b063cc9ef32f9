"""Where data lies, and what is said when it does not.

Two folders, kept apart because they belong to different owners:

- the *source* holds raw data as others publish it (``c4/en/*.json.gz``,
  ``shakespeare/input.txt``, ``tiktoken/``). It is read, never written, and may be shared by a
  whole cluster: the environment variable ``ADAMCT_DATA``, or none.
- the *prepared* folder holds what is computed from it once and shared by all runs. It may be
  deleted at any time: ``ADAMCT_CACHE``, or ``data/`` in the project's root.
"""

from __future__ import annotations

import os
from pathlib import Path


class DataError(RuntimeError):
    """Data that is missing, truncated or foreign; the message names the file and the remedy."""


def default_source() -> Path | None:
    """Folder of raw data, from ``ADAMCT_DATA``; None where the variable is unset."""
    value = os.environ.get("ADAMCT_DATA")
    return Path(value) if value else None


def default_prepared() -> Path:
    """Folder of prepared data: ``ADAMCT_CACHE``, or ``data/`` in the project's root.

    Outside a checkout (the package installed without its repository) the root is the current
    directory.
    """
    value = os.environ.get("ADAMCT_CACHE")
    if value:
        return Path(value)
    root = Path(__file__).parents[3]
    return (root if (root / "pyproject.toml").is_file() else Path.cwd()) / "data"
