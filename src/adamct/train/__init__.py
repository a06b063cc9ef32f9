"""Training: the loop, tasks, schedules, observables, checkpoints; Equation (4) solved beside it."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adamct.train.loop import Training, check_device, resolve_device
    from adamct.train.observables import drain, observe

__all__ = ["Training", "check_device", "drain", "observe", "resolve_device"]


def __getattr__(name: str) -> object:
    if name in __all__:  # these need torch, which the schedules do without
        home = "observables" if name in ("drain", "observe") else "loop"
        return getattr(import_module(f"adamct.train.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
