"""The schemes against scipy, closed forms, Appendix I line by line, and discrete Adam."""

from __future__ import annotations

import cmath
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from adamct.continuous import SCHEMES, solve
from adamct.continuous.equation import AdamEquation, PhasePoint
from adamct.continuous.schemes import euler
from adamct.optim import reference_state, reference_step

SETTINGS = {"lr": 1e-2, "beta": 0.99, "gamma": 0.9, "weight_decay": 0.1}


class MLP:
    """Cross-entropy of a network with one hidden layer, on a new batch at each step."""

    def __init__(self, width=6, n_batches=4):
        generator = torch.Generator().manual_seed(0)
        normal = partial(torch.randn, generator=generator, dtype=torch.float64)
        self.params = torch.cat([normal(3 * width), normal(width), normal(3 * width)]) / 2
        xs = [normal(16, 3) for _ in range(n_batches)]
        self.batches = [(x, (x + normal(16, 3)).argmax(dim=1)) for x in xs]

    def loss(self, θ, batch):
        (x, y), width = batch, len(θ) // 7
        W, b, V = θ.split([3 * width, width, 3 * width])
        hidden = torch.tanh(x @ W.view(width, 3).T + b)
        return torch.nn.functional.cross_entropy(hidden @ V.view(3, width).T, y)

    def gradient(self, θ, batch):
        θ = torch.from_numpy(θ).requires_grad_()
        return torch.autograd.grad(self.loss(θ, batch), θ)[0].numpy()


def run(problem, batches=None, **options):
    """All states of a trajectory, SETTINGS unless told otherwise."""
    batches = problem.batches if batches is None else batches
    return list(solve(problem.loss, problem.params, batches, **{**SETTINGS, **options}))


def smooth_start(problem, **options):
    """A state past t = 0, with v well away from 0, from where the solution is smooth."""
    state = run(problem, n_substeps=4, scheme="exponential", **options)[-1]
    return replace(state, v=state.v + state.v.mean() + 0.1)


def displacement_error(found, reference):
    """Mean over the steps of the error over the displacement, both in norm."""
    displacement = (reference - reference[0])[1:].norm(dim=1)
    return float(((found - reference)[1:].norm(dim=1) / displacement).mean())


def slope(errors, ns):
    """The order p in error ∝ n^{−p}, by a straight line through the logarithms."""
    return -np.polyfit(np.log(ns), np.log(errors), 1)[0]


def right_hand_side(gradient, batch, *, lr, beta, gamma, weight_decay):
    """Lemma 1 and Appendix I as a function of (t, (θ, ψ, m, v)), in numpy."""

    def f(t, y):
        θ, ψ, m, v = np.split(y, 4)
        g = gradient(θ, batch)
        bias = np.sqrt(1 - beta ** (1 + t / lr)) / (1 - gamma ** (1 + t / lr))
        u = bias * np.divide(m, np.sqrt(v), out=np.zeros_like(m), where=v > 0)
        θ_ddot = -(2 / lr) * (weight_decay * θ + ψ + u)
        m_dot = (1 - gamma) / (lr * gamma) * (g - m)
        v_dot = (1 - beta) / (lr * beta) * (g**2 - v)
        return np.concatenate([ψ, θ_ddot, m_dot, v_dot])

    return f


def scipy_states(problem, start, batches, **settings):
    """(θ, ψ, m, v) after each batch, (N, 4P), by scipy; in z = √t, where u is smooth at 0."""
    y = torch.cat([start.theta, start.psi, start.m, start.v]).numpy()
    rows = []
    for n, batch in enumerate(batches, start=start.n):
        f = right_hand_side(problem.gradient, batch, **settings)
        span = np.sqrt([n * settings["lr"], (n + 1) * settings["lr"]])
        solution = solve_ivp(
            lambda z, y, f=f: 2 * z * f(z * z, y), span, y, method="DOP853", rtol=1e-10, atol=1e-14
        )
        assert solution.success
        y = solution.y[:, -1]
        rows.append(y)
    return np.array(rows)


def rows_of(states):
    return np.array([torch.cat([s.theta, s.psi, s.m, s.v]).numpy() for s in states])


def assert_close_in_scale(found, reference, start, tolerance):
    """Each of θ − θ(start), ψ, m, v within tolerance of the reference's largest component."""
    found, reference = np.split(found, 4, axis=1), np.split(reference, 4, axis=1)
    for name, a, b in zip("θψmv", found, reference, strict=True):
        scale = np.abs(b - start.theta.numpy() if name == "θ" else b).max()
        assert np.abs(a - b).max() <= tolerance * scale, name


def test_both_schemes_agree_with_scipy():
    problem = MLP()
    start, batches = smooth_start(problem), problem.batches[:2]
    reference = scipy_states(problem, start, batches, **SETTINGS)
    exponential, coarse, fine = (
        rows_of(run(problem, batches, start=start, n_substeps=K, scheme=scheme)[1:])
        for scheme, K in (("exponential", 4), ("euler", 50), ("euler", 100))
    )
    assert_close_in_scale(exponential, reference, start, 1e-8)
    assert_close_in_scale(2 * fine - coarse, reference, start, 2e-4)
    with pytest.raises(AssertionError):  # so the line above is not met by any scheme at all
        assert_close_in_scale(fine, reference, start, 2e-4)
    for psi0 in ("rest", "sign"):  # and from time zero
        states = run(problem, batches, n_substeps=16, scheme="exponential", psi0=psi0)
        reference = scipy_states(problem, states[0], batches, **SETTINGS)
        assert_close_in_scale(rows_of(states[1:]), reference, states[0], 1e-5)


@pytest.mark.parametrize("psi0", ["rest", "sign"])
def test_euler_is_appendix_i_line_by_line(psi0):
    η, β, γ, λ = SETTINGS.values()
    K, problem = 7, MLP()
    Δt = η / K
    states = run(problem, n_substeps=K, psi0=psi0)
    θ = problem.params.numpy()
    sign = np.sign(problem.gradient(θ, problem.batches[0])) if psi0 == "sign" else 0
    ψ, m, v = -(sign + λ * θ), 0 * θ, 0 * θ
    for n, batch in enumerate(problem.batches):
        for k in range(K):
            t = n * η + k * Δt
            g = problem.gradient(θ, batch)
            u = 0 * θ
            if n + k > 0:
                u = np.sqrt(1 - β ** (1 + t / η)) / (1 - γ ** (1 + t / η)) * m / np.sqrt(v)
            ψ_dot = -(2 / η**2) * (λ * η * θ + η * ψ + η * u)
            θ, ψ = θ + Δt * ψ, ψ + Δt * ψ_dot
            decay_m = math.exp(-(1 - γ) / (η * γ) * Δt)
            decay_v = math.exp(-(1 - β) / (η * β) * Δt)
            m = decay_m * (m + Δt * (1 - γ) / (η * γ) * g)
            v = decay_v * (v + Δt * (1 - β) / (η * β) * g**2)
        row = rows_of([states[n + 1]])[0]
        np.testing.assert_allclose(row, np.concatenate([θ, ψ, m, v]), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1, 30.0, 80.0])  # 2λη on both sides of 1
def test_without_a_gradient_the_exponential_scheme_is_exact(weight_decay):
    # Appendix C, u = 0: θ(t) = a e^{−k₊t} + b e^{−k₋t}, k± = (1 ± √(1 − 2λη))/η.
    η, λ = SETTINGS["lr"], weight_decay
    root = cmath.sqrt(1 - 2 * λ * η)
    k_plus, k_minus = (1 + root) / η, (1 - root) / η
    start = run(MLP(), [], weight_decay=λ)[0]
    ψ = torch.linspace(-1, 2, len(start.theta), dtype=torch.float64)
    b = (ψ.numpy() + k_plus * start.theta.numpy()) / (k_plus - k_minus)
    a = start.theta.numpy() - b

    settings = {**SETTINGS, "weight_decay": λ, "scheme": "exponential", "n_substeps": 2}
    start = replace(start, psi=ψ)
    for state in solve(lambda θ, _: 0 * θ.sum(), start.theta, [None] * 3, start=start, **settings):
        t = state.t
        expected = (a * cmath.exp(-k_plus * t) + b * cmath.exp(-k_minus * t)).real
        np.testing.assert_allclose(state.theta.numpy(), expected, rtol=1e-12, atol=1e-13)


def order_of(scheme, Ks, batches, start_of=lambda K: None, **options):
    """The order in Δt, from the error of θ at the end with K substeps."""

    def end(scheme, K, start=None):
        of_K = {"scheme": scheme, "n_substeps": K, "start": start, **options}
        return run(MLP(), batches, **of_K)[-1].theta

    reference = end("exponential", 40)
    return slope([float((end(scheme, K, start_of(K)) - reference).norm()) for K in Ks], Ks)


@pytest.mark.parametrize(("scheme", "Ks"), [("euler", (20, 40, 80)), ("exponential", (2, 4, 8))])
def test_order_where_the_solution_is_smooth(scheme, Ks):
    # Short memories and a large step, so that the leading term of the error leads.
    options = {"lr": 0.3, "beta": 0.9, "gamma": 0.4, "weight_decay": 0.01}
    start = smooth_start(MLP(), **options)
    order = order_of(scheme, Ks, MLP().batches[:2], start=start, **options)
    assert order == pytest.approx(SCHEMES[scheme].order, abs=0.25)


@pytest.mark.parametrize("psi0", ["rest", "sign"])
@pytest.mark.parametrize(
    ("scheme", "Ks", "order"), [("euler", (20, 40, 80), 1.0), ("exponential", (1, 2, 4, 8), 3.5)]
)
def test_order_from_time_zero(scheme, Ks, order, psi0):
    # u ~ √t puts t^{5/2} into θ and so into g, whose interpolant then errs by O(Δt^{5/2}) over
    # the first substep, and m by O(Δt^{7/2}): more than 3½ is not due.
    assert order_of(scheme, Ks, MLP().batches[:1] * 2, psi0=psi0) > order - 0.3


def test_euler_drops_to_order_one_half_if_psi_starts_at_u_after_one_substep():
    # Why ψ(0) at rest takes u(0) = 0, not the first u that can be computed: that is O(√Δt).
    problem, equation = MLP(), AdamEquation(*SETTINGS.values())
    origin, batches = run(problem, [])[0], problem.batches[:1]
    g = torch.from_numpy(problem.gradient(problem.params.numpy(), batches[0]))

    def start_of(K):
        h = SETTINGS["lr"] / K
        x = euler(equation, h, lambda _: g, origin)
        return replace(origin, psi=origin.psi - equation.u(h, x.m, x.v))

    order = order_of("euler", (50, 100, 200), batches, start_of)
    assert order == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("psi0", ["rest", "sign"])
def test_exponential_is_as_good_as_the_papers_euler_for_a_30th_of_its_gradients(psi0):
    problem, costs = MLP(width=8, n_batches=3), []

    def trajectory(scheme, K):
        calls = []
        options = {"lr": 1e-3, "beta": 0.999, "scheme": scheme, "n_substeps": K, "psi0": psi0}
        states = solve(
            lambda p, batch: calls.append(p) or problem.loss(p, batch),
            problem.params, problem.batches, gamma=0.9, **options,
        )  # fmt: skip
        states = states.stack()
        assert len(calls) == 3 * K * SCHEMES[scheme].gradients + (psi0 == "sign")
        costs.append(len(calls))
        return states

    reference, euler_100, exponential = (
        trajectory(*of) for of in (("exponential", 16), ("euler", 100), ("exponential", 1))
    )
    assert displacement_error(exponential, reference) < displacement_error(euler_100, reference)
    assert costs[1] > 30 * costs[2]


def test_discrete_adam_is_approached_at_first_order_in_the_learning_rate():
    β, γ, λ = 0.9, 0.8, 0.1
    problem = MLP()
    batch, n_steps = problem.batches[0], (5, 10, 20, 40)
    θ_0 = problem.params.numpy()
    differences = []
    for N in n_steps:
        η = 0.01 / N  # short enough a time that no component of the gradient changes sign
        constants = {"lr": η, "betas": [β], "gammas": [γ], "weight_decay": λ}
        θ, state, signs = θ_0, reference_state(θ_0, k=1), []
        for _ in range(N):
            g = problem.gradient(θ, batch)
            signs.append(np.sign(g))
            θ, state, _ = reference_step(θ, g, state, **constants)
        assert (np.array(signs) == signs[0]).all()
        assert (signs[0] != 0).all()
        settings = {"lr": η, "beta": β, "gamma": γ, "weight_decay": λ}
        states = run(problem, [batch] * N, scheme="exponential", n_substeps=1, **settings)
        differences.append(np.linalg.norm(states[-1].theta.numpy() - θ))
    assert slope(differences, n_steps) == pytest.approx(1, abs=0.1)
    assert differences[-1] < 0.05 * np.linalg.norm(θ - θ_0)


def test_a_component_whose_gradient_sets_in_late_rests_until_then():
    # As the rows of an embedding do: 0/0 until the first gradient, then a √t start of its own.
    def loss(θ, weight):
        return (0.5 * (θ - 3).square() * weight).sum()

    first = torch.tensor([1.0, 0.0], dtype=torch.float64)
    both = torch.ones(2, dtype=torch.float64)
    θ0 = torch.tensor([1.0, -2.0], dtype=torch.float64)
    settings = {**SETTINGS, "weight_decay": 0.0, "scheme": "exponential"}
    batches = [first] * 3 + [both] * 3
    states = list(solve(loss, θ0, batches, n_substeps=1, **settings))
    assert all(state.theta[1] == -2 and state.u[1] == 0 for state in states[:4])
    assert states[4].theta[1] > -2
    fine = solve(loss, θ0, batches, n_substeps=8, **settings).stack()
    assert displacement_error(torch.stack([state.theta for state in states]), fine) < 1e-5


def test_u_is_the_limit_of_vanishing_v_and_never_nan():
    equation = AdamEquation(*SETTINGS.values())
    g = torch.tensor([2.0, -2.0, 0.0], dtype=torch.float64)
    assert torch.equal(equation.u(0.0, 0 * g, 0 * g), 0 * g)
    ratios = []
    for h in (1e-8, 1e-10):
        y = euler(equation, h, lambda _: g, PhasePoint(0.0, g, g, m=0 * g, v=0 * g))
        u = equation.u(h, y.m, y.v)
        assert u[2] == 0
        ratios.append(float(u[0]) / math.sqrt(h))
    assert ratios[0] == pytest.approx(ratios[1], rel=1e-5)  # u ∝ √t
