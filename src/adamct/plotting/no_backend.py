"""Imports matplotlib without a backend, whatever MPLBACKEND says: import this before the rest.

A picture is a file, whose suffix decides how it is drawn. But on import matplotlib reads its
backend from this variable and fails where it knows none of that name, and a notebook hands its own
to every command that it starts.
"""

import os

_backend = os.environ.pop("MPLBACKEND", None)
import matplotlib  # noqa: E402
import matplotlib.figure  # noqa: E402

if _backend is not None:
    os.environ["MPLBACKEND"] = _backend

__all__ = ["matplotlib"]
