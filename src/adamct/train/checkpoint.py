"""Checkpoints: model, optimizer and step, written atomically, read without pickle.

Nothing random is kept: batches and dropout are functions of (seed, step).
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from adamct.files import ExpectedError

HEADER = b"adamct checkpoint 1 sha256 "


class CheckpointError(ExpectedError):
    """A checkpoint is torn or belongs to another run; the message names it and the remedy."""


def to_bytes(run_id: str, n: int, state: dict[str, Any]) -> bytes:
    """Serialize the state at θ_n; the caller writes it atomically."""
    buffer = io.BytesIO()
    torch.save({"run_id": run_id, "n": n, "state": state}, buffer)
    content = buffer.getvalue()
    return HEADER + hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def read(path: Path, run_id: str, device: torch.device) -> tuple[int, dict[str, Any]]:
    """Read a checkpoint.

    Returns:
        The step n at which the run goes on, and the state at θ_n.

    Raises:
        CheckpointError: for a torn or altered file, or one of another run.
    """
    remedy = f"delete {path} to start the run again from its first step"
    header, _, content = path.read_bytes().partition(b"\n")
    if header != HEADER + hashlib.sha256(content).hexdigest().encode():
        raise CheckpointError(f"{path} is torn, altered or no checkpoint at all; {remedy}")
    # The hash vouches for what this program wrote, so what is inside is as to_bytes left it.
    saved = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    if saved["run_id"] != run_id:
        raise CheckpointError(f"{path} belongs to run {saved['run_id']}, not {run_id}; {remedy}")
    return saved["n"], saved["state"]
