"""Training: the loop, tasks, schedules, observables and checkpoints."""

from adamct.train.loop import Training, check_device, resolve_device
from adamct.train.observables import drain, observe

__all__ = ["Training", "check_device", "drain", "observe", "resolve_device"]
