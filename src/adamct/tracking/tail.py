"""The tail of a record: its whole lines, read while another process writes them."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from adamct.runs.store import Line, StoreError


class RecordTail:
    """Reads the whole lines of a record that another process may be writing.

    Args:
        path: of the record, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.lines: list[Line] = []
        self._path = path
        self._read = 0
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Hash of all that was read."""
        return self._hash.hexdigest()

    def read(self) -> bool:
        """Read on; return False if what was read has been cut since.

        Raises:
            StoreError: for a file that is no record.
        """
        try:
            with self._path.open("rb") as file:
                if file.seek(0, os.SEEK_END) < self._read:
                    return False
                file.seek(self._read)
                text = file.read()
        except FileNotFoundError:
            return self._read == 0
        whole = text[: text.rfind(b"\n") + 1]
        try:
            self.lines += [json.loads(line) for line in whole.splitlines()]
        except ValueError as error:
            if self._read:  # it was cut and has outgrown what was read: this began inside a line
                return False
            raise StoreError(f"{self._path} is no record of a run ({error})") from error
        self._hash.update(whole)
        self._read += len(whole)
        return True
