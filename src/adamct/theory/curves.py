"""Level curves of C(β, γ) and the curves normal to them, sampled uniformly in arc length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from adamct.theory.arc_length import ArcLength
from adamct.theory.domain import FloatArray, Values, decay, plain

# Maths libraries differ in the last bits. A sampled pair becomes part of a run's specification,
# hence of its name, so it is rounded here, once, to digits on which machines agree (all but
# the one value in some thousands that lies within those last bits of a tie).
DIGITS = 12


@dataclass(frozen=True)
class Curve:
    """A curve γ(β), monotone where it crosses the square (0, 1)²; of numbers or arrays.

    Attributes:
        formula: γ(β) in symbols.
        gamma: γ on the curve at β, not restricted to (0, 1).
        beta: β on the curve at γ, not restricted to (0, 1).
        slope: dγ/dβ on the curve at β.
        beta_interval: the open interval of β on which the curve lies inside the square (0, 1)².
    """

    formula: str
    gamma: Callable[[ArrayLike], Values]
    beta: Callable[[ArrayLike], Values]
    slope: Callable[[ArrayLike], Values]
    beta_interval: tuple[float, float]

    def sample(
        self, num: int, beta_start: float, beta_stop: float
    ) -> tuple[FloatArray, FloatArray]:
        """``num`` points from ``beta_start`` to ``beta_stop``, uniform in arc length.

        Both coordinates are rounded to 12 decimals, so that they are the same on every machine.

        Args:
            num: number of points ≥ 1; 1 gives the start alone.
            beta_start: β of the first point.
            beta_stop: β of the last point, smaller or larger than ``beta_start``.

        Returns:
            (beta, gamma), each of shape (num,).

        Raises:
            ValueError: num < 1, or an end leaves the square (0, 1)².

        >>> beta, gamma = normal_curve(0.999, 0.9).sample(3, 0.952, 0.999)
        >>> beta.tolist(), gamma.tolist()
        ([0.952, 0.976960972215, 0.999], [0.999133643643, 0.950260258145, 0.9])
        """
        if num < 1:
            raise ValueError(f"num = {num} points cannot be sampled; ask for at least 1")
        start = self._inside("beta_start", beta_start)
        stop = self._inside("beta_stop", beta_stop)
        arc = ArcLength(self.slope, start, stop)
        beta = np.round(arc.invert(np.linspace(0.0, arc.total, num)), DIGITS)
        # γ from the rounded β: the pair is then as close to the curve as γ's rounding allows.
        gamma: FloatArray = np.round(np.asarray(self.gamma(beta)), DIGITS)
        return beta, gamma

    def _inside(self, name: str, beta: float) -> float:
        rounded = round(float(beta), DIGITS)
        low, high = self.beta_interval
        # γ is checked too: within 1e-12 of the interval's end it may round to 1.
        if not (low < rounded < high and 0 < round(float(self.gamma(rounded)), DIGITS) < 1):
            with np.errstate(divide="ignore"):
                γ = float(self.gamma(beta))
            raise ValueError(
                f"{name} = {beta} leaves the square (0, 1)²: the curve is at γ = {γ:.6g} there; "
                f"on {self.formula} choose β inside ({low:.6g}, {high:.6g})"
            )
        return rounded


def normal_curve(beta0: float, gamma0: float) -> Curve:
    """The curve through (β₀, γ₀) perpendicular to the level curves of C.

    γ(β) = (k − 2β³)^{1/3}, k = 2β₀³ + γ₀³ (Appendix F). C increases along it with β.

    Args:
        beta0: β₀ in (0, 1) (torch's ``betas[1]``).
        gamma0: γ₀ in (0, 1) (torch's ``betas[0]``).

    Returns:
        The curve.

    Raises:
        ValueError: the point lies outside the open square.

    >>> curve = normal_curve(0.999, 0.9)
    >>> round(curve.beta(1.0), 5)
    0.95152
    """
    open_ = {"needed_by": "normal_curve", "remedy": "choose a point inside the square"}
    β0, γ0 = float(decay("beta", beta0, **open_)), float(decay("gamma", gamma0, **open_))
    k = 2 * β0**3 + γ0**3

    def gamma(beta: ArrayLike) -> Values:
        return plain(np.cbrt(k - 2 * np.asarray(beta, dtype=np.float64) ** 3))

    def beta(gamma: ArrayLike) -> Values:
        return plain(np.cbrt((k - np.asarray(gamma, dtype=np.float64) ** 3) / 2))

    def slope(beta: ArrayLike) -> Values:  # −2β²/γ² = (∂C/∂γ) / (∂C/∂β)
        β = np.asarray(beta, dtype=np.float64)
        return plain(-2 * (β / gamma(β)) ** 2)

    inside = max(0.0, beta(1.0)), min(1.0, beta(0.0))  # it falls
    return Curve(f"γ = ({k} − 2β³)^(1/3)", gamma, beta, slope, inside)


def level_curve(c: float) -> Curve:
    """The curve on which C(β, γ) = c: γ(β) = 2β / (1 + β(1 + c)).

    Args:
        c: the value of C; 0 is the boundary of B+.

    Returns:
        The curve.

    Raises:
        ValueError: c is not finite.

    >>> level_curve(0.0).gamma(0.5) == 2 / 3
    True
    """
    if not np.isfinite(c):
        raise ValueError(f"level_curve needs a finite value of C, got c = {c}")
    c = float(c)

    def gamma(beta: ArrayLike) -> Values:
        β = np.asarray(beta, dtype=np.float64)
        return plain(2 * β / (1 + β * (1 + c)))

    def beta(gamma: ArrayLike) -> Values:
        γ = np.asarray(gamma, dtype=np.float64)
        return plain(γ / (2 - γ * (1 + c)))

    def slope(beta: ArrayLike) -> Values:
        return plain(2 / (1 + np.asarray(beta, dtype=np.float64) * (1 + c)) ** 2)

    inside = 0.0, 1.0 if c >= 0 else 1 / (1 - c)  # it rises from the origin, to γ = 1 if c < 0
    return Curve(f"γ = 2β / (1 + β(1 + {c}))", gamma, beta, slope, inside)
