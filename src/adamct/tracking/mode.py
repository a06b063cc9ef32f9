"""How W&B is used: online, offline, or not at all, with the remedy."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from adamct.config.execution import WandbTracker
from adamct.files import ExpectedError

Mode = Literal["online", "offline"]


class TrackingError(ExpectedError):
    """W&B cannot be used as asked; the message names the remedy."""


@contextmanager
def answered(remedy: str = "start again to go on, or set tracker.mode=offline") -> Iterator[None]:
    """Raise whatever W&B's packages raise, of many kinds, as a ``TrackingError`` with a remedy."""
    try:
        yield
    except Exception as error:
        if isinstance(error, ImportError):
            remedy = "install the project's requirements, or set tracker=none"
        raise TrackingError(f"W&B failed ({type(error).__name__}: {error}); {remedy}") from error


def warn(message: str) -> None:
    """Print what is wrong with the mirror, and nothing more."""
    print(f"warning: {message}", file=sys.stderr, flush=True)


def tracker_mode(tracker: WandbTracker) -> Mode:
    """Decide whether W&B is used online: as asked, or as W&B is set, or where it finds a login.

    Raises:
        TrackingError: if W&B is not installed, or switched off.
    """
    # A W&B agent sets these for what it starts, and they would make one W&B run of all points.
    for name in ("WANDB_RUN_ID", "WANDB_SWEEP_ID"):
        os.environ.pop(name, None)
    # W&B's process would spread over all cores, and its reports on itself cost a third of its time.
    os.environ.setdefault("GOMAXPROCS", "1")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    with answered():
        import wandb
    if tracker.mode in ("online", "offline"):
        return tracker.mode
    if "disabled" in (tracker.mode, wandb.setup(wandb.Settings(silent=True)).settings.mode):
        raise TrackingError(
            "W&B is switched off here: run `wandb enabled`, or set tracker.mode to online or "
            "offline"
        )
    with answered():  # offline, too, where `wandb offline` was called
        return "online" if wandb.login(prompt=False, verify=False) else "offline"
