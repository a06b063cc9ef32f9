"""Checkpoints: model, optimizer and step, written atomically, read without pickle.

Nothing random is kept: batches and dropout are functions of (seed, step).
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch


class CheckpointError(RuntimeError):
    """A checkpoint is torn or belongs to another run; the message names it and the remedy."""


def to_bytes(run_id: str, n: int, state: dict[str, Any]) -> bytes:
    """Serialize the state at θ_n; the caller writes it atomically."""
    buffer = io.BytesIO()
    torch.save({"run_id": run_id, "n": n, "state": state}, buffer)
    return buffer.getvalue()


def read(path: Path, run_id: str, device: torch.device) -> tuple[int, dict[str, Any]]:
    """Read a checkpoint.

    Returns:
        The step n at which the run goes on, and the state at θ_n.

    Raises:
        CheckpointError: for a torn file, or one of another run.
    """
    remedy = f"delete {path} to start the run again from its first step"
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        found, n, state = content["run_id"], content["n"], content["state"]
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
        first = str(error).partition("\n")[0]
        raise CheckpointError(f"{path} is no checkpoint of this program ({first}); {remedy}") from (
            error
        )
    if found != run_id:
        raise CheckpointError(f"{path} belongs to run {found}, expected {run_id}; {remedy}")
    return n, state
