"""One process that works on a run: what it is, and whether it may go on with what others began."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import torch

from adamct import environment
from adamct.config.execution import Execution
from adamct.files import ExpectedError
from adamct.runs.store import RunFolder

Entry = dict[str, Any]

# Where one of these is another, a run rounds otherwise; and what gives it back.
DECIDE_ROUNDING = {
    "device_kind": "execution.device={}",
    "threads": "execution.threads={}",
    "compiled": "execution.compiled={}",
    "torch": "torch {}",
    "cuda": "CUDA {}",
    "cudnn": "cuDNN {}",
    "tf32_matmul": "TF32 in matrix products {}",
    "tf32_convolution": "TF32 in convolutions {}",
    "gpu": "a {}",
}


class ResumeError(ExpectedError):
    """A run cannot go on here bit for bit; the message says what differs, and the remedy."""


def describe(
    execution: Execution, device: torch.device, *, compiled: bool, first_step: int
) -> Entry:
    """Describe this process: what code, with which libraries, on which hardware, from which step.

    ``wall_s`` is filled in when the process ends; it stays ``None`` for one that was killed.

    Args:
        execution: of the run.
        device: that it is trained on.
        compiled: whether the optimizer is compiled.
        first_step: where this process goes on.
    """
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        **environment.source(),
        "command": shlex.join(sys.argv),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": environment.versions(),
        "numerics": environment.NUMERICS,
        "device": gpu or environment.cpu_name(),
        "device_kind": device.type,
        "gpu": gpu,
        "threads": execution.threads,
        "deterministic": execution.deterministic,
        "compiled": compiled,
        "torch": torch.__version__,  # with its build, which the package's version lacks
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "tf32_matmul": _takes_tf32(torch.backends.cuda.matmul),
        "tf32_convolution": _takes_tf32(torch.backends.cudnn),
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "first_step": first_step,
        "wall_s": None,
    }


def check_resume(folder: RunFolder, before: Sequence[Mapping[str, Any]], now: Entry) -> None:
    """Refuse to go on with a run that would not end bit for bit where it would have ended.

    Args:
        folder: of the run.
        before: entries of the processes that worked on it; a key that older code did not write is
            not compared, but ``numerics``, which then is 0.
        now: the entry of this one. Where ``deterministic`` is off, it is warned instead; of code
            that rounds otherwise it is refused all the same.

    Raises:
        ResumeError: with what differs, and the remedy.
    """
    start_again = f"delete {folder.checkpoint_path} to start the run again from its first step"
    for entry in before:
        began = entry.get("numerics", 0)
        if began != now["numerics"]:
            raise ResumeError(
                f"{folder.path} was begun by code that rounds otherwise (numerics = {began}, here "
                f"{now['numerics']}), and cannot go on with this code: go back to commit "
                f"{entry.get('commit')}, or {start_again}"
            )
    other = {
        name: entry[name]
        for entry in before
        for name in (*DECIDE_ROUNDING, "device", "deterministic")
        if name in entry and entry[name] != now[name]
    }
    if not other:
        return
    differing = ", ".join(f"{name} = {value} (here {now[name]})" for name, value in other.items())
    message = (
        f"{folder.path} was begun with {differing}: going on, it will not end bit for bit where it "
        "would have ended"
    )
    back = [DECIDE_ROUNDING[name].format(other[name]) for name in other if name in DECIDE_ROUNDING]
    if back and now["deterministic"]:
        raise ResumeError(
            f"{message}; go back to {', '.join(back)}, or set execution.deterministic=false to go "
            f"on all the same, or {start_again}"
        )
    print(f"warning: {message}", file=sys.stderr)


def _takes_tf32(backend: Any) -> bool:
    """Whether a backend may round float32 products to TF32, by either of torch's interfaces."""
    try:
        return bool(backend.allow_tf32)
    except RuntimeError:  # set by the newer one, after which the older one cannot be read
        return bool(getattr(backend, "conv", backend).fp32_precision == "tf32")
