"""How W&B is used: online, offline, or not at all, with the remedy."""

from __future__ import annotations

import netrc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from urllib.parse import urlparse

from adamct.config.execution import WandbTracker

Mode = Literal["online", "offline"]


class TrackingError(RuntimeError):
    """W&B cannot be used as asked; the message names the remedy."""


@contextmanager
def answered() -> Iterator[None]:
    """Raise whatever W&B's package raises, of its many kinds, as a ``TrackingError``."""
    try:
        yield
    except Exception as error:
        raise TrackingError(
            f"W&B failed ({type(error).__name__}: {error}); start again to go on where it "
            "stopped, or set tracker.mode=offline"
        ) from error


def tracker_mode(tracker: WandbTracker) -> Mode:
    """Decide whether W&B is used online: as asked, or as W&B is set, or where it finds a login.

    Raises:
        TrackingError: if W&B is not installed, or switched off.
    """
    # W&B's process would spread over all cores, and its reports on itself cost a third of its time.
    os.environ.setdefault("GOMAXPROCS", "1")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    try:
        import wandb
    except ImportError as error:
        raise TrackingError(
            f"the wandb package cannot be imported ({error}); install the project's "
            "requirements, or set tracker=none"
        ) from error
    if tracker.mode == "disabled":  # which a configuration takes for no tracker
        raise TrackingError("tracker.mode = 'disabled': set it to online or offline")
    if tracker.mode is not None:
        return tracker.mode
    settings = wandb.setup().settings
    if settings.mode in ("offline", "dryrun"):  # `wandb offline` was called here
        return "offline"
    if settings.mode == "disabled":
        raise TrackingError(
            "W&B is switched off here: run `wandb enabled`, or set tracker.mode to online or "
            "offline"
        )
    if settings.api_key or settings.identity_token_file:
        return "online"
    hosts = {urlparse(settings.base_url).netloc}
    if settings.base_url == wandb.Settings.model_fields["base_url"].default:
        hosts.add("api.wandb.ai")  # where older logins were noted
    return "online" if hosts & _netrc_hosts() else "offline"


def _netrc_hosts() -> set[str]:
    """Return the servers for which ``wandb login``, or another program, has left a key."""
    try:
        return set(netrc.netrc(os.environ.get("NETRC")).hosts)
    except (OSError, netrc.NetrcParseError):
        return set()
