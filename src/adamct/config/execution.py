"""How specifications are executed: on what, and watched by what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from adamct.config.frozen import Frozen, Lax


def _no_mps(device: object) -> object:
    if device == "mps":
        raise ValueError(
            "execution.device = 'mps': Apple's GPUs have no float64, in which records are kept; "
            "set execution.device=cpu"
        )
    return device


class Execution(Frozen):
    """What a run is executed on and how often it is written: at most its rounding follows from it.

    Attributes:
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, …; ``"auto"`` takes a GPU where there is one.
        threads: CPU threads of this run. 1 and 2 threads round differently.
        compiled: ``KAdam``'s ``compiled``; if true, the model's loss is compiled, too. Compiled and
            eager code round differently.
        deterministic: torch's deterministic algorithms. Switched off, a run on a GPU no longer
            repeats bit for bit.
        flush_every: steps between two flushes of the record; the only synchronization.
        checkpoint_minutes: minutes between two checkpoints; ``None`` or 0 keeps none, so that an
            interrupted run starts again from its first step.
    """

    device: Annotated[str, BeforeValidator(_no_mps)] = Field(
        default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$"
    )
    threads: int = Field(default=1, ge=1)
    compiled: bool | None = None
    deterministic: bool = True
    flush_every: int = Field(default=50, ge=1)
    checkpoint_minutes: float | None = Field(default=10.0, ge=0)


class NoTracker(Frozen):
    """The local records alone."""

    kind: Literal["none"]


class WandbTracker(Frozen):
    """Where the records are mirrored in W&B. The mirror reads them; no run depends on it.

    Attributes:
        kind: ``"wandb"``.
        project: W&B's project.
        entity: user or team; ``None`` for the account's own.
        mode: ``None`` is as W&B itself is set (``wandb offline``), else online where there is a
            login, and offline elsewhere; ``"disabled"`` is as if there were no tracker.
        folder: of W&B's files, and of notes of what is mirrored.
        interval: seconds between two looks at growing records. Each sweep ends with a last look.
        init_timeout: seconds that the server may take to answer.
        finish_timeout: seconds that the last rows of a run may take to the server.
    """

    kind: Literal["wandb"]
    project: str = Field(min_length=1)
    entity: str | None
    mode: Literal["online", "offline", "disabled"] | None
    folder: Annotated[Path, Lax]
    interval: float = Field(gt=0, le=86_400)
    init_timeout: float = Field(gt=0)
    finish_timeout: float = Field(gt=0)


TrackerSpec = Annotated[NoTracker | WandbTracker, Field(discriminator="kind")]
