"""Bias correction: what the averages m_n and v_n lack while they are young."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from adamct.theory.domain import FloatArray, Values, decay, plain, whole_steps


def bias_correction(n: ArrayLike, beta: ArrayLike, gamma: ArrayLike) -> Values:
    """√(1−β^{n+1}) / (1−γ^{n+1}), the factor of m_n / √v_n in Adam's update u_n.

    Args:
        n: step index, whole numbers ≥ 0; the three arguments broadcast.
        beta: second-moment decay (torch's ``betas[1]``) in [0, 1).
        gamma: first-moment decay (torch's ``betas[0]``) in [0, 1).

    Returns:
        The factor, dimensionless, without cancellation near β = 1 or γ = 1.

    Raises:
        ValueError: a decay lies outside [0, 1), or n is not a whole number ≥ 0.

    >>> round(bias_correction(0, 0.999, 0.9), 6)
    0.316228
    >>> bias_correction([0, 10**6], 0.75, 0.5)
    array([1., 1.])
    """
    n_, β, γ = whole_steps(n), decay("beta", beta), decay("gamma", gamma)
    return plain(np.asarray(np.sqrt(one_minus_power(β, n_ + 1)) / one_minus_power(γ, n_ + 1)))


def one_minus_power(x: FloatArray, n: FloatArray) -> FloatArray:
    """1 − xⁿ for 0 ≤ x < 1 and n ≥ 1, without the cancellation near x = 1.

    >>> one_minus_power(np.array([0.0, 0.5]), np.array([2.0, 2.0]))
    array([1.  , 0.75])
    """
    with np.errstate(divide="ignore"):  # log 0 = −∞ gives 1
        return -np.expm1(n * np.log(x))
