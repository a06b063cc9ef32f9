"""How a command ends: one exit code and one form of message for every script."""

from __future__ import annotations

import sys
from collections.abc import Callable

from adamct.files import ExpectedError

IMPOSSIBLE = 2  # as argparse ends
INTERRUPTED = 130  # what a shell calls a command that Ctrl-C ended


def exit_code(command: Callable[[], int]) -> int:
    """Run a command, and show expected errors without a traceback.

    Returns:
        The command's own code: 0, or 1 where part of the work failed; 2 after an expected error;
        130 if it was interrupted.
    """
    try:
        return command()
    except KeyboardInterrupt:
        complain("interrupted; start again to go on where it stopped")
        return INTERRUPTED
    except ExpectedError as error:
        complain(str(error))
        return IMPOSSIBLE


def complain(message: str) -> None:
    """Print what went wrong."""
    print(f"error: {message}", file=sys.stderr)
