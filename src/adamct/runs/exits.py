"""How a command ends: one exit code and one form of message for every script."""

from __future__ import annotations

import sys
from collections.abc import Callable

INTERRUPTED = 130  # what a shell calls a command that Ctrl-C ended


def exit_code(command: Callable[[], int], *expected: type[Exception]) -> int:
    """Run a command, and show expected errors without a traceback.

    Args:
        command: returns its exit code.
        expected: errors whose message has the remedy, beside those of runs and their data.

    Returns:
        The command's own code; 1 after an expected error; 130 if it was interrupted.
    """
    try:
        return command()
    except KeyboardInterrupt:
        complain("interrupted; start again to go on where it stopped")
        return INTERRUPTED
    except expected as error:
        complain(str(error))
    except Exception as error:
        from adamct.runs.sweep import EXPECTED  # imports torch: not for a command that ends well

        if not isinstance(error, EXPECTED):
            raise
        complain(str(error))
    return 1


def complain(message: str) -> None:
    """Print what went wrong."""
    print(f"error: {message}", file=sys.stderr)
