"""What KAdam takes and refuses, and how the levels' decays follow from one pair."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from adamct import KAdam
from adamct.optim import STRATEGIES, level_decays, reference_step, strategy_hyperparameters


def one():
    return [nn.Parameter(torch.ones(2))]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        *(
            ({name: value}, TypeError, f"does not take {name}={value}: .+")
            for name in ("amsgrad", "foreach", "fused", "differentiable")
            for value in (True, False)
        ),
        ({"betas": (0.8, 0.95)}, TypeError, r"KAdam\(..., beta=0.95, gamma=0.8\)"),
        ({"lr": -1.0}, ValueError, "lr=-1.0.*>= 0"),
        ({"lr": "fast"}, TypeError, "lr='fast'.*float"),
        ({"lr": torch.ones(2)}, ValueError, r"lr.*\(2,\).*one element"),
        ({"lr": torch.tensor(math.nan)}, ValueError, "lr=nan.*>= 0"),
        ({"eps": -1e-8}, ValueError, "eps=-1e-08.*>= 0"),
        ({"eps": math.inf}, ValueError, "eps=inf.*finite"),
        ({"weight_decay": math.nan}, ValueError, "weight_decay=nan.*>= 0"),
        ({"beta": 1.0}, ValueError, "beta = 1.0"),
        ({"k": 0}, ValueError, "k=0.*k >= 1"),
        ({"strategy": "linear"}, ValueError, "'linear'.*inverse_exp"),
        ({"level_betas": [0.9]}, ValueError, "level_gammas=None.*both"),
        ({"level_betas": [0.9], "level_gammas": [0.9, 0.8]}, ValueError, "one decay"),
        ({"level_betas": [], "level_gammas": []}, ValueError, r"level_betas=\(\)"),
        ({"level_betas": [1.0], "level_gammas": [0.9]}, ValueError, "level_betas = 1.0"),
        ({"state_dtype": torch.bfloat16}, ValueError, "bfloat16.*float32.*float64"),
    ],
)
def test_options_are_refused_by_name_in_the_constructor_and_in_a_group(options, error, words):
    with pytest.raises(error, match=words):
        KAdam(one(), **options)
    optimizer = KAdam(one())
    with pytest.raises(error, match=words):
        optimizer.add_param_group({"params": one(), **options})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: KAdam([]), ValueError, "empty parameter list"),
        (lambda: KAdam(one(), momentum=0.9), TypeError, "momentum"),
        (lambda: KAdam([{"params": one(), "second_moment": 1}]), ValueError, "=1.*tensor_mean"),
        (lambda: KAdam(one()).add_param_group(one()), TypeError, "expected a dict"),
        (
            *(lambda: KAdam([{"params": one(), "capturable": True}]), TypeError),
            "does not take capturable=True: .*to KAdam itself",
        ),
        (lambda: KAdam(one()).update_of(one()[0]), ValueError, r"\(2,\).*after a step"),
        (lambda: lr_scheduler.OneCycleLR(KAdam(one()), 0.1, 10), ValueError, "momentum"),
        (lambda: lr_scheduler.CyclicLR(KAdam(one()), 0.1, 0.2), ValueError, "momentum"),
        (
            lambda: reference_step(torch.ones(2), None, None, lr=0.1, betas=[], gammas=[]),
            TypeError, "float32.*float64",
        ),
        (lambda: strategy_hyperparameters("linear", 2, 0.9, 0.9), ValueError, "'linear'.*'root'"),
        (lambda: strategy_hyperparameters("exp", 2.0, 0.9, 0.9), TypeError, "k=2.0.*integer"),
        (lambda: strategy_hyperparameters("exp", True, 0.9, 0.9), TypeError, "k=True.*integer"),
        (lambda: strategy_hyperparameters("exp", 2, 0.9, -0.1), ValueError, "gamma = -0.1"),
        (lambda: strategy_hyperparameters("exp", 2, "0.9", 0.9), TypeError, "beta = '0.9'.*number"),
        (lambda: strategy_hyperparameters("root", 2, 1 - 1e-16, 0.9), ValueError, "beta = 1.0"),
    ],
)  # fmt: skip
def test_calls_that_cannot_work_are_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_groups_hold_plain_values_and_no_name_that_schedulers_overwrite():
    options = {
        "lr": np.float64(0.1),
        "beta": np.float32(0.5),
        "guard": np.bool_(True),
        "level_betas": np.array([0.5, 0.6]),
        "level_gammas": np.zeros(2),
    }
    (group,) = KAdam(one(), **options).param_groups
    assert {type(v) for k, v in group.items() if k != "params"} <= {
        float, int, bool, str, tuple, type(None),
    }  # fmt: skip
    assert {type(x) for x in group["level_betas"] + group["level_gammas"]} == {float}
    assert not {"betas", "momentum"} & group.keys()
    levels = strategy_hyperparameters("exp", np.int64(2), np.float64(0.999), np.float32(0.5))
    assert [type(x) for level in levels for x in level] == [float] * 4


def test_which_levels_are_in_effect():
    groups = [
        {"params": one()},
        {"params": one(), "k": 3},
        {"params": one(), "gamma": 0.5, "strategy": "exp"},
        {"params": one(), "level_betas": [0.7], "level_gammas": [0.6]},
        {"params": one(), "lr": 1.0},
    ]
    strategy = {"k": 2, "strategy": "scaled", "beta": 0.99, "gamma": 0.8}
    effect = [level_decays(g) for g in KAdam(groups, **strategy).param_groups]
    plain = strategy_hyperparameters("scaled", 2, 0.99, 0.8)
    three = strategy_hyperparameters("scaled", 3, 0.99, 0.8)
    other = strategy_hyperparameters("exp", 2, 0.99, 0.5)
    assert effect == [plain, three, other, ((0.7,), (0.6,)), plain]

    # Explicit levels of the constructor rule, except where a group names its own strategy.
    explicit = {"level_betas": (0.4, 0.3, 0.2), "level_gammas": (0.1, 0.1, 0.0)}
    optimizer = KAdam(groups, **strategy, **explicit)
    rule, other = tuple(explicit.values()), strategy_hyperparameters("exp", 3, 0.99, 0.5)
    effect = [level_decays(g) for g in optimizer.param_groups]
    assert effect == [rule, three, other, ((0.7,), (0.6,)), rule]
    assert [g["k"] for g in optimizer.param_groups] == [3, 3, 3, 1, 3]


@pytest.mark.parametrize("k", [1, 2, 3, 10])
@pytest.mark.parametrize(("beta", "gamma"), [(0.999, 0.9), (1 - 1e-9, 1e-3)])
def test_each_formula_undone_gives_the_pair_back(k, beta, gamma):
    undo = {
        "inverse_exp": lambda x: 1 - math.prod([1 - x] * k),
        "exp": lambda x: math.exp(math.log(x) / k),
        "scaled": lambda x: sum([x] * k),
        "naive": lambda x: x,
        "root": lambda x: math.prod([x] * k),
    }
    assert set(undo) == set(STRATEGIES)
    for strategy, inverse in undo.items():
        levels = strategy_hyperparameters(strategy, k, beta, gamma)
        for decays, x in zip(levels, (beta, gamma), strict=True):
            assert decays == (decays[0],) * k
            assert 0 <= decays[0] < 1
            assert inverse(decays[0]) == pytest.approx(x, rel=1e-11)
            assert k > 1 or decays[0] == x
