"""The norm laws against Adam on a scale-invariant loss, in float64."""

import numpy as np
import pytest

from adamct.theory import (
    exact_squared_norm,
    mean_age,
    memory_factor,
    squared_norm_growth,
    update_scale,
)

pytestmark = pytest.mark.filterwarnings("error")


def train(*, gamma, weight_decay=0.0, lr, beta=0.99, size=24, noise=0.1):
    """‖W_n‖², ‖u_n‖² and c_n of Adam with a scalar second moment on L(W) = f(W/‖W‖).

    f(x) = ½ xᵀAx + (b + noise)ᵀx.
    """
    rng = np.random.default_rng(1)
    A, b = rng.standard_normal((size, size)) / size, rng.standard_normal(size)
    A = A + A.T
    W, m, v = rng.standard_normal(size), np.zeros(size), 0.0
    norms, updates, scales = [W @ W], [], []
    for n, η in enumerate(lr):
        x = W / np.linalg.norm(W)
        df = A @ x + b + noise * rng.standard_normal(size)
        g = (df - (df @ x) * x) / np.linalg.norm(W)  # the chain rule through W/‖W‖
        m = gamma * m + (1 - gamma) * g
        v = beta * v + (1 - beta) * np.mean(g**2)
        c = update_scale(n, beta, gamma, v)
        W = (1 - η * weight_decay) * W - η * c * m
        norms.append(W @ W)
        updates.append(c**2 * (m @ m))
        scales.append(c)
    return np.array(norms), np.array(updates), np.array(scales)


LR = np.full(300, 3e-2)
WARMUP = LR * np.minimum(np.arange(1, 301) / 100, 1)


@pytest.mark.parametrize("lr", [LR, WARMUP], ids=["constant", "warm-up"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.9])
def test_exact_recursion_is_an_identity(gamma, weight_decay, lr):
    true, u2, c = train(gamma=gamma, weight_decay=weight_decay, lr=lr)
    got = exact_squared_norm(true[0], u2, c, lr=lr, gamma=gamma, weight_decay=weight_decay)
    assert got == pytest.approx(true, rel=1e-12)
    assert abs(true[-1] - true[0]) > 0.02 * true[0]  # the norm has moved


def test_eq_8_is_exact_without_momentum_and_decay():
    true, u2, _ = train(gamma=0.0, lr=LR)
    assert squared_norm_growth(true[0], u2, lr=LR) == pytest.approx(true, rel=1e-12)


def test_eq_8_misses_decay_by_its_second_order():
    errors = []
    for η in (1e-2, 5e-3):
        true, u2, _ = train(gamma=0.0, weight_decay=0.3, lr=np.full(round(3 / η), η))
        predicted = squared_norm_growth(true[0], u2, lr=η, weight_decay=0.3)
        errors.append(abs(predicted[-1] / true[-1] - 1))
    assert errors[0] < 5e-3
    assert errors[1] == pytest.approx(errors[0] / 2, rel=0.1)


def test_eq_8_against_its_integral():
    u2, λ, η, n = np.random.default_rng(0).uniform(1, 2, 40), 0.5, 0.1, np.arange(41)
    j = np.arange(40)
    weights = np.exp(-2 * λ * η * (n[:, None] - j)) * (j < n[:, None])
    expected = 3.0 * np.exp(-2 * λ * η * n) + η * (η * weights @ u2)
    assert squared_norm_growth(3.0, u2, lr=η, weight_decay=λ) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("gamma", [0.5, 0.9])
def test_correction_accounts_for_the_memory_of_momentum(gamma):
    # Gradients of many dimensions and pure noise: stationary, and W turns slowly.
    η = 1e-3
    true, u2, _ = train(gamma=gamma, lr=np.full(1000, η), beta=0.999, size=400, noise=10.0)
    growth = true[-1] - true[0]

    def predicted(factor):
        return squared_norm_growth(true[0], u2, lr=η, factor=factor)[-1] - true[0]

    corrected = predicted(memory_factor(gamma))
    assert growth / predicted(1.0) == pytest.approx((1 + gamma) / (1 - gamma), rel=0.05)
    assert growth / corrected == pytest.approx(1, rel=0.05)
    assert corrected * 0.95 < predicted(memory_factor(gamma, n=np.arange(1000))) < corrected


def test_memory_factor_and_mean_age_against_their_definition():
    for gamma in (0.1, 0.5, 0.9, 0.999):
        for n in (0, 1, 10, 300):
            ages = np.arange(n + 1)
            expected = np.average(ages, weights=gamma**ages)
            assert mean_age(n, gamma) == pytest.approx(expected, rel=1e-10)
    assert mean_age([0, 5], 0.0).tolist() == [0, 0]
    assert memory_factor([0.0, 0.5]).tolist() == [1, 3]
    assert memory_factor(0.9, n=10**6) == pytest.approx(memory_factor(0.9), rel=1e-12)


@pytest.mark.parametrize(("beta", "gamma"), [(0.999, 0.9), (0.9, 0.0), (0.0, 0.0)])
def test_update_scale_undoes_both_bias_corrections(beta, gamma):
    g, m, v = 3.0, 0.0, 0.0
    for n in range(20):
        m, v = gamma * m + (1 - gamma) * g, beta * v + (1 - beta) * g**2
        assert update_scale(n, beta, gamma, v) * m == pytest.approx(1, rel=1e-11)


def test_several_weights_go_side_by_side():
    runs = [train(gamma=0.9, lr=LR, noise=noise) for noise in (0.1, 1.0)]
    true, u2, c = (np.stack(parts, axis=1) for parts in zip(*runs, strict=True))
    assert exact_squared_norm(true[0], u2, c, lr=LR, gamma=0.9) == pytest.approx(true, rel=1e-12)
    eq_8 = squared_norm_growth(true[0], u2, lr=LR)
    assert eq_8[:, 1].tolist() == squared_norm_growth(true[0, 1], u2[:, 1], lr=LR).tolist()
