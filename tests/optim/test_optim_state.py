"""The flat layout of the state: invisible in the numbers, plain to those who read the state."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.distributed import checkpoint as dcp
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh

from adamct import KAdam
from adamct.optim import kadam
from adamct.optim import state as layout

SHAPES = [(3, 5), (4,), (), (7, 2), (2, 3, 4, 4), (6,)]
DTYPES = [torch.float32, torch.float32, torch.float32, torch.bfloat16, torch.float32, torch.float64]


def parameters():
    generator = torch.Generator().manual_seed(0)
    params = [
        torch.randn(shape, generator=generator).to(dtype)
        for shape, dtype in zip(SHAPES, DTYPES, strict=True)
    ]
    params[4] = params[4].to(memory_format=torch.channels_last)
    params[3] = params[3].t()
    return [nn.Parameter(p) for p in params]


def step(optimizers, params, n, with_gradient):
    for i, p in enumerate(params):
        g = torch.randn(p.shape, generator=torch.Generator().manual_seed(100 * n + i)).to(p.dtype)
        if i not in with_gradient:
            p.grad = None
        elif p.grad is None:
            p.grad = g
        else:
            p.grad.copy_(g)  # where it lies, perhaps joined with others
    for optimizer in optimizers:
        optimizer.step()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sets(st.integers(0, 5)), min_size=3, max_size=7),
    st.booleans(),
    st.sampled_from([0.0, 0.1]),
    st.integers(0, 6),
    st.booleans(),
)
def test_parameters_together_step_as_each_would_alone(
    steps, decoupled, weight_decay, interrupt, joined
):
    """Bit for bit: whichever have gradients, and after somebody has put copies of the state."""
    options = {"lr": 0.1, "k": 2, "decoupled": decoupled, "weight_decay": weight_decay}
    together, alone = parameters(), parameters()
    if joined:
        layout.flatten(together[:3])
        steps = [{0, 1, 2}, *steps]
    optimizer = KAdam(together, track_max_update=True, **options)
    each = [KAdam([p], track_max_update=True, **options) for p in alone]
    for n, with_gradient in enumerate(steps):
        step([optimizer], together, n, with_gradient)
        step(each, alone, n, with_gradient)
        largest = torch.stack([one.max_update for one in each]).amax(0)
        assert torch.equal(optimizer.max_update, largest.to(optimizer.max_update.dtype))
        if n == interrupt:
            for p in optimizer.state:
                optimizer.state[p] = copy.deepcopy(optimizer.state[p])
    for p, q, one in zip(together, alone, each, strict=True):
        assert torch.equal(p, q)
        assert optimizer.state[p].keys() == one.state[q].keys()
        for name, x in one.state.get(q, {}).items():
            assert torch.equal(optimizer.state[p][name], x)


def test_small_parameters_share_vectors_and_large_ones_do_not(monkeypatch):
    monkeypatch.setattr(layout, "SMALL", 20)
    params = [nn.Parameter(torch.ones(shape)) for shape in ((4, 5), (3,), (2, 2))]
    optimizer = KAdam(params, k=1)
    step([optimizer], params, 0, {0, 1, 2})
    memory = [optimizer.state[p]["m_1"].untyped_storage().data_ptr() for p in params]
    assert memory[0] != memory[1] == memory[2]
    assert [optimizer.state[p]["m_1"].shape for p in params] == [p.shape for p in params]


def test_a_step_over_joined_parameters_is_one_over_vectors(monkeypatch):
    """Of any size; the owner's tensors are written in place."""
    monkeypatch.setattr(layout, "SMALL", 0)
    params = [nn.Parameter(torch.ones(shape)) for shape in ((4, 5), (3,), (2, 2))]
    gradients = layout.flatten(params)
    optimizer, shapes = KAdam(params, k=1), []
    update = kadam.kadam_update
    monkeypatch.setattr(
        kadam, "kadam_update", lambda θ, g, *a, **o: shapes.append(g.shape) or update(θ, g, *a, **o)
    )
    for _ in range(2):
        gradients.copy_(torch.arange(27.0))
        optimizer.step()
    assert shapes == [(27,), (27,)]
    assert all(p.data_ptr() != params[0].data_ptr() for p in params[1:])
    assert all((p != 1).sum() == p.numel() - (p is params[0]) for p in params)
    params[1].data = torch.ones(3)  # no longer joined: gathered from where they are now
    optimizer.step()
    assert len(shapes) == 3
    assert not torch.equal(params[1], torch.ones(3))


def test_parameters_that_part_hold_memory_of_their_own():
    params = [nn.Parameter(torch.ones(100)) for _ in range(6)]
    optimizer = KAdam(params, k=1)
    for n in range(5):  # one more rests in every step
        step([optimizer], params, n, range(n, 6))
    storages = {
        x.untyped_storage().data_ptr(): x.untyped_storage().nbytes()
        for of_p in optimizer.state.values()
        for name, x in of_p.items()
        if name != "step"
    }
    assert sum(storages.values()) == 2 * 6 * 400


def test_what_is_put_into_the_groups_counts_from_the_next_step():
    """As with torch's optimizers: a parameter in place of another, a group of other options."""
    params, others = ([nn.Parameter(torch.ones(3)) for _ in range(3)] for _ in range(2))
    optimizer, torchs = KAdam(params[:2], k=1, lr=0.1), torch.optim.Adam(others[:2], lr=0.1)
    for n in range(6):
        if n == 2:
            for one, of_one in ((optimizer, params), (torchs, others)):
                one.param_groups[0]["params"][0] = of_one[2]
        if n == 4:
            for one in (optimizer, torchs):
                one.param_groups[0] = {**one.param_groups[0], "lr": 0.5}
        step([optimizer], params, n, range(3))
        step([torchs], others, n, range(3))
    for p, q in zip(params, others, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-6)


def test_a_state_of_lists_is_loaded_and_goes_on():
    """As version 0.1 wrote it."""
    params, others = parameters(), parameters()
    optimizer, other = KAdam(params), KAdam(others)
    step([optimizer], params, 0, range(6))
    state = copy.deepcopy(optimizer.state_dict())
    for index, of_p in state["state"].items():
        lists = {of: [of_p[f"{of}_1"], of_p[f"{of}_2"]] for of in "mv"}
        state["state"][index] = {"step": int(of_p["step"]), **lists}
    other.load_state_dict(state)
    with torch.no_grad():
        for p, q in zip(params, others, strict=True):
            q.copy_(p)
    step([optimizer], params, 1, range(6))
    step([other], others, 1, range(6))
    assert all(torch.equal(p, q) for p, q in zip(params, others, strict=True))


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))


def train(net, optimizer, steps):
    for n in steps:
        x = torch.randn(16, 4, generator=torch.Generator().manual_seed(n))
        optimizer.zero_grad()
        net(x).square().mean().backward()
        optimizer.step()


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_a_distributed_checkpoint_flattens_the_state(tmp_path):
    net, again = network(), network()
    optimizer, loaded = KAdam(net.parameters(), lr=0.1), KAdam(again.parameters(), lr=0.1)
    options = StateDictOptions(flatten_optimizer_state_dict=True)
    train(net, optimizer, range(3))
    written = get_optimizer_state_dict(net, optimizer, options=options)
    dcp.save(written, checkpoint_id=tmp_path, no_dist=True)
    train(again, loaded, range(1))  # so that there is a state to read into
    read = get_optimizer_state_dict(again, loaded, options=options)
    dcp.load(read, checkpoint_id=tmp_path, no_dist=True)
    set_optimizer_state_dict(again, loaded, read, options=options)
    again.load_state_dict(net.state_dict())
    train(net, optimizer, range(3, 6))
    train(again, loaded, range(3, 6))
    assert all(map(torch.equal, net.parameters(), again.parameters()))


@pytest.fixture
def mesh(tmp_path):
    """A process group of this process alone."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1
    )
    yield init_device_mesh("cpu", (1,))
    torch.distributed.destroy_process_group()


def test_sharded_parameters_are_trained_as_plain_ones(mesh):
    from torch.distributed.fsdp import fully_shard

    net, sharded = network(), network()
    fully_shard(sharded, mesh=mesh)
    optimizer, other = (KAdam(x.parameters(), lr=0.1, compiled=False) for x in (net, sharded))
    train(net, optimizer, range(4))
    train(sharded, other, range(4))
    for p, q in zip(net.parameters(), sharded.parameters(), strict=True):
        assert torch.equal(p, q.full_tensor())
        assert torch.equal(optimizer.state[p]["v_2"], other.state[q]["v_2"].full_tensor())
