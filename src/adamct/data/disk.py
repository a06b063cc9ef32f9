"""Writing that survives a kill: flushed to the disk, atomic where it must be, and locked."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adamct.data.locations import DataError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say of a failed write which file it was, and what to do."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}): make room or choose another folder for "
            "prepared data, then run the same command, which goes on from there"
        ) from error


def append(path: Path, data: bytes) -> None:
    """Add to the end of a file; on return the bytes are on the disk."""
    with writing(path), path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace(path: Path, text: str) -> None:
    """Write a whole file such that a reader sees the old text or the new, never a piece."""
    temporary = path.with_name(path.name + ".tmp")
    with writing(path):
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


@contextmanager
def exclusive(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold a lock that the system releases whatever happens to this process.

    Raises:
        DataError: if another process holds it and ``wait`` is False.
    """
    with writing(path):
        file = path.open("a")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise DataError(
                    f"{path} is held by another process that prepares the same data: "
                    "let it finish, then run the same command"
                ) from None
            print(f"waiting for another process, which holds {path}", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
