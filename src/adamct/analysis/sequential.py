"""Looking several times at growing data: which level each look may spend."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import optimize, stats

NODES, WEIGHTS = np.polynomial.legendre.leggauss(96)


@lru_cache
def obrien_fleming(fractions: tuple[float, ...], alpha: float = 0.05) -> tuple[float, ...]:
    """Return the nominal two-sided levels of O'Brien and Fleming's boundaries (1979).

    The sum of the data up to a fraction t of them is a Brownian motion B(t); a look rejects where
    |B(t)| ≥ c, that is |z| ≥ c/√t, with c such that under the null hypothesis some look rejects
    with probability α. The density of B on (−c, c) is carried from look to look by quadrature.

    Args:
        fractions: of the data at each look, increasing to 1.
        alpha: the level of all looks together.

    Raises:
        ValueError: if the fractions do not increase to 1.

    >>> [f"{level:.4f}" for level in obrien_fleming((1 / 3, 2 / 3, 1.0))]
    ['0.0005', '0.0141', '0.0451']
    """
    t = np.array(fractions)
    if t[-1] != 1 or np.any(np.diff(t, prepend=0.0) <= 0):
        raise ValueError(f"fractions = {fractions}, expected numbers that increase from 0 to 1")

    def staying(c: float) -> float:
        x, w = c * NODES, c * WEIGHTS
        density = stats.norm.pdf(x, scale=np.sqrt(t[0]))
        for step in np.diff(t):
            density = stats.norm.pdf(x[:, None] - x, scale=np.sqrt(step)) @ (w * density)
        return float(w @ density)

    c = optimize.brentq(lambda c: staying(c) - (1 - alpha), stats.norm.isf(alpha / 2) - 0.1, 9)
    return tuple(float(level) for level in 2 * stats.norm.sf(c / np.sqrt(t)))
