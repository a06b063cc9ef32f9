"""The bias correction √(1−β^t) / (1−γ^t) at step count t = n + 1, in the numerics of the caller.

Arrays are computed by numpy; an optimizer asks for the C library's functions, whose bits do not
depend on the CPU, and what must stay on a device is computed by its own library.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def one_minus_power(x: Any, t: Any, by: Any = np) -> Any:
    """1 − x^t for 0 < x < 1 and t ≥ 1, without the cancellation near x = 1.

    At x = 0 it is 1 wherever log 0 is −∞: in numpy (with a warning) and torch, not in math.

    Args:
        x: a decay.
        t: step count; what broadcasts with x in ``by`` will do.
        by: the library that computes: numpy, ``math`` or torch.

    >>> float(one_minus_power(0.5, 2))
    0.75
    """
    return -by.expm1(t * by.log(x))


def bias_correction(t: Any, beta: Any, gamma: Any, by: Any = np) -> Any:
    """√(1−β^t) / (1−γ^t), by which Adam multiplies m/√v.

    Args:
        t: step count n + 1.
        beta: second-moment decay (torch's ``betas[1]``), as ``one_minus_power`` takes it.
        gamma: first-moment decay (torch's ``betas[0]``).
        by: the library that computes.

    >>> import math
    >>> round(bias_correction(1, 0.75, 0.5, math), 12)
    1.0
    """
    return by.sqrt(one_minus_power(beta, t, by)) / one_minus_power(gamma, t, by)
