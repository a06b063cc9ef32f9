"""KAdam against Algorithm 1 in float64: parameters, state and the updates of every level."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adamct import KAdam
from adamct.optim import (
    STRATEGIES,
    level_decays,
    reference_state,
    reference_step,
    strategy_hyperparameters,
)
from adamct.optim.update import level_scalars

SHAPES = [(3, 4), (6,), (2, 2, 3)]
DECAYS = st.one_of(st.just(0.0), st.floats(0.01, 0.99), st.just(1 - 1e-10))


def start(dtype=torch.float64):
    rng = np.random.default_rng(0)
    return [torch.from_numpy(rng.normal(size=shape)).to(dtype) for shape in SHAPES]


def gradients(n_steps, seed=1):
    """Gradients of changing size, among them exact zeros."""
    rng = np.random.default_rng(seed)
    for _ in range(n_steps):
        scale = 10.0 ** rng.uniform(-2, 2)
        yield [
            torch.from_numpy(scale * rng.normal(size=s) * (rng.uniform(size=s) < 0.9))
            for s in SHAPES
        ]


def run_reference(params, all_gradients, betas, gammas, **options):
    """Parameters, states and the list of level updates after the given gradients."""
    thetas, states = list(params), [reference_state(p, len(betas)) for p in params]
    updates = [None] * len(params)
    for step in all_gradients:
        for i, g in enumerate(step):
            thetas[i], states[i], updates[i] = reference_step(
                thetas[i], g, states[i], betas=betas, gammas=gammas, **options
            )
    return thetas, states, updates


def run_kadam(params, all_gradients, **options):
    params = [torch.nn.Parameter(p.clone()) for p in params]
    optimizer = KAdam(params, track_max_update=True, **options)
    for step in all_gradients:
        for p, g in zip(params, step, strict=True):
            p.grad = g.to(p.dtype, copy=True)
        optimizer.step()
        for p, g in zip(params, step, strict=True):
            assert torch.equal(p.grad, g.to(p.dtype))  # left as it was
    return params, optimizer


def moments(state):
    """m_1…m_k, v_1…v_k of a parameter's state."""
    return [state[name] for name in sorted(state) if name != "step"]


def assert_equal(optimizer, params, reference, rtol=1e-10):
    thetas, states, updates = reference
    for p, theta, state in zip(params, thetas, states, strict=True):
        torch.testing.assert_close(p.detach(), theta, rtol=rtol, atol=1e-12)
        mine = optimizer.state[p]
        assert mine["step"] == state.n
        for of_mine, of_reference in zip(moments(mine), [*state.m, *state.v], strict=True):
            scale = of_reference.abs().max().item()
            torch.testing.assert_close(of_mine, of_reference, rtol=rtol, atol=rtol * scale)
    for p, levels in zip(params, updates, strict=True):
        torch.testing.assert_close(optimizer.update_of(p), levels[-1], rtol=rtol, atol=1e-300)
    by_level = zip(*updates, strict=True)
    expected = torch.stack([max(u.abs().max() for u in level) for level in by_level])
    torch.testing.assert_close(optimizer.max_update, expected, rtol=rtol, atol=0)


@pytest.mark.parametrize(
    "options",
    [
        *(
            {"strategy": strategy, "k": k, "beta": 0.99, "gamma": 0.8, **decay}
            for strategy in STRATEGIES
            for k in (2, 3, 4, 5)
            for decay in ({"weight_decay": 0.1}, {"weight_decay": 0.1, "decoupled": False})
        ),
        {"level_betas": (0.999, 0.0, 0.5), "level_gammas": (0.9, 0.0, 0.3)},
        {"level_betas": (0.9, 0.99), "level_gammas": (0.0, 0.9), "k": 7},
        {"level_betas": (0.5,), "level_gammas": (0.9,)},  # unstable: γ² > β
        {"level_betas": (0.0, 0.3), "level_gammas": (0.6, 0.0)},  # D_n is infinite at level 1
        {"strategy": "naive", "eps": 0.1},  # stands before the bias correction
    ],
)
def test_parameters_state_and_updates_are_those_of_algorithm_1(options):
    steps = list(gradients(30))
    params, optimizer = run_kadam(start(), steps, lr=0.02, **options)
    (group,) = optimizer.param_groups
    reference = run_reference(
        start(), steps, *level_decays(group), lr=0.02, weight_decay=group["weight_decay"],
        coupled=not group["decoupled"], eps=group["eps"],
    )  # fmt: skip
    assert_equal(optimizer, params, reference)


@settings(max_examples=50, derandomize=True, deadline=None)
@given(st.integers(0, 100), DECAYS, DECAYS)
def test_bias_correction_against_rational_arithmetic(n, beta, gamma):
    square = (1 - Fraction(beta) ** (n + 1)) / (1 - Fraction(gamma) ** (n + 1)) ** 2
    scalars = level_scalars(n, beta, gamma, largest=0.0)
    assert scalars.correction == pytest.approx(math.sqrt(square), rel=1e-13)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_float32_follows_float64(k):
    steps = list(gradients(100))
    betas, gammas = strategy_hyperparameters("inverse_exp", k, 0.999, 0.9)
    thetas, _, _ = run_reference(start(), steps, betas, gammas, lr=0.01)
    params, optimizer = run_kadam(start(torch.float32), steps, lr=0.01, k=k)
    assert all(t.dtype == torch.float32 for s in optimizer.state.values() for t in moments(s))
    for p, theta, theta_0 in zip(params, thetas, start(), strict=True):
        moved = (theta - theta_0).abs().max()
        assert (p.detach().double() - theta).abs().max() < 2e-6 * moved + 1e-6


def test_float64_state_of_float32_parameters_is_the_reference_state():
    steps = [[g.float() for g in step] for step in gradients(30)]
    betas, gammas = strategy_hyperparameters("inverse_exp", 2, 0.999, 0.9)
    wide = [[g.double() for g in step] for step in steps]
    _, states, _ = run_reference(start(), wide, betas, gammas, lr=0.01)
    params, optimizer = run_kadam(start(torch.float32), steps, lr=0.01, state_dtype=torch.float64)
    for p, state in zip(params, states, strict=True):
        for mine, theirs in zip(moments(optimizer.state[p])[2:], state.v, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=0)


def test_each_parameter_counts_its_own_steps():
    steps = list(gradients(12))
    early, late = (torch.nn.Parameter(p) for p in start()[:2])
    optimizer = KAdam([early, late], lr=0.1)
    for n, (g_early, g_late, _) in enumerate(steps):
        early.grad = g_early
        late.grad = g_late if n >= 5 else None
        optimizer.step()
    assert (optimizer.state[early]["step"], optimizer.state[late]["step"]) == (12, 7)
    betas, gammas = strategy_hyperparameters("inverse_exp", 2, 0.999, 0.9)
    thetas, _, _ = run_reference(
        start()[1:2], [step[1:2] for step in steps[5:]], betas, gammas, lr=0.1
    )
    torch.testing.assert_close(late.detach(), thetas[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("coupled", [False, True])
def test_tensor_mean_is_a_hand_loop_without_a_guard(coupled):
    """Assumption 2: every entry's second moment is the mean over the last two dimensions."""
    means = {(2, 3, 4): (1, 2), (2, 2, 3, 4): (2, 3), (3, 4): (0, 1), (5,): (0,), (): ()}
    rng = np.random.default_rng(2)
    thetas = [np.array(rng.normal(size=shape)) for shape in means]
    params = [torch.nn.Parameter(torch.from_numpy(theta.copy())) for theta in thetas]
    optimizer = KAdam(
        [{"params": params, "second_moment": "tensor_mean"}], lr=0.1, weight_decay=0.1,
        level_betas=(0.9, 0.8), level_gammas=(0.7, 0.6), decoupled=not coupled,
        track_max_update=True,
    )  # fmt: skip
    m, v = ([[0.0, 0.0] for _ in means] for _ in range(2))
    for n in range(10):
        largest = [0.0, 0.0]
        for i, (shape, axes) in enumerate(means.items()):
            g = np.array(rng.normal(size=shape))
            params[i].grad = torch.from_numpy(g)
            u = g + 0.1 * thetas[i] if coupled else g
            for level, (β, γ) in enumerate([(0.9, 0.7), (0.8, 0.6)]):
                m[i][level] = γ * m[i][level] + (1 - γ) * u
                v[i][level] = β * v[i][level] + (1 - β) * np.mean(u**2, axis=axes, keepdims=True)
                C = np.sqrt(1 - β ** (n + 1)) / (1 - γ ** (n + 1))
                u = C * m[i][level] / np.sqrt(v[i][level])
                largest[level] = max(largest[level], np.abs(u).max())
            thetas[i] = thetas[i] - 0.1 * (u if coupled else u + 0.1 * thetas[i])
        optimizer.step()
        np.testing.assert_allclose(optimizer.max_update.numpy(), largest, rtol=1e-12)
        assert n > 0 or largest[0] > 2  # where D_0 = 1
    for p, theta, of_p in zip(params, thetas, v, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), theta, rtol=1e-11)
        assert [v_i.shape for v_i in moments(optimizer.state[p])[2:]] == [v_i.shape for v_i in of_p]


def test_max_update_covers_groups_of_unlike_k():
    levels = [((0.999,), (0.9,)), ((0.999,) * 3, (0.9,) * 3), ((0.9, 0.8), (0.5, 0.0))]
    params, steps = [torch.nn.Parameter(p) for p in start()], list(gradients(6))
    groups = [
        {"params": [p], "level_betas": betas, "level_gammas": gammas}
        for p, (betas, gammas) in zip(params, levels, strict=True)
    ]
    optimizer = KAdam(groups, lr=0.05, weight_decay=0.5, track_max_update=True)
    assert optimizer.max_update is None
    handed_out = []
    for n, step in enumerate(steps):
        for p, g in zip(params, step, strict=True):
            p.grad = g
        optimizer.step()
        largest = torch.zeros(3, dtype=torch.float64)
        for i, (betas, gammas) in enumerate(levels):
            so_far = [step[i : i + 1] for step in steps[: n + 1]]
            _, _, (updates,) = run_reference(
                start()[i : i + 1], so_far, betas, gammas, lr=0.05, weight_decay=0.5
            )
            for level, u in enumerate(updates):
                largest[level] = max(largest[level], u.abs().max())
        handed_out.append((optimizer.max_update, largest))
    for found, expected in handed_out:  # what was handed out has not changed
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=0)
