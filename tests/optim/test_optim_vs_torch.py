"""At k = 1 KAdam is torch's AdamW, and with coupled decay torch's Adam."""

import copy

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


def one_group(params, pair):
    return [{"params": params, **pair(0.999, 0.9)}]


def two_groups(params, pair):
    """Two groups which differ in everything."""
    return [
        {"params": params[:2], "lr": 3e-2, "weight_decay": 0.2, **pair(0.99, 0.8)},
        {"params": params[2:], "lr": 1e-3, "weight_decay": 0.0, "maximize": True},
    ]


@pytest.mark.parametrize("decoupled", [True, False])
@pytest.mark.parametrize(
    ("options", "scheduler", "groups"),
    [
        ({}, None, one_group),
        ({}, None, two_groups),
        ({"maximize": True, "weight_decay": 0.1}, None, one_group),
        ({"weight_decay": 0.1}, cosine, one_group),
        ({"weight_decay": 0.1}, one_cycle, one_group),
        ({"lr": torch.tensor(0.01).double(), "weight_decay": 0.1}, cosine, one_group),
        ({"lr": torch.tensor([0.01]).double()}, None, one_group),
    ],
    ids=["default", "groups", "maximize", "cosine", "one_cycle", "lr_0d", "lr_1d"],
)
def test_k1_is_torch(decoupled, options, scheduler, groups):
    ours, theirs = parameters(), parameters()
    options = {"lr": 1e-2, "weight_decay": 0.0, "eps": EPS, **options}
    adam = torch.optim.AdamW if decoupled else torch.optim.Adam
    mine = {"k": 1, "decoupled": decoupled, **copy.deepcopy(options)}
    other = {"foreach": False, **copy.deepcopy(options)}
    for optimizer, params in (
        (KAdam(groups(ours, lambda β, γ: {"beta": β, "gamma": γ}), **mine), ours),
        (adam(groups(theirs, lambda β, γ: {"betas": (γ, β)}), **other), theirs),
    ):
        run(optimizer, params, scheduler and scheduler(optimizer))
    for p, q, start in zip(ours, theirs, parameters(), strict=True):
        assert (q - start).abs().min() > 1e-4  # it did go somewhere
        torch.testing.assert_close(p, q, rtol=1e-11, atol=1e-12)
