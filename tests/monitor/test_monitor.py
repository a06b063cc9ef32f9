"""The monitor tells the truth about a live optimizer, and does not get in its way."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from adamct import KAdam, monitor
from adamct.data import open_corpus
from adamct.data.batches import text_batch
from adamct.models import GPT, GPTConfig
from adamct.monitor.group_statistics import N_SLOPES, TOLERANCE, Window, fit_of
from adamct.monitor.reading import _BLOCK, Moments, max_updates
from adamct.theory import discrete_growth_rate, discrete_max_update_bound

UNSTABLE, STABLE, STRIP = (0.99, 0.9), (0.9, 0.999), (0.69, 0.5)  # torch's order
KINDS = {
    "for-loop": lambda p, **o: torch.optim.Adam(p, foreach=False, **o),
    "foreach": lambda p, **o: torch.optim.Adam(p, foreach=True, **o),
    "fused": lambda p, **o: torch.optim.Adam(p, fused=True, **o),
    "AdamW, foreach": lambda p, **o: torch.optim.AdamW(p, foreach=True, weight_decay=0, **o),
    "for-loop, tensors": lambda p, betas=(0.9, 0.999), **o: torch.optim.Adam(
        p, foreach=False, betas=tuple(torch.tensor(x, dtype=torch.float64) for x in betas), **o
    ),
    "AdamW, fused": lambda p, **o: torch.optim.AdamW(p, fused=True, weight_decay=0, **o),
}


def regression(seed=0, dtype=torch.float32):
    """Return a small MLP and its loss at a step."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1)
    )
    x = torch.randn(512, 10, dtype=dtype)
    y = x @ torch.randn(10, 1, dtype=dtype)
    model = model.to(dtype)

    def loss(n):
        rows = slice(64 * n % 512, 64 * n % 512 + 64)
        return F.mse_loss(model(x[rows]), y[rows])

    return model, loss


def language_model():
    """Return a tiny GPT on the embedded text, and its loss at a step."""
    torch.manual_seed(0)
    corpus = open_corpus("pydoc_topics", source=None, prepared=None)
    shape = {"block_size": 32, "n_layer": 2, "n_head": 2, "d_model": 32, "dropout": 0.0}
    model = GPT(GPTConfig(corpus.vocab_size, **shape))

    def loss(n):
        x, y = text_batch(corpus.train, seed=0, step=n, batch_size=8, block_size=32)
        return F.cross_entropy(model(x).flatten(0, 1), y.flatten())

    return model, loss


def train(optimizer, loss, n_steps, first=0):
    """Train as a user would, knowing of no monitor."""
    for n in range(first, first + n_steps):
        optimizer.zero_grad()
        loss(n).backward()
        optimizer.step()


def feed(optimizer, n_steps, *gradients):
    """Step with the gradient f(n) in every entry, one f for each parameter."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    for n in range(n_steps):
        for p, gradient in zip(params, gradients, strict=True):
            p.grad = torch.full_like(p, gradient(n))
        optimizer.step()


def fed(gradient, n_steps, betas=UNSTABLE, **options):
    """Feed an Adam of one parameter; return its warnings, its monitor and itself."""
    said, p = [], nn.Parameter(torch.ones(2, dtype=torch.float64))
    optimizer = torch.optim.Adam([p], lr=0.0, betas=betas, eps=1e-40)
    watching = monitor.attach(optimizer, {"p": p}, warn=lambda w: said.append(str(w)), **options)
    feed(optimizer, n_steps, gradient)
    return said, watching, optimizer


def vanishing(n):
    """A gradient that is nothing to speak of from step 3 on: free decay."""
    return 1.0 if n < 3 else 1e-12


def train_and_measure(optimizer, named, loss, n_steps, lr):
    """Return ‖(θ_n − θ_{n+1})/η‖∞ of each parameter, shape (steps, parameters)."""
    measured = np.empty((n_steps, len(named)))
    for n in range(n_steps):
        before = [p.detach().clone() for _, p in named]
        train(optimizer, loss, 1, first=n)
        for j, (_, p) in enumerate(named):
            measured[n, j] = (before[j] - p.detach()).abs().max() / lr
    return measured


def caught(make, betas, n_steps, **options):
    """Return the warnings of a training, and the monitor."""
    model, loss = make()
    optimizer = torch.optim.Adam(model.parameters(), betas=betas, **options)
    said = []
    watching = monitor.attach(optimizer, model, warn=lambda warning: said.append(str(warning)))
    train(optimizer, loss, n_steps)
    return said, watching


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "options", [{"betas": UNSTABLE}, {"eps": 1e-2}, {"amsgrad": True, "maximize": True}]
)
def test_max_update_is_what_the_parameters_moved_by(kind, options):
    model, loss = regression(dtype=torch.float64)
    optimizer = KINDS[kind](model.parameters(), lr=1e-3, **options)
    named = list(model.named_parameters())
    watching = monitor.attach(optimizer, model, flush_every=7, warn=False)
    measured = train_and_measure(optimizer, named, loss, 25, lr=1e-3)
    history = watching.history
    assert history.n.tolist() == list(range(25))
    np.testing.assert_allclose(history.max_update, measured.max(axis=1), rtol=1e-9)
    assert history.leader.tolist() == [named[i][0] for i in measured.argmax(axis=1)]
    (group,) = watching.groups
    assert group.diagnosis.torch_betas == options.get("betas", (0.9, 0.999))


def test_on_kadam_it_is_kadams_own_and_that_of_each_level():
    model, loss = regression(dtype=torch.float64)
    optimizer = KAdam(model.parameters(), lr=1e-3, k=2, track_max_update=True)
    named = list(model.named_parameters())
    watching = monitor.attach(optimizer, model, flush_every=5)
    own = []
    optimizer.register_step_post_hook(lambda o, *_: own.append(o.max_update.tolist()))
    measured = train_and_measure(optimizer, named, loss, 20, lr=1e-3)
    history = watching.history
    np.testing.assert_allclose(history.max_update, np.array(own)[:, -1], rtol=1e-14)
    np.testing.assert_allclose(history.max_update, measured.max(axis=1), rtol=1e-9)
    assert history.leader.tolist() == [named[i][0] for i in measured.argmax(axis=1)]
    assert [group.max_update for group in watching.groups] == pytest.approx(own[-1], rel=1e-14)


def test_kadam_groups_with_pairs_of_their_own():
    fast, slow = (nn.Parameter(torch.ones(4, dtype=torch.float64)) for _ in range(2))
    groups = [{"params": [fast], "beta": 0.9, "gamma": 0.99}, {"params": [slow]}]
    optimizer = KAdam(groups, k=1, lr=0.0)
    with monitor.attach(optimizer, {"fast": fast, "slow": slow}, warn=False) as watching:
        feed(optimizer, 100, vanishing, lambda n: 1.0)
    first, second = watching.groups
    assert (first.leader, second.leader) == ("fast", "slow")
    assert first.at_rate
    assert first.fit.share == 1
    assert second.max_update == pytest.approx(1)
    assert second.fit.slope == pytest.approx(0, abs=1e-9)
    assert watching.history.max_update[-1] == first.max_update > second.max_update


def test_under_kadams_guard_the_max_update_is_the_clamped_one():
    guarded, free = (nn.Parameter(torch.zeros(2)) for _ in range(2))
    groups = [{"params": [guarded]}, {"params": [free], "guard": False}]
    optimizer = KAdam(groups, k=1, lr=0.0, track_max_update=True)
    watching = monitor.attach(optimizer)
    feed(optimizer, 10, lambda n: 1e-24, lambda n: 1e-25)  # whose squares underflow: u = m / ε
    watching.flush()
    first, second = watching.groups
    assert first.max_update == pytest.approx(discrete_max_update_bound(9, 0.999, 0.9), rel=1e-4)
    assert second.max_update == pytest.approx(optimizer.max_update.item(), rel=1e-6)
    assert second.max_update > 1e3


class Waits(TorchDispatchMode):
    """Counts what would wait for a device: reading a number out of a tensor."""

    n = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.n += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "make", [KINDS["fused"], lambda p: KAdam(p, k=2)], ids=["torch, fused", "KAdam"]
)
def test_nothing_waits_between_flushes_and_a_flush_is_one_transfer(make, monkeypatch):
    model, loss = regression()
    optimizer = make(model.parameters())
    monitor.attach(optimizer, model, flush_every=8)
    transfers, to_cpu = [], torch.Tensor.cpu
    monkeypatch.setattr(torch.Tensor, "cpu", lambda t: transfers.append(t.shape) or to_cpu(t))
    with Waits() as waits:
        train(optimizer, loss, 7)
        assert not transfers
        train(optimizer, loss, 9)
    assert len(transfers) == 2
    assert waits.n == 0


@pytest.mark.parametrize(
    ("make", "eps"), [(regression, 1e-8), (regression, 1e-12), (language_model, 1e-8)]
)
def test_it_warns_of_the_pair_at_once_and_of_a_rider_within_200_steps(make, eps):
    said, watching = caught(make, UNSTABLE, 200, eps=eps)
    of_pair, of_rider = said
    for part in (
        "betas=(0.99, 0.9)", "(β, γ) = (0.9, 0.99)", "0.0426", "16.26 steps", "beta1 ≤ 0.94868",
    ):  # fmt: skip
        assert part in of_pair
    assert "grows exponentially" in of_rider
    group = watching.groups[0]
    assert group.last_fit
    assert group.max_update <= discrete_max_update_bound(group.n, 0.9, 0.99)
    names = [name for name, _ in make()[0].named_parameters()]
    assert of_rider.split(" ")[0] in names


@pytest.mark.parametrize(
    ("make", "betas", "amsgrad", "words"),
    [
        (regression, STABLE, False, "stable: both theories"),
        (regression, STRIP, False, "the paper's C is negative"),
        (language_model, STRIP, False, "the paper's C is negative"),
        (regression, UNSTABLE, True, "stable for every pair: .* 1/√(1−β) = 3.162"),
    ],
)
def test_it_is_silent_where_the_update_is_bounded(make, betas, amsgrad, words):
    said, watching = caught(make, betas, 150, amsgrad=amsgrad)
    assert said == []
    (group,) = watching.groups
    bound = (1 - betas[1]) ** -0.5 if amsgrad else group.diagnosis.D_limit
    assert watching.history.max_update.max() <= bound
    assert group.last_fit == ""
    for part in words.split(" .* "):
        assert part in watching.report()


def test_by_default_it_warns_with_a_category_at_the_users_line():
    optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))], betas=UNSTABLE)
    with pytest.warns(monitor.StabilityWarning, match="doubles every") as record:
        monitor.attach(optimizer)
    assert [warning.filename for warning in record] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monitor.attach(optimizer, warn=False)


def test_a_freely_decaying_parameter_rides_and_a_slower_one_does_not():
    n, window = np.arange(200, 200 + N_SLOPES + 10), Window.for_every(1)
    D, rate = discrete_max_update_bound(n, 0.9, 0.99), discrete_growth_rate(0.9, 0.99)
    assert fit_of(n, 1e-3 * D, 0.9, 0.99, window).share == 1
    off = 1.5 * TOLERANCE * rate
    assert fit_of(n, D * np.exp(-off * n), 0.9, 0.99, window).share == 0
    assert np.isnan(fit_of(n[1:], D[1:], 0.9, 0.99, window).share)
    reset = np.where(n < n[-8], D, 1e-3 * D)  # the last slopes straddle it
    assert 0.5 < fit_of(n, reset, 0.9, 0.99, window).share < 1


def test_growth_that_small_gradients_brake_is_told_as_such():
    said, *_ = fed(lambda n: 0.96**n, 200)  # fades more slowly than v would without it
    assert len(said) == 2
    assert said[1].startswith("p grows as only an unstable pair lets it: its max-update is 1")


@pytest.mark.parametrize("every", [1, 3, 10])
def test_every_so_many_steps_are_recorded_and_judged(every):
    _, watching, _ = fed(vanishing, 120, every=every)
    assert watching.history.n.tolist() == list(range(0, 120, every))
    assert watching.groups[0].at_rate


def test_groups_and_late_parameters_have_their_own_steps_and_pairs():
    model, loss = regression(dtype=torch.float64)
    early, late = model[0], model[4].requires_grad_(False)
    groups = [
        {"params": early.parameters(), "betas": (0.9, 0.99)},
        {"params": late.parameters(), "betas": (0.5, 0.9), "eps": 1e-3},
    ]
    optimizer = torch.optim.Adam(groups, lr=1e-3)
    named = [(name, p) for name, p in model.named_parameters() if name[0] in "04"]
    watching = monitor.attach(optimizer, model)
    first_steps = train_and_measure(optimizer, named, loss, 10, lr=1e-3)
    late.requires_grad_(True)
    later = train_and_measure(optimizer, named, loss, 15, lr=1e-3)
    measured = np.concatenate([first_steps, later]).max(axis=1)
    np.testing.assert_allclose(watching.history.max_update, measured, rtol=1e-9)
    first, second = watching.groups
    assert (first.n, second.n) == (24, 14)
    assert first.max_update == pytest.approx(later[-1, :2].max(), rel=1e-9)
    assert second.max_update == pytest.approx(later[-1, 2:].max(), rel=1e-9)
    assert second.diagnosis.torch_betas == (0.5, 0.9)


def test_a_pair_that_is_changed_is_noticed_and_judged_anew():
    said, watching, optimizer = fed(lambda n: 1.0, 50, betas=STABLE)
    assert said == []
    (group,) = watching.groups
    optimizer.param_groups[0]["betas"] = UNSTABLE
    feed(optimizer, 30, lambda n: 1.0)
    assert len(said) == 1
    assert (group.diagnosis.torch_betas, group.since) == (UNSTABLE, 50)
    assert not np.isnan(group.fit.slope)  # 30 steps, just enough


@pytest.mark.parametrize("shape", [(), (1,), (3, _BLOCK), (700, 100), (7, 5, 3, 3), (40, 30, 9, 9)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.complex64])
def test_every_shape_layout_and_dtype(shape, dtype):
    generator = torch.Generator().manual_seed(0)
    m, g = (torch.randn(shape, dtype=dtype, generator=generator) for _ in range(2))
    real = torch.view_as_real if dtype.is_complex else lambda t: t
    v = torch.view_as_complex(real(g).square()) if dtype.is_complex else g.square()
    if len(shape) == 4:
        m, v = (t.to(memory_format=torch.channels_last) for t in (m, v))
    t, β, γ, ε = 7.0, 0.999, 0.9, 1e-3
    norms = max_updates([Moments(m, v, torch.tensor(t), β, γ, ε, True)])
    wide = [real(x).double() for x in (m, v)]
    expected = (wide[0] / (1 - γ**t) / ((wide[1] / (1 - β**t)).sqrt() + ε)).abs().max()
    assert norms.shape == (2, 1)
    assert norms[0, 0].item() == pytest.approx(expected.item(), rel=1e-5)
    assert norms[1, 0] == t


def test_parameters_without_elements_or_gradients_are_passed_over():
    used, unused, empty = (nn.Parameter(torch.ones(size)) for size in (2, 2, 0))
    deeper = {"params": [empty], "k": 3}  # a group of more levels, all of them empty
    for optimizer in (
        torch.optim.Adam([unused, empty, used]),
        KAdam([unused, empty, used]),
        KAdam([{"params": [unused, used]}, deeper]),
        KAdam([deeper, {"params": [unused, used]}]),
    ):
        watching = monitor.attach(optimizer, {"used": used})
        optimizer.step()  # before any gradient
        used.grad = torch.ones(2)
        empty.grad = torch.ones(0)
        optimizer.step()
        assert watching.groups[0].n == -1
        assert watching.history.max_update[-1] == pytest.approx(1)
        assert watching.history.leader[-1] == "used"
        used.grad = empty.grad = None
    monitor.attach(optimizer := KAdam([deeper]))  # nothing to watch
    optimizer.step()


def test_steps_that_grad_scaler_makes_void_are_not_recorded():
    p = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.Adam([p], fused=True)
    watching = monitor.attach(optimizer)
    scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
    for factor in (torch.inf, 1.0, 2.0, torch.inf, 3.0):
        optimizer.zero_grad()
        scaler.scale((factor * p).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
    history = watching.history
    assert len(history.n) == 3
    assert np.isfinite(history.max_update).all()
    assert watching.groups[0].n == 2


@pytest.mark.parametrize("make", [torch.optim.AdamW, KAdam])
def test_copies_and_checkpoints_of_a_watched_optimizer(make):
    model, loss = regression()
    optimizer = make(model.parameters())
    watching = monitor.attach(optimizer, model)
    train(optimizer, loss, 5)
    model_, optimizer_ = copy.deepcopy((model, optimizer))
    train(optimizer_, lambda n: model_(torch.ones(1, 10)).square().sum(), 3)
    assert len(watching.history.n) == 5  # the copy is not watched
    pickle.loads(pickle.dumps(optimizer)).step()

    saved = copy.deepcopy(optimizer.state_dict())
    fresh_model, fresh_loss = regression()
    fresh = make(fresh_model.parameters())
    watching = monitor.attach(fresh, fresh_model)
    train(fresh, fresh_loss, 2)
    fresh.load_state_dict(saved)
    train(fresh, fresh_loss, 3)
    later = monitor.attach(fresh, fresh_model)
    train(fresh, fresh_loss, 2)
    assert watching.history.n.tolist() == [0, 1, 5, 6, 7, 8, 9]
    assert later.history.n.tolist() == [8, 9]
    assert watching.groups[0].n == 9


@pytest.mark.parametrize("make", [torch.optim.Adam, lambda p: KAdam(p, k=1)])
def test_a_group_that_is_added_is_watched(make):
    model, loss = regression()
    optimizer = make(model[0].parameters())
    watching = monitor.attach(optimizer, model)
    train(optimizer, loss, 3)
    optimizer.add_param_group({"params": list(model[4].parameters())})
    train(optimizer, loss, 3, first=3)
    assert watching.history.n.tolist() == list(range(6))
    assert [(group.n, len(group.columns)) for group in watching.groups] == [(5, 2), (2, 2)]


@pytest.mark.parametrize("make", [torch.optim.Adam, KAdam])
def test_training_is_untouched_and_detaching_leaves_the_optimizer_as_it_was(make):
    ends = []
    for watched in (False, True):
        model, loss = regression()
        optimizer = make(model.parameters())
        watching = monitor.attach(optimizer, model) if watched else None
        train(optimizer, loss, 3)
        if watched:
            watching.detach()
        train(optimizer, loss, 3)
        ends.append(nn.utils.parameters_to_vector(model.parameters()))
    assert torch.equal(*ends)
    watching.detach()
    assert watching.history.n.tolist() == [0, 1, 2]
    assert "after step n = 2" in watching.report()


def test_names():
    model = nn.Linear(3, 2)
    named, unnamed = model.named_parameters, model.parameters
    for make in (torch.optim.Adam, KAdam):
        for names, optimizer, name in (
            ([model], make(unnamed()), "weight"),
            ([named()], make(unnamed()), "weight"),
            ([dict(named())], make(unnamed()), "weight"),
            ([], make(named()), "weight"),
            ([], make(unnamed()), "parameter 0 of group 0 (2 x 3)"),
        ):
            model.weight.grad, model.bias.grad = torch.ones(2, 3), None
            watching = monitor.attach(optimizer, *names)
            optimizer.step()
            assert watching.history.leader[-1] == name


def test_the_report_has_the_numbers():
    model, loss = regression()
    optimizer = torch.optim.Adam(model.parameters(), betas=UNSTABLE)
    watching = monitor.attach(optimizer, model, warn=False)
    assert "before its first step" in watching.report()
    assert [column.shape for column in watching.history] == [(0,)] * 3
    train(optimizer, loss, 40)
    report = watching.report()
    group = watching.groups[0]
    for part in (
        "Adam after step n = 39",
        "-0.0909091", "0.0454545 per step", "0.0426299 per step",
        f"{discrete_max_update_bound(39, 0.9, 0.99):.6g}",
        f"{group.max_update:.4g} at n = 39, of {group.leader}",
        f"{group.fit.slope:.4g} per step where ln D_n has {group.fit.predicted:.4g}",
    ):  # fmt: skip
        assert part in report
    coarse = KAdam([{"params": [nn.Parameter(torch.ones(3))], "second_moment": "tensor_mean"}])
    assert "D_n bounds the root mean square of u" in monitor.attach(coarse).report()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda p: monitor.attach(torch.optim.SGD(p)), TypeError, "got SGD; expected torch.optim"),
        (lambda p: monitor.attach(KAdam(p), every=0), ValueError, "every=0 is too small"),
        (lambda p: monitor.attach(KAdam(p), flush_every=0), ValueError, "flush_every=0 is too"),
        (lambda p: monitor.attach(KAdam(p), nn.Linear(1, 1)), ValueError, "none of the 2 named"),
    ],
)
def test_what_cannot_be_watched_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call([nn.Parameter(torch.zeros(1))])
