"""Training: the loop, schedules, observables and checkpoints."""

from adamct.train.loop import Training, build_optimizer, resolve_device
from adamct.train.observables import OBSERVABLES, drain, observe

__all__ = ["OBSERVABLES", "Training", "build_optimizer", "drain", "observe", "resolve_device"]
