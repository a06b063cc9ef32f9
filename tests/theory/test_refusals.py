"""What the theory refuses, by the name and value of the argument."""

from functools import partial

import numpy as np
import pytest

from adamct import theory

NAN = float("nan")


@pytest.mark.parametrize(
    "function",
    [
        theory.stability_coefficient,
        theory.growth_rate,
        theory.discrete_growth_rate,
        theory.discrete_max_update_limit,
        lambda beta, gamma: theory.discrete_max_update_bound(1, beta, gamma),
    ],
)
@pytest.mark.parametrize("bad", [-0.1, 1.0, 1.5, NAN])
def test_decays_outside_are_refused_by_name(function, bad):
    with pytest.raises(ValueError, match=rf"beta = {bad} is outside \[0, 1\).*betas\[1\]"):
        function([0.9, bad], 0.5)
    with pytest.raises(ValueError, match=rf"gamma = {bad} is outside \[0, 1\).*betas\[0\]"):
        function(0.9, bad)


@pytest.mark.parametrize("bound", [theory.max_update_bound, theory.discrete_max_update_bound])
@pytest.mark.parametrize("bad", [-1, 0.5, NAN, float("inf")])
def test_steps_that_are_not_steps_are_refused(bound, bad):
    with pytest.raises(ValueError, match="is not a step index"):
        bound([0, bad], 0.9, 0.5)


eq_8 = partial(theory.squared_norm_growth, lr=[0.1, 0.1, 0.1])
recursion = partial(theory.exact_squared_norm, lr=0.1, gamma=0.9)
NORMAL, LEVEL = theory.normal_curve(0.999, 0.9), theory.level_curve(-1.0)
STEPS, ONES = np.arange(601), np.ones(601)


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [
        (theory.max_update_bound, (1, 0.0, 0.5), r"Eq. \(5\): beta = 0.*discrete_max_update_bound"),
        (theory.max_update_bound, (1, 0.5, 0.0), r"Eq. \(5\): gamma = 0.*discrete_max_update"),
        (theory.normal_curve, (0.9, 1.0), r"normal_curve: gamma = 1\.0 is outside \(0, 1\)"),
        (theory.level_curve, (NAN,), "finite value of C"),
        (NORMAL.sample, (0, 0.96, 0.999), "num = 0"),
        # Sections that leave the square name the end and the interval.
        (NORMAL.sample, (5, 0.95, 0.99), r"beta_start = 0\.95 .*\(0\.951522, 1\)"),
        (NORMAL.sample, (5, 0.96, 1.0), r"beta_stop = 1\.0 .*\(0\.951522, 1\)"),
        (theory.normal_curve(0.3, 0.3).sample, (5, 0.3, 0.4), r"stop = 0\.4 .*\(0, 0\.343414\)"),
        (LEVEL.sample, (5, 0.6, 0.2), r"beta_start = 0\.6 .*γ = 1\.2 .*\(0, 0\.5\)"),
        (LEVEL.sample, (5, 0.0, 0.2), r"beta_start = 0\.0 "),
        (theory.level_curve(-2.0).sample, (5, 0.2, 1.0), r"beta_stop = 1\.0 .*γ = inf "),
        (LEVEL.sample, (5, 0.2, NAN), "beta_stop = nan "),
        (LEVEL.sample, (5, 0.2, 0.5 - 1e-13), "beta_stop"),  # γ = 2β rounds to 1
        # Records that do not reach, or do not fit.
        (theory.log_slope, (STEPS, ONES, 1000), "n = 1000 needs .* n = 1005, .* 0 … 600"),
        (theory.log_slope, (STEPS, ONES, 598), "n = 598 needs .* n = 603, .* 0 … 600"),
        (theory.log_slope, (STEPS, ONES, 3), "n = 3 needs .* n = -2, .* 0 … 600"),
        (theory.log_slope, (STEPS[:3], np.ones((2, 3)), 1), r"\(3,\) and \(2, 3\)"),
        (theory.log_slope, ([], [], 1), "at least one step"),
        (theory.log_slope, ([0, 1, 1, 2], ONES[:4], 1), "increase strictly"),
        (theory.log_slope, (STEPS, ONES, 1, 0), "half_width = 0"),
        (theory.local_slopes, (STEPS[:10], ONES[:10]), "no step has"),
        (theory.predicted_slope, ([4, 100], 0.9, 0.5), "needs at ≥ 5, got at = 4"),
        (recursion, (1.0, ONES[:3], ONES[:2]), r"scales of shape \(2,\) must .* shape \(3,\)"),
        (eq_8, (1.0, ONES[:2]), r"lr of shape \(3,\) must be a scalar or have .*\(2,\)"),
        (eq_8, (ONES[:3], np.ones((3, 2))), r"norm of shape \(3,\) must .* shape \(2,\)"),
        (theory.memory_factor, (1.0,), r"gamma = 1\.0"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(function, arguments, words):
    with pytest.raises(ValueError, match=words):
        function(*arguments)
