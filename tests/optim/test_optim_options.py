"""What KAdam refuses, and that it says why."""

import math
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from adamct import KAdam
from adamct.optim import level_decays, strategy_hyperparameters


def one():
    return [nn.Parameter(torch.ones(2))]


@pytest.mark.parametrize("name", ["amsgrad", "foreach", "fused", "capturable", "differentiable"])
@pytest.mark.parametrize("value", [True, False])
def test_torchs_options_are_refused_by_name(name, value):
    with pytest.raises(TypeError, match=f"does not take {name}={value}: .+"):
        KAdam(one(), **{name: value})
    optimizer = KAdam(one())
    with pytest.raises(TypeError, match=f"does not take {name}={value}: .+"):
        optimizer.add_param_group({"params": one(), name: value})
    assert len(optimizer.param_groups) == 1


def test_betas_are_refused_with_the_call_that_is_meant():
    with pytest.raises(TypeError, match=re.escape("KAdam(..., beta=0.999, gamma=0.9)")):
        KAdam(one(), betas=(0.9, 0.999))
    with pytest.raises(TypeError, match=re.escape("KAdam(..., beta=0.95, gamma=0.8)")):
        KAdam([{"params": one(), "betas": (0.8, 0.95)}])


def test_an_unknown_option_is_refused():
    with pytest.raises(TypeError, match="momentum"):
        KAdam(one(), momentum=0.9)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"lr": -1.0}, ValueError, ["lr=-1.0", ">= 0"]),
        ({"lr": "fast"}, TypeError, ["lr='fast'", "float"]),
        ({"lr": torch.ones(2)}, ValueError, ["lr", "(2,)", "one element"]),
        ({"lr": torch.tensor(math.nan)}, ValueError, ["lr=nan", ">= 0"]),
        ({"eps": -1e-8}, ValueError, ["eps=-1e-08", ">= 0"]),
        ({"eps": math.inf}, ValueError, ["eps=inf", "finite"]),
        ({"weight_decay": math.nan}, ValueError, ["weight_decay=nan", ">= 0"]),
        ({"beta": 1.0}, ValueError, ["beta = 1.0", "[0, 1)"]),
        ({"gamma": -0.1}, ValueError, ["gamma = -0.1", "[0, 1)"]),
        ({"k": 0}, ValueError, ["k=0", "k >= 1"]),
        ({"k": 1.5}, TypeError, ["k=1.5", "integer"]),
        ({"strategy": "linear"}, ValueError, ["'linear'", "inverse_exp"]),
        ({"level_betas": [0.9]}, ValueError, ["level_gammas=None", "both"]),
        ({"level_betas": [0.9], "level_gammas": [0.9, 0.8]}, ValueError, ["(0.9,)", "one decay"]),
        ({"level_betas": [], "level_gammas": []}, ValueError, ["level_betas=()"]),
        (
            {"level_betas": [1.0], "level_gammas": [0.9]},
            ValueError,
            ["level_betas = 1.0", "[0, 1)"],
        ),
        ({"state_dtype": torch.bfloat16}, ValueError, ["bfloat16", "float32", "float64"]),
    ],
)
def test_errors_name_value_and_expectation(options, error, words):
    optimizer = KAdam(one())
    for attempt in (
        lambda: KAdam(one(), **options),
        lambda: optimizer.add_param_group({"params": one(), **options}),
    ):
        with pytest.raises(error) as caught:
            attempt()
        assert all(word in str(caught.value) for word in words), str(caught.value)
    assert len(optimizer.param_groups) == 1


def test_a_group_is_a_dict_and_its_second_moment_is_checked():
    with pytest.raises(ValueError, match=r"second_moment='mean'.*tensor_mean"):
        KAdam([{"params": one(), "second_moment": "mean"}])
    with pytest.raises(TypeError, match="expected a dict"):
        KAdam(one()).add_param_group(one())


def test_no_parameters_is_an_error():
    with pytest.raises(ValueError, match="empty parameter list"):
        KAdam([])


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
    effect = [level_decays(g) for g in optimizer.param_groups]
    rule = ((0.4, 0.3, 0.2), (0.1, 0.1, 0.0))
    assert effect[0] == rule
    assert effect[1:4] == [three, strategy_hyperparameters("exp", 3, 0.99, 0.5), ((0.7,), (0.6,))]
    assert effect[4] == rule
    assert [g["k"] for g in optimizer.param_groups] == [3, 3, 3, 1, 3]


def test_theory_and_strategies_need_no_torch():
    program = (
        "import sys, adamct, adamct.theory\n"
        "from adamct.optim import level_decays, strategy_hyperparameters\n"
        "assert 'torch' not in sys.modules\n"
        "from adamct import KAdam, optim\n"
        "assert KAdam is optim.KAdam and 'torch' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
