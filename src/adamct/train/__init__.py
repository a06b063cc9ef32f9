"""Training: the loop, schedules, observables and checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adamct.lazy import lazy

if TYPE_CHECKING:
    from adamct.train.loop import Training as Training
    from adamct.train.loop import build_optimizer as build_optimizer
    from adamct.train.loop import resolve_device as resolve_device
    from adamct.train.observables import OBSERVABLES as OBSERVABLES
    from adamct.train.observables import drain as drain
    from adamct.train.observables import observe as observe

# Loaded on first use: a schedule is plain arithmetic, and who asks for one must not pay for torch.
_LAZY = {
    "OBSERVABLES": "adamct.train.observables",
    "Training": "adamct.train.loop",
    "build_optimizer": "adamct.train.loop",
    "drain": "adamct.train.observables",
    "observe": "adamct.train.observables",
    "resolve_device": "adamct.train.loop",
}
__all__ = ["OBSERVABLES", "Training", "build_optimizer", "drain", "observe", "resolve_device"]

__getattr__, __dir__ = lazy(__name__, _LAZY)
