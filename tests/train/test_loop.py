import copy
import math
from typing import get_args

import pytest
import torch

from adamct.config.compose import compose_sweep
from adamct.config.spec import Observable
from adamct.train import OBSERVABLES, Training, drain
from adamct.train.schedules import lr_factor


def training(*overrides):
    sweep = compose_sweep(list(overrides), sweep=False)
    return Training(cell.spec, sweep.execution, data_dir=sweep.data_dir, cache_dir=sweep.cache_dir)


def test_at_k_1_the_gpt_trains_as_with_torchs_adamw():
    """50 steps of the laptop's GPT from one seed, in float64.

    The two round otherwise, and training spreads that: over eight seeds a rounding grew up to a
    thousandfold in 50 steps, to 1e-13 of a loss here, but to 2e-5 in float32, where a tolerance
    that holds for every text would say little.
    """
    ours = training("optimizer.weight_decay=0.1", "optimizer.state_dtype=float64")
    ours.model.double()
    model, start = copy.deepcopy(ours.model), copy.deepcopy(ours.model)
    theirs = torch.optim.AdamW(
        model.parameters(), lr=1e-3, betas=(0.9, 0.999), eps=1e-30, weight_decay=0.1
    )
    for n in range(50):
        expected = model.loss(*ours.batch(n))
        theirs.zero_grad()
        expected.backward()
        theirs.step()
        assert float(ours.step(n).loss) == pytest.approx(float(expected.detach()), abs=1e-11)
    theta, theirs_theta, theta_0 = (
        torch.nn.utils.parameters_to_vector(net.parameters()) for net in (ours.model, model, start)
    )
    assert (theta - theirs_theta).norm() < 1e-10 * (theirs_theta - theta_0).norm()


def test_the_observables_are_those_that_a_spec_can_name():
    assert set(OBSERVABLES) == set(get_args(Observable))


def test_batches_depend_on_seed_and_step_alone():
    one, same, other = (
        training("scale=smoke"),
        training("scale=smoke"),
        training("scale=smoke", "seed=1"),
    )
    assert all(torch.equal(a, b) for a, b in zip(one.batch(7), same.batch(7), strict=True))
    assert not torch.equal(one.batch(7)[0], one.batch(8)[0])
    assert not torch.equal(one.batch(7)[0], other.batch(7)[0])


def test_every_pair_of_a_sweep_starts_from_the_same_weights():
    one, other = training("scale=smoke"), training("scale=smoke", "optimizer.beta=0.5")
    for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_drain_keeps_every_digit_and_order():
    steps = [
        {"n": n, "x": torch.tensor(0.1 + n), "u": torch.tensor([1.0 / 3, n]), "lr": 1e-3}
        for n in range(3)
    ]
    lines = drain(steps)
    assert [line["n"] for line in lines] == [0, 1, 2]
    assert lines[2]["x"] == float(torch.tensor(2.1))
    assert lines[1]["u"] == [float(torch.tensor(1.0 / 3)), 1.0]
    assert list(lines[0]) == ["n", "x", "u", "lr"]


def test_numbers_stay_on_the_device_between_flushes(monkeypatch):
    """A step reads nothing out of a tensor; only drain does, once for all steps."""
    calls = []
    for name in ("item", "tolist", "cpu", "numpy", "__float__", "__int__", "__bool__"):
        original = getattr(torch.Tensor, name)

        def counted(self, *args, original=original, name=name, **kwargs):
            calls.append(name)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(torch.Tensor, name, counted)
    one = training("scale=smoke")
    calls.clear()
    states = [one.step(n) for n in range(5)]
    assert calls == []
    drain([{"loss": state.loss, "u": state.optimizer.max_update} for state in states])
    assert calls == ["tolist"]


@pytest.mark.parametrize(("n", "expected"), [(0, 0.01), (99, 1.0), (100, 1.0), (2999, 0.1)])
def test_warmup_and_cosine(n, expected):
    schedule = training(
        "experiment=generalization_normal_curve", "point=0", "schedule.warmup_steps=100"
    ).spec.schedule
    assert lr_factor(schedule, n, 3000) == pytest.approx(expected)
    middle = lr_factor(schedule, 100 + (2999 - 100) // 2, 3000)
    assert middle == pytest.approx(0.55, abs=1e-3)


def test_annealing_is_equation_19():
    schedule = training("schedule=annealed", "optimizer.beta=0.95", "optimizer.gamma=0.99").spec
    half_C = -(2 / 0.99 - 1 / 0.95 - 1) / 2
    for n in (0, 1, 100, 1000):
        factor = lr_factor(schedule.schedule, n, 3000)
        assert factor == pytest.approx(math.exp(-n * half_C), rel=1e-12)
