"""The compiled update: the same numbers, compiled once, and a way out without a compiler."""

import os
import shutil
import sysconfig
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from adamct import KAdam
from adamct.optim import compiled
from adamct.optim.state import flatten

needs_compiler = pytest.mark.skipif(
    shutil.which(os.environ.get("CXX", "g++")) is None
    or not (Path(sysconfig.get_path("include")) / "Python.h").exists(),
    reason="torch.compile needs a C++ compiler and Python's headers",
)


def parameters():
    torch.manual_seed(0)
    shapes = [(8, 16), (5,), (), (1,), (10,), (4, 6, 3, 3), (3, 2, 4), (2, 4, 5)]
    params = [torch.randn(shape) for shape in shapes]
    params[5] = params[5].to(memory_format=torch.channels_last)
    params[6] = torch.randn(6, 2, 4)[::2]  # with gaps: no flat view
    params[7] = params[7].permute(2, 0, 1)
    return [nn.Parameter(p) for p in params]


def run(compiled, options, n_steps=6):
    params = parameters()
    optimizer = KAdam(params, compiled=compiled, track_max_update=True, weight_decay=0.1, **options)
    assert optimizer.uses_compiled is compiled
    norms = []
    for n in range(n_steps):
        torch.manual_seed(n)
        for p in params:
            p.grad = torch.randn(p.shape)
        params[4].grad = torch.randn(()).expand(10)  # one element for all
        lr = options.get("lr")
        rate = 0.1 / (n + 1)
        optimizer.param_groups[0]["lr"] = rate if lr is None else torch.full_like(lr, rate)
        optimizer.step()
        norms.append(optimizer.max_update)
    return params, optimizer, norms


@needs_compiler
def test_compiled_is_eager_and_compiles_once():
    counters = torch._dynamo.utils.counters["stats"]
    before = counters["unique_graphs"]
    for options in (
        {},  # lr and n change at every step, the shape at every parameter
        {"beta": 0.9, "gamma": 0.5, "strategy": "naive", "eps": 1e-8},
        {"guard": False},
        {"k": 3},
        {"level_betas": (0.0, 0.9), "level_gammas": (0.0, 0.8)},
        {"lr": torch.tensor(0.3)},
        {"lr": torch.tensor([0.3], dtype=torch.float64)},
    ):
        fast, fast_optimizer, fast_norms = run(True, options)
        slow, slow_optimizer, slow_norms = run(False, options)
        for p, q in zip(fast, slow, strict=True):
            torch.testing.assert_close(p, q, rtol=2e-6, atol=2e-6)
            mine, theirs = dict(fast_optimizer.state[p]), dict(slow_optimizer.state[q])
            assert mine.pop("step") == theirs.pop("step")
            for name, a in mine.items():
                torch.testing.assert_close(a, theirs[name], rtol=2e-5, atol=1e-6)
        torch.testing.assert_close(
            torch.stack(fast_norms), torch.stack(slow_norms), rtol=2e-5, atol=0
        )
    # One for the last level, one for all others.
    assert counters["unique_graphs"] - before == 2


@pytest.fixture
def counting_backend(monkeypatch):
    """The graphs that torch.compile hands to its backend, which runs them as they are."""
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph

    function = torch.compile(compiled._update_from_tensors, fullgraph=True, backend=backend)
    monkeypatch.setattr(compiled, "_compiled", lambda: function)
    monkeypatch.setattr(compiled, "_compiled_kinds", set())
    return graphs, backend


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("track", [False, True])
@pytest.mark.parametrize("options", [{"decoupled": False, "maximize": True}, {"weight_decay": 0.0}])
def test_blocks_and_levels_apart_change_nothing(
    counting_backend, monkeypatch, options, track, joined
):
    """Also where the last block is short, and whoever has joined the parameters."""
    monkeypatch.setattr(compiled, "BLOCK", 32)
    options = {"k": 4, "weight_decay": 0.1, "track_max_update": track, **options}
    results = []
    for at_once in (1, 3, 4):
        monkeypatch.setattr(compiled, "AT_ONCE", {track: at_once})
        params = [nn.Parameter(torch.linspace(-1, 1, n)) for n in (30, 71)]
        if joined:
            flatten(params)
        optimizer = KAdam(params, compiled=True, **options)
        for n in range(3):
            for p in params:
                p.grad = torch.zeros_like(p) if p.grad is None else p.grad
                p.grad.copy_(torch.randn(len(p), generator=torch.Generator().manual_seed(n)))
            optimizer.step()
        moments = [x for p in params for x in optimizer.state[p].values()]
        norms = [optimizer.max_update] if track else []
        results.append(torch.cat([x.detach().reshape(-1) for x in (*params, *moments, *norms)]))
    assert torch.equal(results[0], results[2])
    assert torch.equal(results[1], results[2])


def test_a_failure_between_levels_is_an_error(counting_backend, monkeypatch):
    """Since eager steps would advance the first level once more."""
    function, calls = compiled._compiled(), []

    def fail_later(*args, **kwargs):
        calls.append(args)
        if len(calls) > 1:
            raise OSError("the disk is full")
        return function(*args, **kwargs)

    monkeypatch.setattr(compiled, "_compiled", lambda: fail_later)
    monkeypatch.setattr(compiled, "COMPILE_FROM", 3)
    p = nn.Parameter(torch.ones(5))
    with pytest.raises(RuntimeError, match="the disk is full"):
        step(KAdam([p], k=2, track_max_update=True), p)


def test_more_kinds_are_compiled_than_torch_allows(counting_backend):
    graphs, _ = counting_backend
    with torch._dynamo.config.patch(recompile_limit=2):  # in place of 8
        for k in range(1, 5):
            fast, slow = nn.Parameter(torch.ones(5)), nn.Parameter(torch.ones(5))
            for p, forced in ((fast, True), (slow, False)):
                optimizer = KAdam([p], k=k, compiled=forced)
                step(optimizer, p)
                step(optimizer, p)
            torch.testing.assert_close(fast, slow)
    assert len(graphs) == 4


def test_the_step_itself_can_be_compiled(counting_backend):
    """Also at many steps and rates, each of which a traced step would compile again."""
    graphs, backend = counting_backend
    plain, wrapped = (nn.Parameter(torch.ones(6)) for _ in range(2))
    optimizers = [KAdam([p], weight_decay=0.1) for p in (plain, wrapped)]
    steps = [optimizers[0].step, torch.compile(optimizers[1].step, backend=backend)]
    for n in range(20):
        for optimizer, p, step_ in zip(optimizers, (plain, wrapped), steps, strict=True):
            optimizer.param_groups[0]["lr"] = 0.1 / (n + 1)
            p.grad = torch.randn(6, generator=torch.Generator().manual_seed(n))
            step_()
    assert torch.equal(plain, wrapped)
    assert optimizers[1].state[wrapped]["step"] == 20
    assert len(graphs) <= 1


@pytest.fixture
def no_compiler(monkeypatch):
    """torch.compile fails, and three parameters are enough to want it."""

    def fail(*args, **kwargs):
        raise OSError("no g++ here")

    monkeypatch.setattr(compiled, "_compiled", lambda: fail)
    monkeypatch.setattr(compiled, "_compiled_kinds", set())
    monkeypatch.setattr(compiled, "COMPILE_FROM", 3)
    monkeypatch.setattr(compiled, "_no_compiler", False)


def step(optimizer, p):
    p.grad = torch.arange(1.0, 1 + p.numel())
    optimizer.step()
    return p.detach()


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_one_notice_and_eager_steps():
    first, second, eager = (nn.Parameter(torch.ones(5)) for _ in range(3))
    optimizer, other, reference = KAdam([first]), KAdam([second]), KAdam([eager], compiled=False)
    assert optimizer.uses_compiled
    with pytest.warns(RuntimeWarning, match=r"eagerly.*no g\+\+ here.*compiled=False"):
        step(optimizer, first)
    assert not optimizer.uses_compiled
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step(optimizer, first)
        for of, p in ((other, second), (reference, eager)):
            step(of, p)
            step(of, p)
    assert torch.equal(first, eager)
    assert torch.equal(second, eager)
    assert optimizer.state[first]["step"] == 2


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_compiled_true_is_an_error():
    p = nn.Parameter(torch.ones(5))
    optimizer = KAdam([p], compiled=True)
    with pytest.raises(RuntimeError, match=r"compiled=True, but.*no g\+\+ here.*C\+\+ compiler"):
        step(optimizer, p)
    assert torch.equal(p, torch.ones(5))
    assert optimizer.state[p]["step"] == 0


@pytest.mark.usefixtures("no_compiler")
@pytest.mark.parametrize(
    ("size", "compiled", "second_moment"),
    [
        (2, None, "elementwise"),  # below the threshold
        (5, False, "elementwise"),
        (5, True, "tensor_mean"),
        (1, True, "elementwise"),
    ],
)
def test_what_is_not_compiled_needs_no_compiler(size, compiled, second_moment):
    p = nn.Parameter(torch.ones(size))
    optimizer = KAdam([{"params": [p], "second_moment": second_moment}], compiled=compiled)
    assert not torch.equal(step(optimizer, p), torch.ones(size))
