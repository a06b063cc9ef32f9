"""Arc length of a graph γ(β) and its inverse, to rounding, by adaptive Gauss–Legendre panels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from adamct.theory.domain import FloatArray, Values

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)
_EPS = float(np.finfo(np.float64).eps)
_RELATIVE_TOLERANCE = 1e-14
_NARROWEST = 1e-12  # panels below the rounding of sampled points are not split further


class ArcLength:
    """s(β) = ∫_start^β √(1 + γ'²) |dβ| from ``start`` to ``stop``, in either direction.

    Panels are halved until 20 nodes on the whole agree with 20 on each half, so that one rule
    suffices from any panel's edge to any point inside it.

    Args:
        slope: γ'(β), vectorised and finite on the closed interval.
        start: β where s = 0.
        stop: β where s = ``total``.

    >>> arc = ArcLength(lambda beta: 0 * beta + 0.75, 0.2, 0.6)
    >>> round(arc.total, 12), arc.invert(np.array([0.0, 0.25, 0.5])).round(12)
    (0.5, array([0.2, 0.4, 0.6]))
    """

    def __init__(self, slope: Callable[[FloatArray], Values], start: float, stop: float) -> None:
        self._slope = slope
        self._edges = np.array([start, *self._split(start, stop)])
        lengths = self._integral(self._edges[:-1], self._edges[1:])
        self._s = np.concatenate([[0.0], np.cumsum(lengths)])

    @property
    def total(self) -> float:
        """The whole length."""
        return float(self._s[-1])

    def invert(self, s: FloatArray) -> FloatArray:
        """The β at which the length from the start is s, for 0 ≤ s ≤ ``total``, shape (points,)."""
        panel = np.clip(np.searchsorted(self._s, s, side="right") - 1, 0, self._edges.size - 2)
        left, right = self._edges[panel], self._edges[panel + 1]
        direction = np.sign(right - left)
        β = np.interp(s, self._s, self._edges)
        # Newton's method; s(β) is smooth at the scale of a panel, so a few steps reach rounding.
        for _ in range(30):
            excess = self._s[panel] + self._integral(left, β) - s
            step = direction * excess / self._speed(β)
            β = np.clip(β - step, np.minimum(left, right), np.maximum(left, right))
            if np.all(np.abs(step) <= 1e-15):
                break
        return β

    def _speed(self, β: FloatArray) -> FloatArray:
        return np.hypot(1.0, self._slope(β))

    def _integral(self, a: FloatArray, b: FloatArray) -> FloatArray:
        half = 0.5 * (b - a)
        nodes = (0.5 * (a + b))[..., None] + half[..., None] * _NODES
        return np.abs(half) * np.sum(_WEIGHTS * self._speed(nodes), axis=-1)

    def _split(self, a: float, b: float) -> list[float]:
        """Right edges of the panels between a and b, in order."""
        middle = 0.5 * (a + b)
        whole, first, second = self._integral(np.array([a, a, middle]), np.array([b, middle, b]))
        # Where the curve turns vertical, rounding β by an ulp moves the integral by this much.
        rounding = 4 * _EPS * np.abs(np.diff(self._speed(np.array([a, b]))))[0]
        resolved = abs(whole - first - second) <= _RELATIVE_TOLERANCE * whole + rounding
        if resolved or abs(b - a) < _NARROWEST:
            return [b]
        return self._split(a, middle) + self._split(middle, b)
