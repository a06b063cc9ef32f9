"""Files that survive a kill and a full disk: written whole or not at all, locked, hashed.

Here, below all floors, is also the base of the errors that explain themselves.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


class ExpectedError(Exception):
    """An error whose message says what was found, what was expected and the remedy.

    Commands show the message alone, without a traceback.
    """


class FileError(ExpectedError):
    """A file cannot be written or locked; the message names it and the remedy."""


class HeldError(FileError):
    """Another process holds a lock that was not to be waited for."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the file of a failed write, and the remedy.

    Raises:
        FileError: in place of the ``OSError``.
    """
    try:
        yield
    except OSError as error:
        raise FileError(
            f"{path} cannot be written ({error.strerror}): make room or choose another folder, "
            "then run the same command, which goes on from there"
        ) from error


def append(path: Path, data: bytes) -> None:
    """Add to the end of a file; on return the bytes are on the disk."""
    with writing(path), path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace(path: Path, data: str | bytes) -> None:
    """Write a whole file such that a reader sees the old one or the new, never a piece."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with writing(path):
        try:
            with temporary.open("wb") as file:
                file.write(data.encode() if isinstance(data, str) else data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def sha256(path: Path) -> str:
    """Hash of a file's bytes, in hexadecimal, whatever its size."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def exclusive(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold a lock that the system releases whatever happens to this process.

    Raises:
        HeldError: if another process holds it and ``wait`` is False.
    """
    with writing(path):
        file = path.open("a")
    with file:
        if not _locked(file, fcntl.LOCK_EX | fcntl.LOCK_NB, path):
            if not wait:
                raise HeldError(
                    f"{path} is held by another process that does the same work: "
                    "let it finish, then run the same command"
                )
            print(f"waiting for another process, which holds {path}", file=sys.stderr)
            _locked(file, fcntl.LOCK_EX, path)
        yield


def _locked(file: IO[str], operation: int, path: Path) -> bool:
    """Lock a file; return whether this process holds it now."""
    try:
        fcntl.flock(file, operation)
    except BlockingIOError:
        return False
    except OSError as error:
        raise FileError(
            f"{path} cannot be locked ({error.strerror}), and two processes could then train the "
            "same run: choose a folder on a file system with locks"
        ) from error
    return True
