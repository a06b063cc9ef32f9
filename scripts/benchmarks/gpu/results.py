"""The sizes that a block is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

import torch

from adamct.config.execution import Execution
from adamct.config.spec import Precision
from benchmarks import workloads

PRECISIONS: tuple[str, ...] = get_args(Precision)


@dataclass(frozen=True)
class Sizes:
    """The shapes and steps of a run of the blocks."""

    device: torch.device
    gpt: Mapping[str, Any]
    vocab_size: int
    batch_size: int
    cnn_width: float
    cnn_batch: int
    n_images: int
    matrix: int
    steps: int  # of the comparisons bit for bit
    rounds: int  # of what is timed
    turn: float  # seconds
    slice_steps: int  # of each run of Figure 3
    slice_runs: int  # at most
    compiled: tuple[bool, ...]  # what is tried
    packed: tuple[int, ...]  # processes on one card

    @classmethod
    def of(cls, device: str, tiny: bool) -> Sizes:
        """The paper's shapes, or shapes that try the path on any machine."""
        where = torch.device(device)
        if tiny:
            return cls(
                where, workloads.TINY_GPT, vocab_size=97, batch_size=2, cnn_width=0.25,
                cnn_batch=8, n_images=200, matrix=64, steps=8, rounds=1, turn=0.01,
                slice_steps=60, slice_runs=2, compiled=(False,), packed=(1, 2),
            )  # fmt: skip
        return cls(
            where, workloads.PAPER_GPT, vocab_size=50_257, batch_size=64, cnn_width=1.0,
            cnn_batch=512, n_images=50_000, matrix=8192, steps=40, rounds=3, turn=0.5,
            slice_steps=1010, slice_runs=64, compiled=(False, True), packed=(1, 2, 4),
        )  # fmt: skip

    def execution(self, **changes: Any) -> Execution:
        """How the runs of the blocks are executed, unless told else."""
        plain: dict[str, Any] = {"device": str(self.device), "threads": 1, "compiled": False}
        return Execution(**plain | changes)


class Check(NamedTuple):
    """A statement that must hold, and what was found."""

    name: str
    holds: bool
    found: str


class Result(NamedTuple):
    """What a block found: checks, and numbers by their names."""

    checks: list[Check]
    numbers: dict[str, float | str]


def set_tf32(on: bool) -> None:
    """Say whether matrix products and convolutions in float32 may round to TF32."""
    torch.backends.cuda.matmul.allow_tf32 = on
    torch.backends.cudnn.allow_tf32 = on


def device_name(where: torch.device) -> str:
    """The model of a GPU, or CPU."""
    return torch.cuda.get_device_name(where) if where.type == "cuda" else "CPU"
