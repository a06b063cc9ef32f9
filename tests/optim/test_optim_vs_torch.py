"""At k = 1 KAdam is torch's AdamW, and with coupled decay torch's Adam."""

import pytest
import torch

from adamct import KAdam

SHAPES = [(4, 3), (5,), (2, 3, 2), ()]
N_STEPS = 200
EPS = 1e-30  # in both: torch adds it after the bias correction, which then cannot be told apart


def parameters():
    generator = torch.Generator().manual_seed(0)
    return [
        torch.nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64))
        for shape in SHAPES
    ]


def run(optimizer, params, scheduler=None):
    """Random gradients whose size wanders over six decades."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(N_STEPS):
        scale = 10 ** (6 * torch.rand((), generator=generator, dtype=torch.float64) - 3)
        for p in params:
            p.grad = scale * torch.randn(p.shape, generator=generator, dtype=torch.float64)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()


def cosine(optimizer):
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=N_STEPS)


def one_cycle(optimizer):
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.1, total_steps=N_STEPS + 1, cycle_momentum=False
    )


def groups(params, names):
    """Two groups which differ in everything; ``names`` says how a pair (β, γ) is spelt."""
    return [
        {"params": params[:2], "lr": 3e-2, "weight_decay": 0.2, **names(0.99, 0.8)},
        {"params": params[2:], "lr": 1e-3, "weight_decay": 0.0, "maximize": True},
    ]


@pytest.mark.parametrize("decoupled", [True, False])
@pytest.mark.parametrize(
    ("options", "scheduler"),
    [
        ({}, None),
        ({"lr": 0.05}, None),
        ({"weight_decay": 0.3}, None),
        ({"maximize": True, "weight_decay": 0.1}, None),
        ({"weight_decay": 0.1}, cosine),
        ({"weight_decay": 0.1}, one_cycle),
        ({"lr": torch.tensor(0.01, dtype=torch.float64), "weight_decay": 0.1}, cosine),
        ({"lr": torch.tensor([0.01], dtype=torch.float64)}, None),
    ],
    ids=["default", "lr", "decay", "maximize", "cosine", "one_cycle", "lr_0d", "lr_1d"],
)
def test_k1_is_torch(decoupled, options, scheduler):
    theirs_class = torch.optim.AdamW if decoupled else torch.optim.Adam
    options = {"lr": 1e-2, "weight_decay": 0.0, **options}
    results = []
    for make in (
        lambda ps, lr: theirs_class(
            ps, **{**options, "lr": lr}, betas=(0.9, 0.999), eps=EPS, foreach=False
        ),
        lambda ps, lr: KAdam(
            ps, k=1, beta=0.999, gamma=0.9, eps=EPS, decoupled=decoupled, **{**options, "lr": lr}
        ),
    ):
        params, lr = parameters(), options["lr"]
        optimizer = make(params, lr.clone() if isinstance(lr, torch.Tensor) else lr)
        run(optimizer, params, scheduler and scheduler(optimizer))
        results.append(params)
    for theirs, ours, start in zip(*results, parameters(), strict=True):
        assert (theirs - start).abs().min() > 1e-4  # it did go somewhere
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("decoupled", [True, False])
def test_k1_is_torch_group_by_group(decoupled):
    theirs, ours = parameters(), parameters()
    theirs_class = torch.optim.AdamW if decoupled else torch.optim.Adam
    run(theirs_class(groups(theirs, lambda β, γ: {"betas": (γ, β)}), eps=EPS), theirs)
    run(
        KAdam(
            groups(ours, lambda β, γ: {"beta": β, "gamma": γ}), k=1, eps=EPS, decoupled=decoupled
        ),
        ours,
    )
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)
