"""What the theory accepts: decays in [0, 1) or (0, 1), and whole steps n = 0, 1, 2, …"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray: TypeAlias = NDArray[np.float64]
Values: TypeAlias = Any  # a Python float for scalars in, else a float64 array

_MEANING = (
    "β, the decay of the second-moment average (torch's betas[1])",
    "γ, the decay of the first-moment average (torch's betas[0])",
)


def decay(name: str, value: ArrayLike, *, needed_by: str = "", remedy: str = "") -> FloatArray:
    """The decays as float64, every entry in [0, 1); in the open (0, 1) where that is needed.

    Args:
        name: what to call it in an error; it tells β and γ apart by "beta" or "gamma" in it.
        value: numbers of any shape.
        needed_by: what needs the open interval; "": 0 will do.
        remedy: for a decay outside the open interval.

    Raises:
        TypeError: a value that is no number.
        ValueError: a value outside the interval.

    >>> decay("beta", 0.999)
    array(0.999)
    >>> decay("gamma", 0.0, needed_by="Eq. (5)", remedy="use D_n")
    Traceback (most recent call last):
        ...
    ValueError: Eq. (5): gamma = 0.0 is outside (0, 1); gamma is γ, the decay of the \
first-moment average (torch's betas[0]); use D_n
    """
    interval, meaning = ("(0, 1)" if needed_by else "[0, 1)"), _MEANING["gamma" in name]
    array = np.asarray(value)
    if array.dtype.kind not in "fiuO":
        raise TypeError(f"{name} = {value!r} is no number; expected a decay in {interval}")
    array = array.astype(np.float64)
    bad = ~((array > 0 if needed_by else array >= 0) & (array < 1))
    if bad.any():
        where, then = needed_by and f"{needed_by}: ", remedy and f"; {remedy}"
        raise ValueError(
            f"{where}{name} = {array[bad].flat[0]} is outside {interval}; {name} is {meaning}{then}"
        )
    return array


def whole_steps(n: ArrayLike) -> FloatArray:
    """The step indices as float64, every entry a whole number ≥ 0.

    >>> whole_steps([0, 5])
    array([0., 5.])
    """
    array = np.asarray(n, dtype=np.float64)
    # nan and inf fail the second test: nan equals nothing, and inf − inf is nan.
    with np.errstate(invalid="ignore"):
        bad = ~((array >= 0) & (array - np.floor(array) == 0))
    if bad.any():
        raise ValueError(
            f"n = {array[bad].flat[0]} is not a step index; give whole numbers n = 0, 1, 2, …"
        )
    return array


def plain(array: Any) -> Values:
    """A Python scalar if the array has no dimensions, else the array.

    >>> plain(np.asarray(2.0)), plain(np.ones(2))
    (2.0, array([1., 1.]))
    """
    return array.item() if array.ndim == 0 else array
