"""What the theory accepts: decays in [0, 1) or (0, 1), and whole steps n = 0, 1, 2, …"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray: TypeAlias = NDArray[np.float64]
Values: TypeAlias = Any  # a Python float for scalars in, else a float64 array

_MEANING = {
    "beta": "β, the decay of the second-moment average (torch's betas[1])",
    "gamma": "γ, the decay of the first-moment average (torch's betas[0])",
}


def decay(name: str, value: ArrayLike) -> FloatArray:
    """The decay ``name`` ("beta" or "gamma") as float64, every entry in [0, 1).

    >>> decay("beta", 0.999)
    array(0.999)
    """
    array = np.asarray(value, dtype=np.float64)
    _refuse(name, array, ~((array >= 0) & (array < 1)), "[0, 1)")
    return array


def open_decay(name: str, value: ArrayLike, needed_by: str, remedy: str) -> FloatArray:
    """The decay ``name`` as float64, every entry in the open (0, 1).

    >>> open_decay("gamma", 0.0, "Eq. (5)", "use D_n")
    Traceback (most recent call last):
        ...
    ValueError: Eq. (5): gamma = 0.0 is outside (0, 1); gamma is γ, the decay of the \
first-moment average (torch's betas[0]); use D_n
    """
    array = np.asarray(value, dtype=np.float64)
    _refuse(name, array, ~((array > 0) & (array < 1)), "(0, 1)", f"{needed_by}: ", f"; {remedy}")
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


def _refuse(
    name: str, array: FloatArray, bad: Any, interval: str, prefix: str = "", suffix: str = ""
) -> None:
    if np.any(bad):
        raise ValueError(
            f"{prefix}{name} = {array[bad].flat[0]} is outside {interval}; "
            f"{name} is {_MEANING[name]}{suffix}"
        )


def one_minus_power(x: FloatArray, n: FloatArray) -> FloatArray:
    """1 − xⁿ for 0 ≤ x < 1 and n ≥ 1, without the cancellation near x = 1.

    >>> one_minus_power(np.array([0.0, 0.5]), np.array([2.0, 2.0]))
    array([1.  , 0.75])
    """
    with np.errstate(divide="ignore"):  # log 0 = −∞ gives 1
        return -np.expm1(n * np.log(x))
