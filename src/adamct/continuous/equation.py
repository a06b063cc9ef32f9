"""Equation (4), the continuous-time form of AdamW, at timescale p = 1.

    λθ + θ̇ + ½ηθ̈ = −u(t)                                                              (4)

    u(t) = √(1 − β^{1+t/η}) / (1 − γ^{1+t/η}) · m(t) / √v(t)                           (3)

    m(t) = ∫₀ᵗ K_γ(τ, t) g(τ) dτ,   v(t) = ∫₀ᵗ K_β(τ, t) g(τ)² dτ                      (2)

    K_α(τ, t) = a e^{−a(t−τ)},      a = (1 − α)/(ηα)

Lemma 1 holds for any timescale η^p, Equation (4) only for p = 1 (Proposition 2), so p = 1
throughout: step n of the optimizer is t_n = nη. Every vector is flat, of length P.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from adamct.theory.domain import decay


@dataclass(frozen=True)
class PhasePoint:
    """Where the solution is: all that Equation (4) needs in order to go on.

    Attributes:
        t: time; step n is t = nη.
        theta: θ(t), the parameters, (P,).
        psi: ψ(t) = θ̇(t), (P,).
        m: m(t), the average of the gradient, (P,).
        v: v(t), the average of its square, (P,).

    """

    t: float
    theta: Tensor
    psi: Tensor
    m: Tensor
    v: Tensor


@dataclass(frozen=True)
class AdamEquation:
    """Equation (4) with its constants η, β, γ, λ (lr, beta, gamma, weight_decay).

    Raises:
        TypeError, ValueError: a constant that cannot work.
    """

    η: float
    β: float
    γ: float
    λ: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.η) and self.η > 0):
            raise ValueError(f"lr is {self.η}; expected a finite number above 0")
        for name, value in (("beta", self.β), ("gamma", self.γ)):
            decay(name, value, needed_by="Lemma 1", remedy="take both from inside (0, 1)")
        if not (math.isfinite(self.λ) and self.λ >= 0):
            raise ValueError(f"weight_decay is {self.λ}; expected a finite number, 0 or above")

    @property
    def rate_m(self) -> float:
        """Rate a = (1 − γ)/(ηγ) at which m forgets; Lemma 1."""
        return (1 - self.γ) / (self.η * self.γ)

    @property
    def rate_v(self) -> float:
        """Rate (1 − β)/(ηβ) at which v forgets; Lemma 1."""
        return (1 - self.β) / (self.η * self.β)

    def u(self, t: float, m: Tensor, v: Tensor) -> Tensor:
        """Update direction of Equation (3); 0 where v = 0.

        As the gradient of a component sets in, m grows like t and √v like √t, so u starts at 0
        like √t: the value at v = 0 is that limit, and it also settles the 0/0 of a component
        that has had no gradient yet.
        """
        bias = math.sqrt(1 - self.β ** (1 + t / self.η)) / (1 - self.γ ** (1 + t / self.η))
        return bias * m * torch.where(v > 0, v.rsqrt(), 0.0)

    def psi_dot(self, θ: Tensor, ψ: Tensor, u: Tensor) -> Tensor:
        """ψ̇ = −(2/η²)(ληθ + ηψ + ηu), Appendix I."""
        return -(2 / self.η**2) * (self.λ * self.η * θ + self.η * ψ + self.η * u)

    def psi_at_rest(self, θ: Tensor) -> Tensor:
        """ψ(0) = −λθ(0): Equation (4) without θ̈, since u(0) = 0."""
        return -self.λ * θ

    def psi_of_first_update(self, θ: Tensor, g: Tensor) -> Tensor:
        """ψ(0) = −(sign g(0) + λθ(0)): discrete Adam's first update, u_0 = sign g_0."""
        return -(g.sign() + self.λ * θ)
