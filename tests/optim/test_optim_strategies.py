import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adamct.optim import STRATEGIES, strategy_hyperparameters

DECAYS = st.floats(0, 1 - 1e-9)


@given(strategy=st.sampled_from(STRATEGIES), k=st.integers(1, 12), beta=DECAYS, gamma=DECAYS)
def test_every_strategy_gives_k_decays_and_one_level_is_the_pair_itself(strategy, k, beta, gamma):
    betas, gammas = strategy_hyperparameters(strategy, k, beta, gamma)
    assert (len(betas), len(gammas)) == (k, k)
    assert all(0 <= x < 1 for x in betas + gammas)
    assert len(set(betas)) == len(set(gammas)) == 1
    assert strategy_hyperparameters(strategy, 1, beta, gamma) == ((beta,), (gamma,))


@pytest.mark.parametrize("k", [2, 3, 10])
def test_each_formula_undone_gives_the_pair_back(k):
    undo = {
        "inverse_exp": lambda x: 1 - math.prod([1 - x] * k),
        "exp": lambda x: math.exp(math.log(x) / k),
        "scaled": lambda x: sum([x] * k),
        "naive": lambda x: x,
        "root": lambda x: math.prod([x] * k),
    }
    assert set(undo) == set(STRATEGIES)
    for strategy, inverse in undo.items():
        betas, gammas = strategy_hyperparameters(strategy, k, 0.999, 0.9)
        assert inverse(betas[0]) == pytest.approx(0.999, rel=1e-12)
        assert inverse(gammas[0]) == pytest.approx(0.9, rel=1e-12)


def test_numpy_scalars_become_python_floats():
    betas, gammas = strategy_hyperparameters("exp", np.int64(2), np.float64(0.999), np.float32(0.5))
    assert [type(x) for x in betas + gammas] == [float] * 4


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("exponential", 2, 0.999, 0.9), ValueError, ["'exponential'", *STRATEGIES]),
        (("exp", 0, 0.999, 0.9), ValueError, ["k=0", "k >= 1"]),
        (("exp", 2.0, 0.999, 0.9), TypeError, ["k=2.0", "integer"]),
        (("exp", True, 0.999, 0.9), TypeError, ["k=True", "integer"]),
        (("exp", 2, 1.0, 0.9), ValueError, ["beta = 1.0", "[0, 1)", "betas[1]"]),
        (("exp", 2, 0.999, -0.1), ValueError, ["gamma = -0.1", "[0, 1)", "betas[0]"]),
        (("exp", 2, math.nan, 0.9), ValueError, ["beta = nan", "[0, 1)"]),
        (("exp", 2, "0.999", 0.9), TypeError, ["beta = '0.999'", "number"]),
        (("root", 2, 1 - 1e-16, 0.9), ValueError, ["beta = 1.0", "[0, 1)"]),
    ],
)
def test_errors_name_value_and_expectation(arguments, error, words):
    with pytest.raises(error) as caught:
        strategy_hyperparameters(*arguments)
    assert all(word in str(caught.value) for word in words)
