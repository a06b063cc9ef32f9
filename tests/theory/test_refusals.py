"""What the theory refuses, by the name and value of the argument."""

import numpy as np
import pytest

from adamct.theory import (
    discrete_growth_rate,
    discrete_max_update_bound,
    discrete_max_update_limit,
    exact_squared_norm,
    growth_rate,
    level_curve,
    local_slopes,
    log_slope,
    max_update_bound,
    memory_factor,
    normal_curve,
    predicted_slope,
    squared_norm_growth,
    stability_coefficient,
)

NAN = float("nan")
NORMAL = normal_curve(0.999, 0.9)
STEPS, ONES = np.arange(601), np.ones(601)


@pytest.mark.parametrize(
    "function",
    [
        stability_coefficient,
        growth_rate,
        discrete_growth_rate,
        discrete_max_update_limit,
        lambda beta, gamma: discrete_max_update_bound(1, beta, gamma),
    ],
)
@pytest.mark.parametrize("bad", [-0.1, 1.0, 1.5, NAN])
def test_decays_outside_are_refused_by_name(function, bad):
    with pytest.raises(ValueError, match=rf"beta = {bad} is outside \[0, 1\).*betas\[1\]"):
        function([0.9, bad], 0.5)
    with pytest.raises(ValueError, match=rf"gamma = {bad} is outside \[0, 1\).*betas\[0\]"):
        function(0.9, bad)


@pytest.mark.parametrize("bound", [max_update_bound, discrete_max_update_bound])
@pytest.mark.parametrize("bad", [-1, 0.5, NAN, float("inf")])
def test_steps_that_are_not_steps_are_refused(bound, bad):
    with pytest.raises(ValueError, match="is not a step index"):
        bound([0, bad], 0.9, 0.5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: max_update_bound(1, 0.0, 0.5), r"Eq. \(5\): beta = 0.*discrete_max_update_bound"),
        (lambda: max_update_bound(1, 0.5, 0.0), r"Eq. \(5\): gamma = 0.*discrete_max_update_bound"),
        (lambda: normal_curve(0.9, 1.0), r"normal_curve: gamma = 1\.0 is outside \(0, 1\)"),
        (lambda: level_curve(NAN), "finite value of C"),
        (lambda: NORMAL.sample(0, 0.96, 0.999), "num = 0"),
        # Sections that leave the square name the end and the interval.
        (lambda: NORMAL.sample(5, 0.95, 0.99), r"beta_start = 0\.95 .*\(0\.951522, 1\)"),
        (lambda: NORMAL.sample(5, 0.96, 1.0), r"beta_stop = 1\.0 .*\(0\.951522, 1\)"),
        (lambda: normal_curve(0.3, 0.3).sample(5, 0.3, 0.4), r"beta_stop = 0\.4 .*\(0, 0\.3434"),
        (lambda: level_curve(-1.0).sample(5, 0.6, 0.2), r"_start = 0\.6 .*γ = 1\.2 .*\(0, 0\.5\)"),
        (lambda: level_curve(1.0).sample(5, 0.0, 0.5), r"beta_start = 0\.0 "),
        (lambda: level_curve(-2.0).sample(5, 0.2, 1.0), r"beta_stop = 1\.0 .*γ = inf "),
        (lambda: level_curve(0.0).sample(5, 0.2, NAN), "beta_stop = nan "),
        (lambda: level_curve(-1.0).sample(5, 0.2, 0.5 - 1e-13), "beta_stop"),  # γ rounds to 1
        # Records that do not fit or do not reach.
        (lambda: log_slope(STEPS, ONES, 1000), "n = 1000 needs .* n = 1005, .* 0 … 600"),
        (lambda: log_slope(STEPS, ONES, 598), "n = 598 needs .* n = 603, .* 0 … 600"),
        (lambda: log_slope(STEPS, ONES, 3), "n = 3 needs .* n = -2, .* 0 … 600"),
        (lambda: log_slope(STEPS[:3], np.ones((2, 3)), 1), r"\(3,\) and \(2, 3\)"),
        (lambda: log_slope([], [], 1), "at least one step"),
        (lambda: log_slope([0, 1, 1, 2], np.ones(4), 1), "increase strictly"),
        (lambda: log_slope(STEPS, ONES, 1, half_width=0), "half_width = 0"),
        (lambda: local_slopes(STEPS[:10], ONES[:10]), "no step has"),
        (lambda: predicted_slope([4, 100], 0.9, 0.5), "needs at ≥ 5, got at = 4"),
        (
            lambda: exact_squared_norm(1.0, np.ones(3), np.ones(2), lr=0.1, gamma=0.9),
            r"scales of shape \(2,\) must match .* \(3,\)",
        ),
        (
            lambda: squared_norm_growth(1.0, np.ones(3), lr=[0.1, 0.1]),
            r"lr of shape \(2,\) must be a scalar or have .*\(3,\)",
        ),
        (lambda: squared_norm_growth(ONES[:3], np.ones((3, 2)), lr=0.1), r"got \(3, 2\) and \(3,"),
        (lambda: memory_factor(1.0), r"gamma = 1\.0"),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_refused_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call()
