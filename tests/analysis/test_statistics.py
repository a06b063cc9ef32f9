"""Intervals over seeds against scipy, by their coverage, and against textbook procedures."""

import itertools

import numpy as np
import pytest
from scipy import stats

from adamct.analysis.statistics import holm, student


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_of_one_row_it_is_students_interval(confidence):
    values = np.random.default_rng(0).normal(size=6)
    theirs = stats.ttest_1samp(values, 0).confidence_interval(confidence)
    np.testing.assert_allclose(student(values, confidence), theirs, rtol=1e-12)


def test_one_seed_has_no_interval():
    assert student([1.0]) is None


@pytest.mark.parametrize("n_rivals", [1, 4])
def test_the_advantage_over_the_best_rival_is_covered(n_rivals):
    """Rivals differ in spread and share the comparator's noise, as paired seeds do."""
    rng = np.random.default_rng(1)
    truth, n_seeds, n_trials = 0.1 * np.arange(n_rivals), 8, 2000
    spread = 0.5 + np.arange(n_rivals)
    covered = 0
    for _ in range(n_trials):
        shared = rng.normal(size=n_seeds)
        noise = rng.normal(size=(n_rivals, n_seeds)) * spread[:, None]
        low, high = student(truth[:, None] + shared + noise)
        covered += low <= truth.min() <= high
    assert covered / n_trials >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / n_trials)


def adjusted(p):
    """Holm's adjusted p-values, by their definition."""
    order = np.argsort(p)
    values = np.maximum.accumulate((len(p) - np.arange(len(p))) * np.asarray(p)[order])
    return np.minimum(1, values)[np.argsort(order)]


@pytest.mark.parametrize("alpha", [0.05, 0.1])
def test_holm_rejects_what_adjusted_p_values_reject(alpha):
    rng = np.random.default_rng(2)
    for m in (1, 2, 5, 9):
        for _ in range(50):
            p = rng.uniform(0, 4 * alpha / m, size=m)
            decided = [p * d <= alpha for p, d in zip(p, holm(p / alpha), strict=True)]
            assert decided == (adjusted(p) <= alpha).tolist()


def test_holm_does_not_depend_on_the_order():
    levels = (0.1, 0.3, 0.9, np.inf)
    for order in itertools.permutations(range(4)):
        found = holm([levels[i] for i in order])
        assert [found[order.index(i)] for i in range(4)] == [4, 3, 2, 2]
