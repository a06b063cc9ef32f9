"""Errors of a device: which of them say what helps, and after which a process is of no more use."""

from __future__ import annotations

import torch

from adamct.files import ExpectedError


class DeviceMemoryError(ExpectedError):
    """The device's memory does not hold the run; the message names the settings that help."""


def explained(error: Exception) -> Exception:
    """Return an error of memory with what helps, any other as it is.

    Example:
        >>> print(explained(RuntimeError("CUDA error: out of memory")))
        CUDA error: out of memory: train fewer runs at once (hydra.launcher.n_jobs=1) or on ...
    """
    if not _of_memory(error):
        return error
    found = str(error).partition("\n")[0].rstrip(".")
    return DeviceMemoryError(
        f"{found}: train fewer runs at once (hydra.launcher.n_jobs=1) or on another device "
        "(execution.device=cuda:1, or cpu), compile the update, which then needs no memory of its "
        "own (execution.compiled=true), or set PYTORCH_ALLOC_CONF=expandable_segments:True; last, "
        "a smaller task.batch_size, which is part of the spec: it makes other runs"
    )


def ends_process(error: Exception) -> bool:
    """Whether an error leaves CUDA unusable, so that every later run of the process would fail.

    Example:
        >>> ends_process(RuntimeError("CUDA error: an illegal memory access was encountered"))
        True
        >>> ends_process(RuntimeError("CUDA error: out of memory")), ends_process(ValueError())
        (False, False)
    """
    kind: type[Exception] | tuple[()] = getattr(torch, "AcceleratorError", ())
    text = isinstance(error, RuntimeError) and "CUDA error" in str(error)
    return (text or isinstance(error, kind)) and not _of_memory(error)


def _of_memory(error: Exception) -> bool:
    # The last is the CPU's, which has no type of its own.
    texts = "out of memory", "not enough memory", "can't allocate memory"
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in texts)
    )
