"""One substep of Equation (4): the paper's Euler, and an exponential scheme of order 4.

A step function takes the equation, the substep Δt, the gradient g(θ) of the batch that is fixed
over the substep, and the point at t; it returns the point at t + Δt and changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from adamct.continuous.equation import AdamEquation, PhasePoint

Gradient = Callable[[Tensor], Tensor]
Step = Callable[[AdamEquation, float, Gradient, PhasePoint], PhasePoint]


@dataclass(frozen=True)
class Scheme:
    """A step function with what it claims: the tests measure the order, and count the gradients.

    Attributes:
        step: the substep.
        order: p of the global error O(Δt^p), where the solution is smooth.
        gradients: gradients a substep costs.

    """

    step: Step
    order: int
    gradients: int


def euler(equation: AdamEquation, h: float, gradient: Gradient, x: PhasePoint) -> PhasePoint:
    """Euler's method, as in Appendix I.

    θ(t+Δt) = θ(t) + Δt ψ(t),   ψ(t+Δt) = ψ(t) + Δt ψ̇(t),
    m(t+Δt) = e^{−aΔt} [m(t) + aΔt g(t)], and v likewise with g².
    """
    g = gradient(x.theta)
    u = equation.u(x.t, x.m, x.v)
    a, b = equation.rate_m, equation.rate_v
    return PhasePoint(
        t=x.t + h,
        theta=x.theta + h * x.psi,
        psi=x.psi + h * equation.psi_dot(x.theta, x.psi, u),
        m=math.exp(-a * h) * (x.m + a * h * g),
        v=math.exp(-b * h) * (x.v + b * h * g.square()),
    )


# Radau I: the nodes in [0, 1], 0 among them, whose quadrature is exact to degree 4. The node at
# 0 needs no prediction, and the next two are predicted from the gradients before them: θ feels
# an error of g only after three integrations, so a prediction with j gradients errs by O(Δt^{j+3}).
NODES = (0.0, (6 - math.sqrt(6)) / 10, (6 + math.sqrt(6)) / 10)


def exponential(equation: AdamEquation, h: float, gradient: Gradient, x: PhasePoint) -> PhasePoint:
    """All that is linear in Equation (4) exactly, for a gradient interpolated at three nodes.

    g(τ) is the polynomial through the gradients at the nodes. Given it, m and v are known
    integrals (2), u follows from (3), and θ, ψ by variation of constants. Three gradients a
    substep; of order 4 where the solution is smooth.
    """
    gradients = [gradient(x.theta)]
    for node in NODES[1:]:
        θ, _ = _theta_psi(equation, h, x, node, torch.stack(gradients))
        gradients.append(gradient(θ))
    G = torch.stack(gradients)
    θ, ψ = _theta_psi(equation, h, x, 1.0, G)
    m, v = _averages(equation, h, x, 1.0, G)
    return PhasePoint(t=x.t + h, theta=θ, psi=ψ, m=m, v=v)


SCHEMES = {
    "euler": Scheme(euler, order=1, gradients=1),
    "exponential": Scheme(exponential, order=4, gradients=3),
}


def _theta_psi(
    equation: AdamEquation, h: float, x: PhasePoint, c: float, G: Tensor
) -> tuple[Tensor, Tensor]:
    """θ and ψ at t + cΔt for the gradients G (j, P) at the first j nodes.

    With A = [[0, 1], [−2λ/η, −2/η]], variation of constants reads
    (θ, ψ)(t+τ) = e^{Aτ} (θ, ψ)(t) − (2/η) ∫₀^τ e^{A(τ−s)} (0, 1) u(t+s) ds.
    """
    E = _propagator(equation, c * h)
    θ = E[0, 0] * x.theta + E[0, 1] * x.psi
    ψ = E[1, 0] * x.theta + E[1, 1] * x.psi
    for s, weight in _quadrature(c):
        u = equation.u(x.t + s * h, *_averages(equation, h, x, s, G))
        push = -2 / equation.η * weight * h * _propagator(equation, (c - s) * h)[:, 1]
        θ.add_(u, alpha=push[0])
        ψ.add_(u, alpha=push[1])
    return θ, ψ


def _averages(
    equation: AdamEquation, h: float, x: PhasePoint, c: float, G: Tensor
) -> tuple[Tensor, Tensor]:
    """Averages m and v at t + cΔt, Equation (2), for g(τ) = Σ_i ℓ_i(τ) G_i."""
    a, b = equation.rate_m * h, equation.rate_v * h
    first, _ = _moments(a, c, len(G))
    _, second = _moments(b, c, len(G))
    m = math.exp(-a * c) * x.m + G.new_tensor(first) @ G
    v = math.exp(-b * c) * x.v + (G.new_tensor(second) @ G).mul_(G).sum(dim=0)
    return m, v


@lru_cache(maxsize=256)
def _moments(rate: float, c: float, n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """∫₀^c K(s) ℓ_i(s) ds and ∫₀^c K(s) ℓ_i(s) ℓ_j(s) ds, K(s) = rate · e^{−rate (c − s)}.

    Times in units of Δt; ℓ_i are the Lagrange polynomials of the first n_nodes nodes. Beyond 40
    memories K is below e^{−40}: cut there, 24 Gauss points are exact to rounding at any rate.
    """
    s, weight = _gauss(24, max(0.0, c - 40 / rate), c)
    K = weight * rate * np.exp(-rate * (c - s))
    powers = np.vander(NODES[:n_nodes], increasing=True)
    basis = np.linalg.solve(powers.T, np.vander(s, n_nodes, increasing=True).T)
    return basis @ K, (basis * K) @ basis.T


@lru_cache(maxsize=16)
def _quadrature(c: float) -> tuple[tuple[float, float], ...]:
    """Five nodes and weights for ∫₀^c f(s) ds, f smooth in √s.

    Gauss points in z with s = z²: u starts like √s, at t = 0 and wherever a component's gradient
    sets in or outgrows what v remembers.
    """
    z, weight = _gauss(5, 0.0, math.sqrt(c))
    return tuple(zip((z * z).tolist(), (2 * z * weight).tolist(), strict=True))


@lru_cache(maxsize=256)
def _propagator(equation: AdamEquation, τ: float) -> np.ndarray:
    """e^{Aτ}, the solution of Equation (4) with u = 0 for (θ, ψ), (2, 2)."""
    η, λ = equation.η, equation.λ
    A = torch.tensor([[0, 1], [-2 * λ / η, -2 / η]], dtype=torch.float64, device="cpu")
    return torch.linalg.matrix_exp(A * τ).numpy()


def _gauss(n: int, start: float, stop: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the n-point Gauss–Legendre rule on [start, stop]."""
    x, weight = np.polynomial.legendre.leggauss(n)
    half = (stop - start) / 2
    return start + half * (x + 1), half * weight
