"""What each law says of ‖W‖² for the updates that a run has taken, beside what the run measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from adamct.theory.domain import FloatArray
from adamct.theory.norm_growth import (
    exact_squared_norm,
    memory_factor,
    squared_norm_growth,
    update_scale,
)


@dataclass(frozen=True)
class NormLaws:
    """‖W_0‖² … ‖W_N‖² of several weights, each array of shape (N + 1, weights).

    Attributes:
        measured: by the run.
        decayed: ‖W_0‖² e^{−2λt}, what would be left without updates.
        printed: by Eq. (8), as Theorem 2 has it.
        corrected: with the stationary factor (1+γ)/(1−γ) before its integral.
        early: with 1 + 2ℓ_n in its place, the factor of constant gradients.
        recursion: by the exact recursion, an identity for a scalar second moment.
    """

    measured: FloatArray
    decayed: FloatArray
    printed: FloatArray
    corrected: FloatArray
    early: FloatArray
    recursion: FloatArray

    def ratio(self, law: str) -> FloatArray:
        """Measured growth over a law's, for n = 1 … N, (N, weights).

        Growth is ‖W_n‖² less what is left of ‖W_0‖².
        """
        return (self.measured - self.decayed)[1:] / (getattr(self, law) - self.decayed)[1:]

    def recursion_error(self) -> FloatArray:
        """Error of the recursion over the measured growth, for n = 1 … N, (N, weights)."""
        growth = self.measured - self.decayed
        return np.abs(self.recursion - self.measured)[1:] / np.abs(growth[1:])


def norm_laws(
    squared_norms: ArrayLike,
    squared_updates: ArrayLike,
    mean_second_moments: ArrayLike,
    *,
    lr: float,
    beta: float,
    gamma: float,
    weight_decay: float = 0.0,
) -> NormLaws:
    """Evaluate every law of ``norm_growth`` on what a run has measured.

    Args:
        squared_norms: ‖W_0‖² … ‖W_N‖², (N + 1, weights).
        squared_updates: ‖u_0‖² … ‖u_{N−1}‖², (N, weights), without decay.
        mean_second_moments: v̄_0 … v̄_{N−1}, (N, weights), before bias correction.
        lr: η.
        beta: second-moment decay (torch's ``betas[1]``).
        gamma: first-moment decay (torch's ``betas[0]``).
        weight_decay: λ, multiplied by η as in AdamW.

    Returns:
        Measured and predicted norms.

    Raises:
        ValueError: shapes that do not fit, or a decay outside [0, 1).

    >>> laws = norm_laws([[1.0], [1.25]], [[1.0]], [[0.5]], lr=0.5, beta=0.5, gamma=0.0)
    >>> laws.ratio("printed").item()
    1.0
    """
    φ, u2 = np.asarray(squared_norms, float), np.asarray(squared_updates, float)
    n = np.arange(len(u2))

    def eq8(updates: FloatArray, factor: ArrayLike = 1.0) -> FloatArray:
        return squared_norm_growth(φ[0], updates, lr=lr, weight_decay=weight_decay, factor=factor)

    scales = update_scale(n[:, None], beta, gamma, mean_second_moments)
    return NormLaws(
        measured=φ,
        decayed=eq8(0 * u2),
        printed=eq8(u2),
        corrected=eq8(u2, memory_factor(gamma)),
        early=eq8(u2, memory_factor(gamma, n)),
        recursion=exact_squared_norm(
            φ[0], u2, scales, lr=lr, gamma=gamma, weight_decay=weight_decay
        ),
    )
