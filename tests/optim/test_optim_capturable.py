"""A step whose count is on the device: the same bits, nothing from the host, and replayable."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from adamct import KAdam
from adamct.optim import compiled, kadam
from adamct.optim.update import device_level, level_scalars

OPTIONS = {
    "k=1": {"k": 1},
    "tracked": {"k": 2, "track_max_update": True},
    "decoupled": {"k": 3, "weight_decay": 0.1, "strategy": "exp"},
    "coupled": {"k": 2, "weight_decay": 0.1, "decoupled": False, "maximize": True},
    "unguarded": {"k": 2, "guard": False, "eps": 1e-8},
    "levels": {"level_betas": (0.0, 0.9, 0.81), "level_gammas": (0.0, 0.8, 0.9)},
    "unstable": {"k": 1, "beta": 0.8, "gamma": 0.95},
}
SHAPES = [(3, 5), (4,), (), (2, 3, 4)]


@pytest.fixture(params=[False, True], ids=["eager", "as_compiled"])
def compiled_or_not(request, monkeypatch):
    """Whether steps take the way of compiled ones, here without a compiler."""
    monkeypatch.setattr(compiled, "_compiled", lambda: compiled._update_from_tensors)
    return request.param


def built(options, device="cpu", **more):
    generator = torch.Generator().manual_seed(0)
    params = [nn.Parameter(torch.randn(s, generator=generator).to(device)) for s in SHAPES]
    for p in params:
        p.grad = torch.zeros_like(p)
    groups = [
        {"params": params[:3]},
        {"params": params[3:], "second_moment": "tensor_mean"},
    ]
    return params, KAdam(groups, **{"lr": 0.01, **options, **more})


def give_gradients(params, n):
    generator = torch.Generator().manual_seed(n)
    for p in params:
        p.grad.copy_(torch.randn(p.shape, generator=generator))


def assert_equal(params, optimizer, others, other):
    for p, q in zip(params, others, strict=True):
        assert torch.equal(p, q)
        assert optimizer.state[p].keys() == other.state[q].keys()
        assert all(torch.equal(x, other.state[q][name]) for name, x in optimizer.state[p].items())
    assert optimizer.max_update is other.max_update or torch.equal(
        optimizer.max_update, other.max_update
    )


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_steps_have_the_bits_that_they_have_without(options, compiled_or_not):
    steps = []
    for capturable in (False, True):
        params, optimizer = built(options, compiled=compiled_or_not, capturable=capturable)
        steps.append((params, optimizer))
        for n in range(60):
            give_gradients(params, n)
            for group in optimizer.param_groups:
                group["lr"] = 0.01 / (n + 1)
            optimizer.step()
    assert_equal(*steps[0], *steps[1])


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.81, 0.999, 1 - 1e-7])
@pytest.mark.parametrize("gamma", [0.0, 0.9, 0.9999])
def test_scalars_are_the_hosts_at_any_step(beta, gamma):
    largest = torch.finfo(torch.float32).max
    for n in np.unique(np.geomspace(1, 1e6, 15, dtype=int)) - 1:
        host = level_scalars(int(n), beta, gamma, largest=largest)
        here = device_level(
            torch.tensor(float(n)), beta, gamma, largest=largest, dtype=torch.float64
        )
        assert here[:2] == host[:2]
        bound = math.inf if host.bound is None else host.bound
        assert [x.item() for x in here[2:]] == pytest.approx([host.correction, bound], rel=1e-11)


class OnOneDevice(TorchDispatchMode):
    """Refuses every operation on a tensor of another device, and every read by the host."""

    def __init__(self, device):
        super().__init__()
        self._device = torch.device(device)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for x in tree_flatten((args, kwargs, out))[0]:
            assert not isinstance(x, torch.Tensor) or x.device == self._device, func
        assert func is not torch.ops.aten._local_scalar_dense.default
        return out


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_step_neither_reads_from_the_device_nor_sends_to_it(options, compiled_or_not):
    _, optimizer = built(options, "meta", compiled=compiled_or_not, capturable=True)
    optimizer.param_groups[0]["lr"] = torch.tensor(0.01, device="meta")
    optimizer.step()
    with OnOneDevice("meta"):
        optimizer.step()
    for of_p in optimizer.state.values():
        assert {x.device.type for x in of_p.values()} == {"meta"}
    _, optimizer = built(options, "meta", compiled=compiled_or_not)
    with pytest.raises(AssertionError, match="aten"), OnOneDevice("meta"):
        optimizer.step()


class Graph(TorchDispatchMode):
    """What a CUDA graph is: operations on fixed tensors, replayed without the host's code."""

    def __init__(self):
        super().__init__()
        self._operations = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func.namespace == "aten":  # and not the profiler
            self._operations.append((func, args, kwargs or {}, out))
        return out

    def replay(self):
        for func, args, kwargs, out in self._operations:
            for old, new in zip(
                tree_flatten(out)[0], tree_flatten(func(*args, **kwargs))[0], strict=True
            ):
                old.copy_(new)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_graph_of_one_step_replays_the_steps_that_follow(options, compiled_or_not):
    (params, optimizer), (others, other) = (
        built(options, compiled=compiled_or_not, capturable=capturable, lr=torch.tensor(0.01))
        for capturable in (True, False)
    )
    graph = Graph()
    for n in range(30):
        for parameters, of_them in ((params, optimizer), (others, other)):
            give_gradients(parameters, n)
            for group in of_them.param_groups:
                group["lr"].fill_(0.01 / (n + 1))
        if n == 5:
            with graph, torch.no_grad():
                optimizer.step()
        elif 5 < n < 25:
            with torch.no_grad():
                graph.replay()
        else:
            optimizer.step()  # knows how many steps were replayed
        other.step()
    assert_equal(params, optimizer, others, other)
    others[0].grad = params[0].grad = None  # so that the rest are laid out anew
    other.step(), optimizer.step()
    assert_equal(params, optimizer, others, other)


@pytest.mark.parametrize("way", ["state_dict", "pickle", "deepcopy"])
@pytest.mark.parametrize("capturable", [(True, True), (True, False), (False, True)])
def test_the_state_goes_on_wherever_steps_are_counted(way, capturable):
    (params, optimizer), (others, other) = (
        built({"track_max_update": True}, capturable=c) for c in capturable
    )
    for n in range(3):
        give_gradients(params, n)
        optimizer.step()
    if way == "state_dict":
        other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        for p, q in zip(params, others, strict=True):
            q.data.copy_(p)
    else:
        duplicate = copy.deepcopy if way == "deepcopy" else lambda x: pickle.loads(pickle.dumps(x))
        other = duplicate(optimizer)
        others = [p for group in other.param_groups for p in group["params"]]
        assert other.capturable == capturable[0]
    for n in range(3, 6):
        for parameters, of_them in ((params, optimizer), (others, other)):
            for p in parameters:
                p.grad = torch.zeros_like(p)
            give_gradients(parameters, n)
            of_them.step()
    assert_equal(params, optimizer, others, other)
    assert optimizer.state[params[0]]["step"] == 6


def test_a_graph_that_would_replay_one_step_for_ever_is_refused(monkeypatch):
    monkeypatch.setattr(kadam, "_is_captured", lambda: True)
    _, optimizer = built({})
    with pytest.raises(RuntimeError, match=r"count is kept on the host.*capturable=True"):
        optimizer.step()
    assert not optimizer.state
    built({}, capturable=True)[1].step()
