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
    """‖u^{(i)}_n‖∞ of a single parameter: an array of shape (steps, k)."""
    dtype = options.pop("dtype", torch.float64)
    p = torch.nn.Parameter(torch.zeros(1, dtype=dtype))
    optimizer = KAdam([p], lr=0.0, track_max_update=True, **options)
    rows = []
    for g in gradients:
        p.grad = torch.tensor([g], dtype=dtype)
        optimizer.step()
        rows.append(optimizer.max_update.double().numpy())
    return np.array(rows)


@settings(max_examples=150, deadline=None, derandomize=True)
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
    ("gradient", "beta"),
    [(1e-20, 1 - 1e-6), (1e-22, 0.999)],  # (1−β) g² is below float32's smallest number
)
def test_underflow_blows_up_and_the_guard_stops_it(gradient, beta):
    options = {"k": 1, "beta": beta, "gamma": 0.9}
    gradients = [gradient] * 20
    bound = discrete_max_update_bound(np.arange(20), beta, 0.9)
    free = max_updates(gradients, dtype=torch.float32, guard=False, **options)[:, 0]
    guarded = max_updates(gradients, dtype=torch.float32, guard=True, **options)[:, 0]
    assert free.min() > 1e4 * bound.max()
    assert (guarded <= bound * (1 + 2e-5)).all()
    # A float64 state has no underflow to begin with: constant gradients give u = 1.
    wide = max_updates(
        gradients, dtype=torch.float32, guard=False, state_dtype=torch.float64, **options
    )
    np.testing.assert_allclose(wide, 1.0, rtol=1e-6)


def test_underflow_after_ordinary_gradients():
    """√v decays nearly as m does, but v, its square, leaves float32's range first."""
    gradients = [1.0] * 5 + [0.0] * 30
    options = {"level_betas": (0.01, 0.999), "level_gammas": (0.099, 0.9), "dtype": torch.float32}
    free = max_updates(gradients, guard=False, **options)
    guarded = max_updates(gradients, guard=True, **options)
    for level, (beta, gamma) in enumerate([(0.01, 0.099), (0.999, 0.9)]):
        bound = discrete_max_update_bound(np.arange(35), beta, gamma)
        assert (guarded[:, level] <= bound * (1 + 2e-5)).all()
    assert free[:, 0].max() > 1e4 * guarded[:, 0].max()


def test_an_infinite_bound_is_no_clamp():
    gradients = [1.0, 1e-8]
    u = max_updates(gradients, k=1, beta=0.0, gamma=0.5, guard=True, dtype=torch.float32)
    # m = 0.25, v = g², C = 1/0.75
    assert u[1, 0] == pytest.approx(0.25 / 0.75 * 1e8, rel=1e-6)


def test_a_bound_beyond_float32_is_no_clamp():
    gradients = [1.0] + [0.0] * 300  # D_300 is about 1e45 at (0.36, 0.85)
    assert discrete_max_update_bound(300, 0.36, 0.85) > 1e39
    u = max_updates(gradients, k=1, beta=0.36, gamma=0.85, guard=True, dtype=torch.float32)
    assert np.isfinite(u).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("eps", [0.0, 1e-60, 1e-30])
@pytest.mark.parametrize("guard", [True, False])
def test_zero_over_zero_is_zero(dtype, eps, guard):
    u = max_updates([0.0, 0.0, 2.0, 0.0], k=2, eps=eps, guard=guard, dtype=dtype)
    assert (u[:2] == 0).all()
    assert np.isfinite(u).all()
    assert (u[2] > 0).all()


def test_eps_zero_is_exact():
    """The smallest normal number added to √v > 0 changes no bit."""
    rng = np.random.default_rng(0)
    gradients = 10.0 ** rng.uniform(-15, 15, size=30)
    for dtype in (torch.float32, torch.float64):
        u = [max_updates(gradients, k=2, eps=eps, dtype=dtype) for eps in (0.0, 1e-300)]
        np.testing.assert_array_equal(*u)


def test_a_nan_gradient_stays_nan():
    assert np.isnan(max_updates([1.0, float("nan")], k=2, guard=True)[1]).all()
