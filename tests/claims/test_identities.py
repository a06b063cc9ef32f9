"""Theorems and identities hold as they stand, and no wrong formula passes for them."""

from functools import partial

import numpy as np
import pytest

import adamct.models
from adamct.claims import identities, judge
from adamct.records import join
from adamct.theory import discrete_max_update_bound, max_update_bound

BY_NAME = {claim.name: claim for claim in identities.CLAIMS}


def verdict_on(name):
    [verdict] = judge([BY_NAME[name]], join([]))
    return verdict


def scaled(function, factor):
    return lambda *args, **settings: factor * function(*args, **settings)


def shifted(shift):
    """Eq. (7) solved, and its forcing then turned by a part of W out of the plane normal to it."""
    solve = identities._solution_of_equation_7

    def solution(η, seed):
        W, dW, ddW, u = solve(η, seed)
        return W, dW, ddW, u + shift * W

    return solution


def without_qk_norm(config):
    return lambda *args, **settings: config(*args, **{**settings, "qk_norm": False})


@pytest.mark.parametrize("name", [name for name in BY_NAME if name != "proposition-3-as-printed"])
def test_it_holds(name):
    verdict = verdict_on(name)
    assert verdict.status == "reproduced"
    assert (verdict.kind, verdict.scale, verdict.rule) == ("theorem", "theory", "exact")
    assert verdict.n > 0


D, EQ_5 = "discrete_max_update_bound", "max_update_bound"


@pytest.mark.parametrize(
    ("name", "formula", "wrong"),
    [
        ("D-bounds-rmsprop", D, scaled(discrete_max_update_bound, 1 - 1e-6)),
        ("D-bounds-rmsprop", D, scaled(discrete_max_update_bound, 1 + 1e-6)),
        ("D-bounds-rmsprop", "updates", scaled(identities.updates, 1 + 1e-6)),
        ("sign-sgd-is-one", D, scaled(discrete_max_update_bound, 1 + 1e-6)),
        ("sign-sgd-is-one", "updates", scaled(identities.updates, 1 - 1e-6)),
        ("D-is-attained", D, scaled(discrete_max_update_bound, 1 - 1e-6)),
        ("D-is-attained", D, scaled(discrete_max_update_bound, 1 + 1e-6)),
        ("D-is-attained", D, max_update_bound),
        ("eq5-above-D", EQ_5, partial(max_update_bound, tight=True)),
        ("eq5-above-D", D, lambda *a, **k: discrete_max_update_bound(*a, **k) + 1e-6),
        ("proposition-3", "_solution_of_equation_7", shifted(0.1)),
    ],
)
def test_a_wrong_formula_is_refused(name, formula, wrong, monkeypatch):
    monkeypatch.setattr(identities, formula, wrong)
    assert verdict_on(name).status == "not reproduced"


def test_a_weight_with_a_scale_is_not_orthogonal_to_its_gradient(monkeypatch):
    config = adamct.models.GPTConfig
    monkeypatch.setattr(adamct.models, "GPTConfig", without_qk_norm(config))
    verdict = verdict_on("lemma-2")
    assert verdict.status == "not reproduced"
    assert verdict.statistic > 0.01


def test_the_printed_factor_of_proposition_3_is_an_error_of_first_order(monkeypatch):
    printed = verdict_on("proposition-3-as-printed")
    assert printed.status == "not reproduced"
    assert printed.statistic == pytest.approx(1, abs=0.1)
    solve = identities._solution_of_equation_7

    def of_unit_length(η, seed):  # Eq. (7) is linear: the same path, where r = 1 by then
        whole = solve(η, seed)
        return tuple(part / np.linalg.norm(whole[0]) for part in whole)

    monkeypatch.setattr(identities, "_solution_of_equation_7", of_unit_length)
    assert verdict_on("proposition-3-as-printed").status == "reproduced"
