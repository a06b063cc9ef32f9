"""What users of a torch optimizer expect of one."""

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from adamct import KAdam
from adamct.optim import level_decays
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
    assert mine.keys() == theirs.keys() == {"step", "m", "v"}
    assert mine["step"] == theirs["step"]
    for a, b in zip(mine["m"] + mine["v"], theirs["m"] + theirs["v"], strict=True):
        assert a.dtype == b.dtype
        assert torch.equal(a, b)


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


OPTIONS = {
    "plain": {},
    "float64_state": {"state_dtype": torch.float64},
    "explicit": {"level_betas": np.array([0.9, 0.8, 0.7]), "level_gammas": np.array([0.5, 0, 0.1])},
    "numpy_scalars": {
        "lr": np.float64(0.01),
        "beta": np.float64(0.99),
        "weight_decay": np.float32(0),
    },
    "tensor_lr": {"lr": torch.tensor(0.01)},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_resume_equals_no_interruption_bit_for_bit(options):
    whole, cut, resumed = model(), model(), model()
    optimizer = KAdam(whole.parameters(), **copy.deepcopy(options))
    train(whole, optimizer, range(20))

    first = KAdam(cut.parameters(), **copy.deepcopy(options))
    train(cut, first, range(12))
    resumed.load_state_dict(saved_and_loaded(cut.state_dict()))
    second = KAdam(resumed.parameters())  # the options come from the state_dict
    second.load_state_dict(saved_and_loaded(first.state_dict()))
    train(resumed, second, range(12, 20))
    assert_identical(whole, optimizer, resumed, second)


@pytest.mark.parametrize(
    ("param_dtype", "options", "expected"),
    [
        (torch.float32, {"state_dtype": torch.float64}, torch.float64),
        (torch.bfloat16, {}, torch.float32),
        (torch.bfloat16, {"state_dtype": torch.float64}, torch.float64),
        (torch.bfloat16, {"second_moment": "tensor_mean"}, torch.float32),
        (torch.float16, {}, torch.float32),
        (torch.float64, {}, torch.float64),
    ],
)
def test_the_state_keeps_its_dtype_and_digits_through_a_checkpoint(param_dtype, options, expected):
    net, other = model(param_dtype), model(param_dtype)
    optimizer = KAdam([{"params": net.parameters(), **options}])
    train(net, optimizer, range(3))
    other.load_state_dict(net.state_dict())
    loaded, state_dict = KAdam(other.parameters()), optimizer.state_dict()
    before = copy.deepcopy(state_dict)
    loaded.load_state_dict(state_dict)
    assert_identical(net, optimizer, other, loaded)
    assert {t.dtype for s in loaded.state.values() for t in s["m"] + s["v"]} == {expected}
    train(other, loaded, range(3, 5))
    for index, state in before["state"].items():  # a copy has been trained on
        assert_same_state(state_dict["state"][index], state)
    train(net, optimizer, range(3, 5))
    assert_identical(net, optimizer, other, loaded)


def test_users_load_hooks_see_the_final_state():
    net = model(torch.bfloat16)
    optimizer = KAdam(net.parameters())
    train(net, optimizer, range(2))
    state_dict, seen = optimizer.state_dict(), []
    loaded = KAdam(net.parameters())
    loaded.register_load_state_dict_pre_hook(lambda o, s: {**s, "state": {0: s["state"][0]}})
    loaded.register_load_state_dict_post_hook(
        lambda o: seen.extend(s["m"][0].dtype for s in o.state.values())
    )
    loaded.load_state_dict(state_dict)
    assert seen == [torch.float32]


def pickled(x):
    return pickle.loads(pickle.dumps(x))


def same(optimizer):
    return optimizer


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize(
    "ways",
    [(same, same), (copy.deepcopy, same), (pickled, same), (copy.deepcopy, copy.deepcopy),
     (pickled, copy.deepcopy), (same, pickled, pickled)],
    ids=lambda ways: "-".join(way.__name__ for way in ways),
)  # fmt: skip
def test_a_state_loads_any_number_of_times_among_copies(ways, options):
    """And stays what it was: entry by entry of the state, option by option of the groups."""
    net = model()
    optimizer = KAdam(
        [{"params": list(net[0].parameters()), "k": 1, "lr": 0.5}, {"params": net[2].parameters()}],
        **copy.deepcopy(options),
    )
    train(net, optimizer, range(3))
    wanted = saved_and_loaded(optimizer.state_dict())
    fresh = model()
    loaded = KAdam([{"params": list(fresh[i].parameters())} for i in (0, 2)])
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


@pytest.mark.parametrize("foreign", [{"nesterov": True}, torch.optim.AdamW, torch.optim.SGD])
def test_a_state_with_options_that_are_not_known_is_refused_by_name(foreign):
    optimizer = KAdam(model().parameters())
    state = optimizer.state_dict()
    if isinstance(foreign, dict):
        state["param_groups"][0] |= {**foreign, "lr": 0.5}
    else:
        state = foreign(model().parameters(), lr=0.5).state_dict()
    with pytest.raises(ValueError, match=r"does not fit this KAdam.*has \[.*'(nesterov|betas)'"):
        optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == 1e-3


def test_keys_of_users_and_schedulers_are_loaded():
    def made():
        return KAdam([{"params": list(model().parameters()), "name": "decoder"}])

    optimizer = made()
    lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=10, cycle_momentum=False)
    loaded = made()
    loaded.load_state_dict(optimizer.state_dict())
    assert loaded.state_dict() == optimizer.state_dict()


def test_a_step_count_may_be_a_tensor_as_in_torch():
    _, optimizer = stepped(torch.ones(3), torch.ones(3))
    state = optimizer.state_dict()
    state["state"][0]["step"] = torch.tensor(1.0)
    optimizer.load_state_dict(state)
    optimizer.step()
    assert optimizer.state_dict()["state"][0]["step"] == 2


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
def test_deepcopy_and_pickle(copied):
    net = model()
    optimizer = KAdam(net.parameters(), lr=0.01, track_max_update=True, compiled=False)
    train(net, optimizer, range(4))
    other_net, other = copied((net, optimizer))
    assert other.compiled is False
    assert torch.equal(other.max_update, optimizer.max_update)
    train(net, optimizer, range(4, 8))
    train(other_net, other, range(4, 8))
    assert_identical(net, optimizer, other_net, other)
    assert torch.equal(other.max_update, optimizer.max_update)


SCHEDULER_ARGUMENTS = {
    "LambdaLR": {"lr_lambda": lambda n: 0.9**n},
    "MultiplicativeLR": {"lr_lambda": lambda n: 0.9},
    "StepLR": {"step_size": 2},
    "MultiStepLR": {"milestones": [2, 4]},
    "ExponentialLR": {"gamma": 0.9},
    "CosineAnnealingLR": {"T_max": 6},
    "CosineAnnealingWarmRestarts": {"T_0": 2},
    "OneCycleLR": {"max_lr": 0.1, "total_steps": 10, "cycle_momentum": False},
    "CyclicLR": {"base_lr": 1e-3, "max_lr": 0.1, "cycle_momentum": False},
}
SCHEDULERS = sorted(
    name
    for name, value in vars(lr_scheduler).items()
    if isinstance(value, type)
    and issubclass(value, lr_scheduler.LRScheduler)
    and value is not lr_scheduler.LRScheduler
    and not name.startswith("_")
)


def scheduler_of(name, optimizer):
    if name == "ChainedScheduler":
        return lr_scheduler.ChainedScheduler([lr_scheduler.ExponentialLR(optimizer, 0.9)])
    if name == "SequentialLR":
        parts = [lr_scheduler.ConstantLR(optimizer), lr_scheduler.ExponentialLR(optimizer, 0.9)]
        return lr_scheduler.SequentialLR(optimizer, parts, milestones=[3])
    return getattr(lr_scheduler, name)(optimizer, **SCHEDULER_ARGUMENTS.get(name, {}))


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers_touch_the_learning_rate_alone(name):
    net = model()
    optimizer = KAdam(net.parameters(), lr=0.05, k=3, beta=0.99, gamma=0.8)
    before = {key: value for key, value in optimizer.param_groups[0].items() if key != "lr"}
    scheduler = scheduler_of(name, optimizer)
    rates = []
    for n in range(7):
        rates.append(optimizer.param_groups[0]["lr"])
        train(net, optimizer, [n])
        scheduler.step(*([1.0] if name == "ReduceLROnPlateau" else []))
        if name == "ReduceLROnPlateau" and n == 0:
            scheduler.patience = 0
    (group,) = optimizer.param_groups
    assert len(set(rates)) > 1
    assert {key: group[key] for key in before} == before
    assert level_decays(group) == level_decays(before)


@pytest.mark.parametrize("name", ["OneCycleLR", "CyclicLR"])
def test_momentum_cycling_is_refused_by_the_scheduler(name):
    arguments = {**SCHEDULER_ARGUMENTS[name], "cycle_momentum": True}
    with pytest.raises(ValueError, match="momentum"):
        getattr(lr_scheduler, name)(KAdam(model().parameters()), **arguments)


def test_the_reference_loop_and_a_closure_agree():
    net, other = model(), model()
    optimizer, with_closure = KAdam(net.parameters(), lr=0.1), KAdam(other.parameters(), lr=0.1)
    x, y = torch.ones(3, 4), torch.zeros(3, 2)

    def closure():
        with_closure.zero_grad()
        loss = (other(x) - y).square().mean()
        loss.backward()
        return loss

    for _ in range(5):
        optimizer.zero_grad()
        loss = (net(x) - y).square().mean()
        loss.backward()
        assert optimizer.step() is None
        returned = with_closure.step(closure)
        assert torch.equal(returned, loss)
    assert_identical(net, optimizer, other, with_closure)


def test_grad_scaler_skips_steps_with_infinite_gradients():
    p = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = KAdam([p], lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=1000)
    for factor, moves in [(1.0, True), (float("inf"), False), (1.0, True)]:
        before = p.detach().clone()
        steps = optimizer.state[p].get("step", 0)
        optimizer.zero_grad()
        scaler.scale((p * factor).square().sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        assert torch.equal(p, before) != moves
        assert optimizer.state[p]["step"] == steps + moves
    assert scaler.get_scale() == 2.0


@pytest.mark.parametrize(
    "options", [{}, {"maximize": True}, {"weight_decay": 0.1, "decoupled": False}]
)
def test_gradients_are_left_as_they_are(options):
    g = torch.randn(5)
    p, _ = stepped(torch.randn(5), g.clone(), **options)
    assert torch.equal(p.grad, g)


def test_a_sparse_gradient_is_refused_before_anything_moves():
    dense, embedding = nn.Parameter(torch.ones(3)), nn.Embedding(5, 2, sparse=True)
    optimizer = KAdam([dense, embedding.weight])
    (dense.sum() + embedding(torch.tensor([1])).sum()).backward()
    with pytest.raises(RuntimeError, match=r"sparse gradients.*sparse=False"):
        optimizer.step()
    assert torch.equal(dense, torch.ones(3))
    assert not optimizer.state


def test_a_complex_parameter_is_refused():
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
    assert optimizer.state[narrow]["m"][0].dtype == torch.float32


LAYOUTS = {
    "channels_last": lambda x: x.to(memory_format=torch.channels_last),
    "transposed": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "strided": lambda x: torch.zeros(8, 6, 4, 4)[::2].copy_(x),
    "expanded_grad": lambda x: x,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_memory_layout_does_not_matter(layout):
    torch.manual_seed(0)
    values = torch.randn(4, 6, 4, 4)
    plain, odd = nn.Parameter(values.clone()), nn.Parameter(LAYOUTS[layout](values.clone()))
    optimizers = [KAdam([p], lr=0.1, weight_decay=0.1) for p in (plain, odd)]
    for _ in range(4):
        g = torch.randn(1).expand(values.shape) if "grad" in layout else torch.randn(values.shape)
        for p, optimizer in zip((plain, odd), optimizers, strict=True):
            p.grad = g if p is odd else g.clone()
            optimizer.step()
    torch.testing.assert_close(plain, odd, rtol=1e-6, atol=1e-7)
    if layout in ("channels_last", "transposed"):
        assert optimizers[1].state[odd]["m"][0].stride() == odd.stride()


def test_a_checkpoint_takes_the_layout_of_the_parameter():
    contiguous, optimizer = stepped(torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4))
    p = nn.Parameter(contiguous.detach().to(memory_format=torch.channels_last))
    loaded = KAdam([p])
    loaded.load_state_dict(optimizer.state_dict())
    assert loaded.state[p]["v"][1].stride() == p.stride() != contiguous.stride()
    assert torch.equal(loaded.state[p]["v"][1], optimizer.state[contiguous]["v"][1])


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


def test_options_changed_between_steps_take_effect():
    p, optimizer = stepped(torch.ones(1), torch.ones(1), k=1)
    optimizer.param_groups[0]["beta"] = 0.0  # v is then g² of the last step alone
    p.grad = torch.full((1,), 2.0)
    with pytest.warns(RuntimeWarning, match="guard is off"):
        optimizer.step()
    assert optimizer.state[p]["v"][0].item() == 4.0
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


def test_named_parameters_and_step_hooks():
    net, calls = model(), []
    optimizer = KAdam(net.named_parameters())
    assert optimizer.param_groups[0]["param_names"] == [n for n, _ in net.named_parameters()]
    optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    optimizer.register_step_post_hook(lambda *_: calls.append("after"))
    train(net, optimizer, range(1))
    assert len(optimizer.state) == 4
    assert calls == ["before", "after"]
