"""``solve`` as its callers see it: forms, copies, laziness, resuming, refusals."""

from __future__ import annotations

import math

import pytest
import torch

from adamct.continuous import SCHEMES, solve

SETTINGS = {"lr": 1e-2, "beta": 0.99, "gamma": 0.9, "n_substeps": 3}


def bowl(θ, batch):
    return (0.5 * batch * θ.square()).sum()


def batches(n):
    return [torch.tensor(1.0 + i, dtype=torch.float64) for i in range(n)]


def theta0():
    return torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)


def test_states_lie_on_the_step_grid_from_theta_0_and_psi_0():
    options = {**SETTINGS, "weight_decay": 0.5}
    for psi0, first_update in (("rest", 0 * theta0()), ("sign", theta0().sign())):
        states = list(solve(bowl, theta0(), batches(4), psi0=psi0, **options))
        assert [state.n for state in states] == [0, 1, 2, 3, 4]
        assert [state.t for state in states] == [n * SETTINGS["lr"] for n in range(5)]
        assert torch.equal(states[0].params, theta0())
        assert torch.equal(states[0].u, 0 * theta0())
        assert torch.equal(states[0].psi, -(first_update + 0.5 * theta0()))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_form_of_params_comes_back_and_does_not_matter(scheme):
    flat = torch.arange(6, dtype=torch.float64) - 2.3
    forms = {
        "tensor": (flat, lambda p: p),
        "list": ([flat[:2], flat[2:].view(2, 2)], lambda p: torch.cat([p[0], p[1].view(-1)])),
        "dict": (
            {"a": flat[:2], "b": flat[2:].view(2, 2).T.contiguous().T},  # b is not contiguous
            lambda p: torch.cat([p["a"], p["b"].reshape(-1)]),
        ),
    }
    ends = {}
    for form, (params, vector) in forms.items():
        loss = lambda p, b, vector=vector: bowl(vector(p), b)  # noqa: E731
        trajectory = solve(loss, params, batches(3), scheme=scheme, **SETTINGS)
        *_, state = trajectory
        assert torch.equal(vector(state.params), state.theta)
        assert torch.equal(vector(trajectory.unflatten(state.u)), state.u)
        ends[form] = state.theta
    assert torch.equal(ends["tensor"], ends["list"])
    assert torch.equal(ends["tensor"], ends["dict"])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("psi0", ["rest", "sign"])
def test_params_are_copied_at_the_call_and_never_changed(scheme, psi0):
    params = {"θ": torch.nn.Parameter(theta0())}
    trajectory = solve(
        lambda p, b: bowl(p["θ"], b), params, batches(3), scheme=scheme, psi0=psi0, **SETTINGS
    )
    with torch.no_grad():
        params["θ"] += 1  # a discrete optimizer at work on the same parameters
        states = list(trajectory)  # gradients are taken all the same
    assert torch.equal(params["θ"], theta0() + 1)
    assert params["θ"].grad is None
    untouched = solve(bowl, theta0(), batches(3), scheme=scheme, psi0=psi0, **SETTINGS)
    assert torch.equal(torch.stack([s.theta for s in states]), untouched.stack())
    assert not any(state.theta.requires_grad for state in states)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("psi0", ["rest", "sign"])
def test_each_batch_is_taken_once_and_held_over_its_step(scheme, psi0):
    taken, used = [], []

    def source():
        for n in range(3):
            taken.append(n)
            yield n

    def loss(θ, n):
        used.append(n)
        return bowl(θ, 1.0 + n)

    trajectory = solve(loss, theta0(), source(), scheme=scheme, psi0=psi0, **SETTINGS)
    assert taken == []
    next(trajectory)
    assert taken == ([0] if psi0 == "sign" else [])
    used.clear()
    for n in range(3):
        next(trajectory)
        assert taken == list(range(n + 1))
    assert next(trajectory, None) is None
    a_step = SETTINGS["n_substeps"] * SCHEMES[scheme].gradients
    assert used == [n for n in range(3) for _ in range(a_step)]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_going_on_from_a_state_is_the_uninterrupted_trajectory_bit_for_bit(scheme):
    options = {**SETTINGS, "scheme": scheme, "weight_decay": 0.1}
    whole = list(solve(bowl, theta0(), batches(5), **options))
    rest = list(solve(bowl, theta0(), batches(5)[2:], start=whole[2], **options))
    assert [state.n for state in rest] == [2, 3, 4, 5]
    for a, b in zip(whole[2:], rest, strict=True):
        assert a.t == b.t
        for name in ("theta", "psi", "m", "v", "u"):
            assert torch.equal(getattr(a, name), getattr(b, name)), name


@pytest.mark.parametrize("scheme", SCHEMES)
def test_float32_stays_float32_and_close_to_float64(scheme):
    options = {**SETTINGS, "scheme": scheme}
    single = solve(bowl, theta0().float(), [b.float() for b in batches(5)], **options).stack()
    double = solve(bowl, theta0(), batches(5), **options).stack()
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), double, rtol=0, atol=1e-6)


ARGUMENTS = {"loss": bowl, "params": theta0(), "batches": batches(1), **SETTINGS}
START = next(solve(**ARGUMENTS))


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"lr": 0.0}, ValueError, "lr is 0.0"),
        ({"lr": math.nan}, ValueError, "lr is nan"),
        ({"beta": 1.0}, ValueError, r"beta = 1.0 is outside \(0, 1\)"),
        ({"gamma": 0.0}, ValueError, r"gamma = 0.0 is outside \(0, 1\)"),
        ({"weight_decay": -0.1}, ValueError, "weight_decay is -0.1"),
        ({"n_substeps": 0}, ValueError, "n_substeps is 0"),
        ({"n_substeps": 2.5}, ValueError, "n_substeps is 2.5"),
        ({"scheme": "heun"}, ValueError, "scheme is 'heun'; expected one of euler, exponential"),
        ({"psi0": "zero"}, ValueError, "psi0 is 'zero'; expected one of rest, sign"),
        ({"params": torch.nn.Linear(1, 1)}, TypeError, "params is a Linear.*named_parameters"),
        ({"params": []}, TypeError, "params holds nothing"),
        ({"params": {"a": 1.0}}, TypeError, r"params holds \['float'\]"),
        ({"params": [theta0(), theta0().float()]}, ValueError, "float32 on cpu, .*float64 on cpu"),
        ({"params": torch.ones(1, dtype=torch.bfloat16)}, ValueError, "bfloat16"),
        ({"start": START, "params": theta0()[:2]}, ValueError, "start has 3 .* and params 2"),
    ],
)
def test_what_cannot_work_is_refused_at_the_call(changed, error, message):
    with pytest.raises(error, match=message):
        solve(**ARGUMENTS | changed)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"batches": [], "psi0": "sign"}, ValueError, "batches is empty"),  # at rest it needs none
        ({"loss": lambda θ, b: θ.square()}, ValueError, r"shape \(3,\); expected a scalar"),
        ({"loss": lambda θ, b: 1.0}, TypeError, "returned a float"),
        ({"loss": lambda θ, b: torch.tensor(1.0)}, ValueError, "does not depend on the params"),
        ({"loss": lambda θ, b: torch.ones((), requires_grad=True)}, ValueError, "functional_call"),
        # √0: finite, with gradient 0/0
        ({"loss": lambda θ, b: bowl(θ, b) + (0 * θ).sqrt().sum()}, FloatingPointError, "step 0"),
    ],
)
def test_losses_that_cannot_work_are_named(changed, error, message):
    trajectory = solve(**ARGUMENTS | changed)
    with pytest.raises(error, match=message):
        trajectory.stack()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_loss_that_ceases_to_be_finite_is_named_with_its_step(scheme):
    def loss(θ, batch):
        return bowl(θ, batch) / batch.sub(3).abs().gt(0.5)  # infinite on the batch of step 2

    trajectory = solve(loss, theta0(), batches(4), scheme=scheme, **SETTINGS)
    assert [next(trajectory).n for _ in range(3)] == [0, 1, 2]
    with pytest.raises(FloatingPointError, match="in step 2"):
        next(trajectory)
