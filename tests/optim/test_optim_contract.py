"""What users of a torch optimizer expect of one."""

import copy
import io
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from adamct import KAdam
from adamct.theory import discrete_max_update_bound


def model(dtype=torch.float32):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)).to(dtype)


def train(net, optimizer, steps, scheduler=None):
    """Steps of a small regression; batch n depends on n alone."""
    dtype = next(net.parameters()).dtype
    for n in steps:
        generator = torch.Generator().manual_seed(n)
        x = torch.randn(16, 4, generator=generator).to(dtype)
        y = torch.randn(16, 2, generator=generator).to(dtype)
        optimizer.zero_grad()
        (net(x) - y).square().mean().backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()


def saved_and_loaded(state_dict):
    buffer = io.BytesIO()
    torch.save(state_dict, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def assert_same_state(mine, theirs):
    """Entry by entry, with dtype, bit for bit."""
    assert mine.keys() == theirs.keys()
    for name, x in mine.items():
        assert x.dtype == theirs[name].dtype
        assert torch.equal(x, theirs[name])


def assert_identical(net, optimizer, other_net, other_optimizer):
    for p, q in zip(net.parameters(), other_net.parameters(), strict=True):
        assert torch.equal(p, q)
        assert_same_state(optimizer.state[p], other_optimizer.state[q])


def stepped(values, g, **options):
    """A parameter after one step, and its optimizer."""
    p = nn.Parameter(values)
    p.grad = g
    optimizer = KAdam([{"params": [p], **options}])
    optimizer.step()
    return p, optimizer


f16, bf16, f32, f64 = torch.float16, torch.bfloat16, torch.float32, torch.float64
OPTIONS = {  # the parameters' dtype, a group's options, the dtype of the state
    "plain": (f32, {}, f32),
    "float64 state": (f32, {"state_dtype": f64}, f64),
    "explicit": (f32, {"level_betas": np.array([0.9, 0.8]), "level_gammas": np.zeros(2)}, f32),
    "numpy": (f32, {"lr": np.float64(0.01), "weight_decay": np.float32(0)}, f32),
    "tensor lr": (f32, {"lr": torch.tensor(0.01)}, f32),
    "bfloat16": (bf16, {}, f32),
    "bfloat16, float64 state": (bf16, {"state_dtype": f64}, f64),
    "bfloat16, tensor_mean": (bf16, {"second_moment": "tensor_mean"}, f32),
    "float16": (f16, {}, f32),
    "float64": (f64, {}, f64),
}


def same(x):
    return x


def pickled(x):
    return pickle.loads(pickle.dumps(x))


def loaded(pair, through=same):
    """A copy of the model, and a fresh optimizer that takes its options from the state_dict."""
    net, optimizer = pair
    other_net = copy.deepcopy(net)
    other = KAdam(other_net.parameters(), compiled=False, track_max_update=True)
    other.load_state_dict(through(optimizer.state_dict()))
    return other_net, other


@pytest.mark.parametrize(("dtype", "options", "of_state"), OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize(
    "way", [loaded, partial(loaded, through=saved_and_loaded), copy.deepcopy, pickled]
)
def test_going_on_equals_no_interruption_bit_for_bit(way, dtype, options, of_state):
    net = model(dtype)
    groups = [{"params": net.parameters(), **options}]
    optimizer = KAdam(groups, compiled=False, track_max_update=True)
    train(net, optimizer, range(8))
    before = saved_and_loaded(optimizer.state_dict())
    other_net, other = way((net, optimizer))
    assert other.compiled is False
    assert_identical(net, optimizer, other_net, other)
    moments = {"m_1", "m_2", "v_1", "v_2"}
    assert {s[name].dtype for s in other.state.values() for name in moments} == {of_state}
    assert all(s.keys() == {"step", *moments} for s in other.state.values())
    train(other_net, other, range(8, 12))
    for index, state in optimizer.state_dict()["state"].items():  # a copy has been trained on
        assert_same_state(state, before["state"][index])
    train(net, optimizer, range(8, 12))
    assert_identical(net, optimizer, other_net, other)
    assert torch.equal(other.max_update, optimizer.max_update)


def test_users_load_hooks_see_the_final_state():
    net = model(torch.bfloat16)
    optimizer = KAdam(net.parameters())
    train(net, optimizer, range(2))
    state_dict, seen = optimizer.state_dict(), []
    loaded = KAdam(net.parameters())
    loaded.register_load_state_dict_pre_hook(lambda o, s: {**s, "state": {0: s["state"][0]}})
    loaded.register_load_state_dict_post_hook(
        lambda o: seen.extend(s["m_1"].dtype for s in o.state.values())
    )
    loaded.load_state_dict(state_dict)
    assert seen == [torch.float32]


@pytest.mark.parametrize(("dtype", "options", "_"), OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize(
    "ways", [(same, same), (copy.deepcopy, pickled), (pickled, copy.deepcopy), (same, pickled)]
)
def test_a_state_loads_any_number_of_times_among_copies(ways, dtype, options, _):
    net, fresh = model(dtype), model(dtype)
    groups = [{"params": net[0].parameters(), "lr": 0.5}, {"params": net[2].parameters()}]
    optimizer = KAdam([{**group, **options} for group in groups], eps=1e-20)
    train(net, optimizer, range(3))
    wanted = saved_and_loaded(optimizer.state_dict())
    loaded = KAdam([{"params": fresh[i].parameters()} for i in (0, 2)])
    for way in ways:
        loaded.load_state_dict(saved_and_loaded(wanted))
        loaded = way(loaded)
        loaded.load_state_dict(saved_and_loaded(loaded.state_dict()))
        found = loaded.state_dict()
        assert found["param_groups"] == wanted["param_groups"]
        assert found["state"].keys() == wanted["state"].keys()
        for index, state in wanted["state"].items():
            assert_same_state(found["state"][index], state)
    loaded.add_param_group({"params": [nn.Parameter(torch.ones(2))]})
    assert loaded.param_groups[2].keys() == KAdam(model().parameters()).param_groups[0].keys()


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
@pytest.mark.parametrize("name", ["maximize", "guard", "second_moment", "state_dtype", "k"])
def test_an_option_newer_than_the_state_takes_its_default(name, copied):
    net = model()
    fresh, optimizer = KAdam(net.parameters()), KAdam(net.parameters())
    default = fresh.param_groups[0][name]
    state = optimizer.state_dict()
    del state["param_groups"][0][name]
    fresh.load_state_dict(state)
    assert fresh.param_groups[0][name] == default
    del optimizer.param_groups[0][name], optimizer.defaults[name]
    older = copied(optimizer)
    assert older.param_groups[0][name] == older.defaults[name] == default


def test_a_state_with_options_that_are_not_known_is_refused_by_name():
    optimizer = KAdam(model().parameters())
    newer = optimizer.state_dict()
    newer["param_groups"][0] |= {"nesterov": True, "lr": 0.5}
    of_torch = (make(model().parameters(), lr=0.5) for make in (torch.optim.AdamW, torch.optim.SGD))
    for state in (newer, *(other.state_dict() for other in of_torch)):
        with pytest.raises(ValueError, match=r"does not fit this KAdam.*'(nesterov|betas)'"):
            optimizer.load_state_dict(state)
        assert optimizer.param_groups[0]["lr"] == 1e-3


def test_what_users_and_torch_keep_is_loaded():
    net = model()
    groups = [{"params": list(net.parameters()), "name": "decoder"}]
    optimizer, loaded = KAdam(groups), KAdam([dict(groups[0])])
    lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=10, cycle_momentum=False)
    train(net, optimizer, range(1))
    state = optimizer.state_dict()
    loaded.load_state_dict(state)
    assert loaded.state_dict()["param_groups"] == state["param_groups"]


SCHEDULERS = {
    "LambdaLR": {"lr_lambda": lambda n: 0.9**n},
    "OneCycleLR": {"max_lr": 0.1, "total_steps": 10, "cycle_momentum": False},
    "CyclicLR": {"base_lr": 1e-3, "max_lr": 0.1, "cycle_momentum": False},
    "ReduceLROnPlateau": {"patience": 0},
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers_touch_the_learning_rate_alone(name):
    net = model()
    optimizer = KAdam(net.parameters(), lr=0.05, k=3, beta=0.99, gamma=0.8)
    before = {key: value for key, value in optimizer.param_groups[0].items() if key != "lr"}
    scheduler = getattr(lr_scheduler, name)(optimizer, **SCHEDULERS[name])
    rates = set()
    for n in range(7):
        rates.add(optimizer.param_groups[0]["lr"])
        train(net, optimizer, [n])
        scheduler.step(*([1.0] if name == "ReduceLROnPlateau" else []))
    (group,) = optimizer.param_groups
    assert len(rates) > 1
    assert {key: group[key] for key in before} == before


def test_a_closure_is_the_ordinary_loop():
    net, other = model(), model()
    optimizer, with_closure = KAdam(net.parameters(), lr=0.1), KAdam(other.parameters(), lr=0.1)

    def gradients_of(net, optimizer):
        optimizer.zero_grad()
        loss = net(torch.ones(3, 4)).square().mean()
        loss.backward()
        return loss

    for _ in range(5):
        loss = gradients_of(net, optimizer)
        assert optimizer.step() is None
        assert torch.equal(with_closure.step(lambda: gradients_of(other, with_closure)), loss)
    assert_identical(net, optimizer, other, with_closure)


def test_grad_scaler_skips_steps_with_infinite_gradients():
    p = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = KAdam([p], lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=1000)
    for factor, moves in [(1.0, True), (float("inf"), False), (1.0, True)]:
        before = p.detach().clone()
        steps = int(optimizer.state[p].get("step", 0))
        optimizer.zero_grad()
        scaler.scale((p * factor).square().sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        assert torch.equal(p, before) != moves
        assert optimizer.state[p]["step"] == steps + moves
    assert scaler.get_scale() == 2.0


def test_sparse_and_complex_gradients_are_refused_before_anything_moves():
    dense, embedding = nn.Parameter(torch.ones(3)), nn.Embedding(5, 2, sparse=True)
    optimizer = KAdam([dense, embedding.weight])
    (dense.sum() + embedding(torch.tensor([1])).sum()).backward()
    with pytest.raises(RuntimeError, match=r"sparse gradients.*sparse=False"):
        optimizer.step()
    assert torch.equal(dense, torch.ones(3))
    assert not optimizer.state
    z = torch.ones(2, dtype=torch.complex64)
    with pytest.raises(RuntimeError, match=r"complex.*view_as_complex"):
        stepped(z, z)


def test_parameters_without_gradient_or_elements_are_skipped():
    a, b = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    empty = nn.Parameter(torch.ones(0, 3))
    optimizer = KAdam([a, b, empty], track_max_update=True)
    optimizer.step()
    assert not optimizer.state
    assert torch.equal(optimizer.max_update, torch.zeros(2))
    a.grad, empty.grad = torch.ones(2), torch.ones(0, 3)
    optimizer.step()
    assert list(optimizer.state) == [a]
    assert torch.equal(b, torch.ones(2))
    assert not torch.equal(a, torch.ones(2))


def test_bfloat16_parameters_round_a_float32_update():
    start = torch.randn(50, generator=torch.Generator().manual_seed(0)).bfloat16()
    narrow, wide = nn.Parameter(start.clone()), nn.Parameter(start.float())
    optimizer = KAdam([narrow], lr=0.05, weight_decay=0.1)
    float32 = KAdam([wide], lr=0.05, weight_decay=0.1)
    for n in range(10):
        g = torch.randn(50, generator=torch.Generator().manual_seed(n)).bfloat16()
        narrow.grad, wide.grad = g, g.float()
        optimizer.step()
        float32.step()
        with torch.no_grad():
            wide.copy_(wide.bfloat16())
        assert torch.equal(narrow.float(), wide)
    assert optimizer.state[narrow]["m_1"].dtype == torch.float32


@pytest.mark.parametrize(
    "layout",
    [
        lambda x: x.to(memory_format=torch.channels_last),
        lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
        lambda x: torch.zeros(8, 6, 4, 4)[::2].copy_(x),  # with gaps
    ],
)
@pytest.mark.parametrize("expanded_gradient", [True, False])
def test_memory_layout_does_not_matter(layout, expanded_gradient):
    torch.manual_seed(0)
    values = torch.randn(4, 6, 4, 4)
    plain, odd = nn.Parameter(values.clone()), nn.Parameter(layout(values))
    mine, other = (KAdam([p], lr=0.1, weight_decay=0.1) for p in (plain, odd))
    for _ in range(4):
        g = torch.randn(1).expand(values.shape) if expanded_gradient else torch.randn(values.shape)
        plain.grad, odd.grad = g.clone(), g
        mine.step()
        other.step()
    torch.testing.assert_close(plain, odd, rtol=1e-6, atol=1e-7)
    dense = torch.empty_like(odd).stride()
    assert other.state[odd]["m_1"].stride() == dense
    other.load_state_dict(mine.state_dict())  # takes the layout of the parameter
    assert other.state[odd]["v_2"].stride() == dense
    assert torch.equal(mine.state[plain]["v_2"], other.state[odd]["v_2"])


@pytest.mark.parametrize("second_moment", ["elementwise", "tensor_mean"])
@pytest.mark.parametrize("decoupled", [True, False])
def test_a_step_never_reads_a_value_back(second_moment, decoupled):
    """Tensors on the meta device hold no values: any .item() raises there."""
    p = nn.Parameter(torch.zeros(3, 4, 5, device="meta"))
    optimizer = KAdam(
        [{"params": [p], "second_moment": second_moment}],
        weight_decay=0.1, decoupled=decoupled, track_max_update=True, compiled=False,
        lr=torch.zeros((), device="meta"),
    )  # fmt: skip
    for _ in range(2):
        p.grad = torch.zeros_like(p)
        optimizer.step()
    assert optimizer.max_update.shape == (2,)
    assert optimizer.max_update.device.type == "meta"


def test_the_number_of_levels_cannot_change():
    _, optimizer = stepped(torch.ones(1), torch.ones(1), k=1, guard=False)
    optimizer.param_groups[0]["k"] = 2
    with pytest.raises(RuntimeError, match=r"2 levels, its state 1.*new KAdam"):
        optimizer.step()


def test_a_change_of_decays_ends_the_guard_also_across_a_checkpoint():
    """Sums built under two pairs may rightly exceed D_n: clamping them would change Algorithm 1."""
    gradients = [torch.full((1,), x, dtype=torch.float64) for x in (1.0, 1.0, 1e-9, 1e-9, 1e-9)]

    def updates(guard, interrupted):
        p = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        optimizer, seen = KAdam([p], lr=1.0, k=1, guard=guard, track_max_update=True), []
        for n, g in enumerate(gradients):
            if n == 2:
                optimizer.param_groups[0]["beta"] = 0.1  # √v now falls far below what m remembers
            if n == 3 and interrupted:
                state, optimizer = optimizer.state_dict(), KAdam([p], track_max_update=True)
                optimizer.load_state_dict(saved_and_loaded(state))
            p.grad = g.clone()
            optimizer.step()
            seen.append(optimizer.max_update.item())
        return seen, optimizer.param_groups[0]["guard"]

    free, _ = updates(guard=False, interrupted=False)
    assert max(free) > 1.01 * discrete_max_update_bound(np.arange(5), 0.1, 0.9).max()
    with pytest.warns(
        RuntimeWarning, match=r"decays .* changed from .*0\.999.* to .*0\.1"
    ) as caught:
        assert updates(guard=True, interrupted=True) == (free, False)
    assert len(caught) == 1


def test_only_other_decays_end_the_guard(recwarn):
    levels = {"level_betas": [0.9, 0.8], "level_gammas": [0.9, 0.0]}
    _, optimizer = stepped(torch.ones(1), torch.ones(1), **levels)
    (group,) = optimizer.param_groups
    group["level_betas"] = [0.9, 0.8]  # the same, as a list
    optimizer.step()
    assert group["guard"]
    fresh = KAdam([{**group, "level_betas": (0.5,), "level_gammas": (0.5,)}])
    fresh.step()
    assert fresh.param_groups[0]["guard"]
    assert not recwarn.list


def test_a_moment_of_another_shape_is_refused_on_loading():
    _, saved = stepped(torch.ones(3), torch.ones(3))
    other = KAdam([nn.Parameter(torch.ones(2))], lr=0.5)
    with pytest.raises(ValueError, match=r"m_1 .* shape \(3,\), .* shape \(2,\) needs \(2,\)"):
        other.load_state_dict(saved.state_dict())
    assert not other.state  # nothing has moved
    assert other.param_groups[0]["lr"] == 0.5
    state = saved.state_dict()
    state["param_groups"][0]["second_moment"] = "tensor_mean"
    with pytest.raises(ValueError, match="v_1"):
        KAdam([nn.Parameter(torch.ones(3))]).load_state_dict(state)
