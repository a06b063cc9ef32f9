"""The record of a run as arrays, one a scalar, for those who do not want every line.

They are a copy: the lines are the record, and a file that is not of these very lines is ignored.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adamct.runs.lines import Line

Arrays = dict[str, np.ndarray]

_RECORD = "record_sha256"


def from_lines(lines: Sequence[Line]) -> Arrays:
    """Return the scalars of all lines, each (lines,), and the vectors, each (lines, K).

    NaN stands where a line lacks one, and where its vector is shorter than others.

    Example:
        >>> from_lines([{"n": 0, "u": [1.0, 2.0]}, {"n": 1, "test_loss": 3.0}])["u"]
        array([[ 1.,  2.],
               [nan, nan]])
    """
    names = dict.fromkeys(name for line in lines for name in line)
    return {name: _array([line.get(name) for line in lines], name) for name in names}


def _array(values: Sequence[float | list[float] | None], name: str) -> np.ndarray:
    if name == "n":
        return np.array(values, np.int64)
    vectors = [value for value in values if isinstance(value, list)]
    if not vectors:
        return np.array(values, np.float64)  # None becomes NaN
    array = np.full((len(values), max(map(len, vectors))), np.nan)
    for row, value in zip(array, values, strict=True):
        if isinstance(value, list):
            row[: len(value)] = value
    return array


def to_bytes(arrays: Arrays, record_sha256: str) -> bytes:
    """Return the contents of a file: numpy's own format, which reads one array without the rest."""
    buffer = io.BytesIO()
    contents: dict[str, Any] = {_RECORD: np.array(record_sha256), **arrays}
    np.savez(buffer, **contents)
    return buffer.getvalue()


def read(path: Path, record_sha256: str, is_wanted: Callable[[str], bool]) -> Arrays | None:
    """Read the arrays of some names; ``None`` if the file is missing, torn or of another record."""
    try:
        with np.load(path) as file:
            if str(file[_RECORD]) != record_sha256:
                return None
            return {name: file[name] for name in file if name != _RECORD and is_wanted(name)}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
