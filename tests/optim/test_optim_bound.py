"""D_n bounds every level for every gradient sequence; the guard undoes underflow alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adamct import KAdam
from adamct.theory import discrete_max_update_bound

# Small enough powers that squares of decayed moments stay in float64's range.
DECAYS = st.one_of(st.just(0.0), st.floats(1e-2, 0.9999))
GRADIENTS = st.lists(
    st.one_of(
        st.just(0.0), st.floats(-3, 3), st.floats(1e-30, 1e-20), st.floats(-1e20, -1e10)
    ).filter(lambda g: g == 0 or abs(g) > 1e-40),
    min_size=1,
    max_size=15,
)


def max_updates(gradients, **options):
    """‖u^{(i)}_n‖∞ of one parameter for gradients of any shape: an array of shape (steps, k)."""
    dtype = options.pop("dtype", torch.float64)
    p = torch.nn.Parameter(torch.zeros(np.shape(gradients[0]), dtype=dtype))
    optimizer = KAdam([p], lr=0.0, track_max_update=True, **options)
    rows = []
    for g in gradients:
        p.grad = torch.tensor(g, dtype=dtype)
        optimizer.step()
        rows.append(optimizer.max_update.double().numpy())
    return np.array(rows)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    gradients=GRADIENTS,
    levels=st.lists(st.tuples(DECAYS, DECAYS), min_size=1, max_size=3),
)
def test_no_gradient_sequence_breaks_the_bound(gradients, levels):
    betas, gammas = zip(*levels, strict=True)
    u = max_updates(gradients, level_betas=betas, level_gammas=gammas, guard=False)
    n = np.arange(len(gradients))
    for level, (beta, gamma) in enumerate(levels):
        bound = discrete_max_update_bound(n, beta, gamma)
        assert (u[:, level] <= bound * (1 + 1e-9)).all()


@pytest.mark.parametrize(
    ("beta", "gamma"),
    [(0.999, 0.9), (0.95, 0.99), (0.5, 0.7), (0.2, 0.5), (0.9, 0.0), (0.0, 0.0)],
)
def test_no_long_gradient_sequence_breaks_the_bound(beta, gamma):
    rng = np.random.default_rng(0)
    # Many orders of magnitude, with a drift of either sign, so that old gradients matter too.
    drift = np.outer(np.arange(120), rng.normal(0, 0.2, 2000))
    size = np.exp(4 * rng.standard_normal((120, 2000)) + drift)
    gradients = size * rng.choice([-1, 1], size.shape, p=[0.2, 0.8])
    u = max_updates(gradients, k=1, beta=beta, gamma=gamma, guard=False)[:, 0]
    assert (u <= discrete_max_update_bound(np.arange(120), beta, gamma) * (1 + 1e-12)).all()


@pytest.mark.parametrize(
    ("beta", "gamma", "n"),
    [(0.999, 0.9, 400), (0.5, 0.69, 60), (0.5, 0.9, 30), (0.95, 0.999, 200), (0.9, 0.0, 5),
     (0.25, 0.5, 40)],
)  # fmt: skip
def test_the_extremal_sequence_attains_the_bound_and_the_guard_leaves_it_alone(beta, gamma, n):
    gradients = (gamma / beta) ** np.arange(n, -1, -1)
    free, guarded = (
        max_updates(gradients, k=1, beta=beta, gamma=gamma, guard=guard) for guard in (False, True)
    )
    np.testing.assert_array_equal(free, guarded)
    bound = discrete_max_update_bound(n, beta, gamma)
    assert free[-1, 0] == pytest.approx(bound, rel=1e-10)
    if gamma > 0:
        assert bound > 1.2  # not the trivial D = 1


@pytest.mark.parametrize(
    ("gradients", "beta", "gamma"),
    [
        ([1e-20] * 20, 1 - 1e-6, 0.9),  # (1−β) g² is below float32's smallest number
        ([1e-22] * 20, 0.999, 0.9),
        # √v decays nearly as m does, but v, its square, leaves float32's range first.
        ([1.0] * 5 + [0.0] * 30, 0.01, 0.099),
    ],
)
def test_underflow_blows_up_and_the_guard_stops_it(gradients, beta, gamma):
    options = {"k": 1, "beta": beta, "gamma": gamma, "dtype": torch.float32}
    free, guarded, wide = (
        max_updates(gradients, **options, **more)[:, 0]
        for more in ({"guard": False}, {}, {"guard": False, "state_dtype": torch.float64})
    )
    bound = discrete_max_update_bound(np.arange(len(gradients)), beta, gamma)
    assert free.max() > 1e4 * bound.max()
    assert (guarded <= bound * (1 + 2e-5)).all()
    assert (wide <= bound * (1 + 2e-5)).all()  # no underflow to begin with


def test_a_bound_that_is_infinite_or_beyond_float32_is_no_clamp():
    u = max_updates([1.0, 1e-8], k=1, beta=0.0, gamma=0.5, dtype=torch.float32)
    # m = 0.25, v = g², C = 1/0.75
    assert u[1, 0] == pytest.approx(0.25 / 0.75 * 1e8, rel=1e-6)
    assert discrete_max_update_bound(300, 0.36, 0.85) > 1e39
    u = max_updates([1.0] + [0.0] * 300, k=1, beta=0.36, gamma=0.85, dtype=torch.float32)
    assert np.isfinite(u).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("eps", [0.0, 1e-60, 1e-30])
@pytest.mark.parametrize("guard", [True, False])
def test_zero_over_zero_is_zero_and_nan_stays_nan(dtype, eps, guard):
    gradients = [0.0, 0.0, 2.0, 0.0, float("nan")]
    u = max_updates(gradients, k=2, eps=eps, guard=guard, dtype=dtype)
    assert (u[:2] == 0).all()
    assert np.isfinite(u[:4]).all()
    assert (u[2] > 0).all()
    assert np.isnan(u[4]).all()


def test_eps_zero_is_exact():
    """The smallest normal number added to √v > 0 changes no bit."""
    rng = np.random.default_rng(0)
    gradients = 10.0 ** rng.uniform(-15, 15, size=30)
    for dtype in (torch.float32, torch.float64):
        u = [max_updates(gradients, k=2, eps=eps, dtype=dtype) for eps in (0.0, 1e-300)]
        np.testing.assert_array_equal(*u)
