"""Watch the max-update of a live Adam, AdamW or KAdam, and whether its pair can be stable.

    from adamct import monitor

    monitor.attach(optimizer, model)      # warns, once, when there is something to say
    for x, y in batches:                  # the loop stays as it is
        ...
        optimizer.step()

- ``live``: ``attach``, ``Monitor``, ``StabilityWarning``: hooks, transfers, warnings.
- ``reading``: u_n of every parameter, from the m and v that the optimizer keeps.
- ``recording``: what a step leaves on the device, and what a flush makes of it.
- ``group_statistics``: what is known of one parameter group, and whether it grows exponentially.

Nothing waits for the device between flushes.
"""

from adamct.monitor.group_statistics import GroupStatistics
from adamct.monitor.live import Monitor, StabilityWarning, attach
from adamct.monitor.recording import History

__all__ = ["GroupStatistics", "History", "Monitor", "StabilityWarning", "attach"]
