"""Learning-rate schedules: η_n/η as a pure function of the step."""

from __future__ import annotations

import math

from adamct.config.spec import AnnealedSchedule, ConstantSchedule, ScheduleSpec


def lr_factor(schedule: ScheduleSpec, n: int, n_steps: int) -> float:
    """Return η_n/η at step n of ``n_steps``.

    - constant: 1.
    - warm-up and cosine: (n+1)/w for n < w, then from 1 down to the final fraction f, which the
      last step reaches: f + (1 − f)·(1 + cos πx)/2 with x = (n − w)/(N − 1 − w).
    - annealed: the base's factor times exp(−n·rate), Eq. (19) with rate = |C|/2.

    Example:
        >>> from adamct.config.spec import WarmupCosineSchedule
        >>> schedule = WarmupCosineSchedule(
        ...     kind="warmup_cosine", warmup_steps=2, final_fraction=0.1
        ... )
        >>> [round(lr_factor(schedule, n, 5), 3) for n in range(5)]
        [0.5, 1.0, 1.0, 0.55, 0.1]
    """
    if isinstance(schedule, AnnealedSchedule):
        assert schedule.rate is not None  # filled in at composition
        return lr_factor(schedule.base, n, n_steps) * math.exp(-n * schedule.rate)
    if isinstance(schedule, ConstantSchedule):
        return 1.0
    warmup, final = schedule.warmup_steps, schedule.final_fraction
    if n < warmup:
        return (n + 1) / warmup
    x = (n - warmup) / max(1, n_steps - 1 - warmup)
    return final + (1 - final) * (1 + math.cos(math.pi * x)) / 2
