"""O'Brien and Fleming's boundaries are those of the tables, and keep their level."""

import numpy as np
import pytest
from scipy import stats

from adamct.analysis.sequential import obrien_fleming


@pytest.mark.parametrize(
    ("n_looks", "constant"), [(1, 1.960), (2, 1.977), (3, 2.004), (4, 2.024), (5, 2.040)]
)
def test_equally_spaced_looks_are_those_of_the_tables(n_looks, constant):
    """Jennison and Turnbull (2000), Table 2.3: c of |z_k| ≥ c √(K/k) at a two-sided 5 %."""
    levels = obrien_fleming(tuple(k / n_looks for k in range(1, n_looks + 1)))
    assert stats.norm.isf(levels[-1] / 2) == pytest.approx(constant, abs=1e-3)
    ratio = stats.norm.isf(levels[0] / 2) / stats.norm.isf(levels[-1] / 2)
    assert ratio == pytest.approx(np.sqrt(n_looks))


def test_the_looks_at_8_16_and_32_seeds_reject_together_as_often_as_they_say():
    rng, fractions = np.random.default_rng(0), (0.25, 0.5, 1.0)
    walks = rng.normal(size=(200_000, 4)).cumsum(axis=1)[:, [0, 1, 3]] / np.sqrt([1, 2, 4])
    limits = stats.norm.isf(np.array(obrien_fleming(fractions)) / 2)
    rejected = (np.abs(walks) >= limits).any(axis=1).mean()
    assert rejected == pytest.approx(0.05, abs=0.002)


@pytest.mark.parametrize("fractions", [(0.5, 0.9), (0.5, 0.5, 1.0), (0.0, 1.0)])
def test_fractions_that_do_not_increase_to_1_are_refused(fractions):
    with pytest.raises(ValueError, match="numbers that increase"):
        obrien_fleming(fractions)
