"""What the code runs in: Git revision, library versions, CPU, and the number of cores."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

CODE = Path(__file__).resolve().parent

# Raised when the code rounds otherwise than before on the same device: a run that began under
# another number is not resumed. 1: q, k and v of a GPT in one matrix product. 2: the loss of many
# tokens of a large vocabulary in chunks.
NUMERICS = 2
VERSIONED = ("adamct", "torch", "numpy", "hydra-core", "datasets", "tiktoken", "scikit-learn")


def commit(folder: Path = CODE) -> str | None:
    """Return the commit that is checked out around a folder.

    Args:
        folder: in the checkout.

    Returns:
        The commit's hash. ``None`` outside git, and where git does not know the folder's files: an
        installed package is not of the commit of whatever project it is installed in.
    """
    if _git(folder, "ls-files", "--error-unmatch", ".") is None:
        return None
    return _git(folder, "rev-parse", "HEAD")


def is_edited(folder: Path = CODE, *, leaving_out: str | None = None) -> bool:
    """Return whether anything in the checkout differs from its commit.

    Run folders are ignored by git, so they are no edit. What cannot be known counts as edited.

    Args:
        folder: in the checkout.
        leaving_out: a folder whose files do not count, from the top of the checkout.
    """
    beside = [":(top)", f":(top,exclude){leaving_out}"] if leaving_out else []
    return _git(folder, "status", "--short", "--", *beside) != ""


@lru_cache
def source() -> dict[str, Any]:
    """Return the commit of the code and whether it was edited since; ``None`` outside git."""
    head = commit()
    return {"commit": head, "dirty": None if head is None else is_edited()}


@lru_cache
def versions() -> dict[str, str]:
    """Return the versions of the installed libraries that decide the numbers of a run."""
    found = {}
    for name in VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@lru_cache
def cpu_name() -> str:
    """Return the name of the CPU, as Linux or the platform gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def n_cores() -> int:
    """Return the number of cores of this container or job, not of the whole machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
