"""Claims on the growth of the max-update accept what they claim, and refuse what they do not."""

import numpy as np
import pytest

from adamct.claims import growth_rates, judge
from adamct.records import Records
from adamct.theory import (
    discrete_max_update_bound,
    max_update_bound,
    normal_curve,
    stability_coefficient,
)

CURVE = normal_curve(0.999, 0.9).sample(12, 0.952, 0.97)
BY_NAME = {claim.name: claim for claim in growth_rates.CLAIMS}
at_the_bound = discrete_max_update_bound


def times(factor, bound=at_the_bound):
    return lambda n, beta, gamma: factor * bound(n, beta, gamma)


def growing(rate):
    return lambda n, beta, gamma: np.exp(rate * n)


def power_of(measured, exponent):
    return lambda n, beta, gamma: measured(n, beta, gamma) ** exponent


def apart(measured, *exponents):
    """Seeds that do not agree: a power of what was measured in each."""
    return [power_of(measured, exponent) for exponent in exponents]


def constant(n, beta, gamma):
    return np.full(len(n), 0.9)


def at_half_C(n, beta, gamma):
    return np.exp(np.maximum(0.0, -(2 / gamma - 1 / beta - 1)) * n / 2)


def sawtooth(n, beta, gamma):
    """It rises as D_n, and falls back to where it was every hundred steps."""
    return at_the_bound(n, beta, gamma) / at_the_bound(n - n % 100, beta, gamma)


as_predicted = times(0.1)  # by the exact theory: the shape of D_n, well below it
eq5 = times(0.1, max_update_bound)
fast = power_of(as_predicted, 2)
# Of each claim: measurements that it accepts, refuses, and cannot decide.
CASES = {
    "no-growth-where-stable": (constant, growing(0.003), [*map(growing, (-0.002, 0, 0.002))]),
    "growth-equals-half-C": (at_half_C, as_predicted, apart(at_half_C, 0.97, 1, 1.03)),
    "growth-rate-half-C": (as_predicted, fast, apart(at_half_C, 0.7, 1, 1.3)),
    "growth-equals-D": (as_predicted, at_half_C, apart(as_predicted, 0.97, 1, 1.03)),
    "growth-rate-D": (as_predicted, fast, apart(as_predicted, 0.7, 1, 1.3)),
    "growth-right-after-C-0": (at_half_C, constant, apart(at_half_C, 0.7, 1, 1.3)),
    "net-growth": (eq5, sawtooth, apart(eq5, 0.7, 1, 1.3)),
    "exact-is-closer": (as_predicted, eq5, apart(as_predicted, 0.9, 1, 1.2)),
}
for setting in ("float64", "cnn"):
    CASES |= {
        f"growth-rate-D-{setting}": CASES["growth-rate-D"],
        f"growth-rate-half-C-{setting}": CASES["growth-rate-half-C"],
        f"net-growth-{setting}": (as_predicted, sawtooth, apart(as_predicted, 0.7, 1, 1.3)),
    }
STATUSES = ("reproduced", "not reproduced", "inconclusive")


@pytest.fixture
def judged(of_seeds):
    """Return a function: a claim's name and what was measured on its curve → its verdict."""

    def verdict(name, measured, **columns):
        [experiment] = BY_NAME[name].reads
        return judge([BY_NAME[name]], of_seeds(experiment, CURVE, measured, **columns))[0]

    return verdict


@pytest.mark.parametrize("name", BY_NAME)
def test_a_verdict_follows_the_data(name, judged):
    assert tuple(judged(name, measured).status for measured in CASES[name]) == STATUSES


@pytest.mark.parametrize("name", BY_NAME)
def test_a_short_record_decides_nothing(name, judged):
    found = judged(name, as_predicted, n_steps=400, n_recorded=400)
    assert (found.status, found.statistic) == ("inconclusive", None)
    assert "400" in found.detail


def test_a_fall_in_the_max_update_is_not_growth_in_b_plus(judged):
    assert judged("no-growth-where-stable", growing(-0.003)).status == "not reproduced"


def test_a_sawtooth_has_the_slope_of_its_flanks_but_no_net_growth(judged):
    assert judged("growth-rate-D", sawtooth).status == "reproduced"
    assert judged("net-growth", sawtooth).statistic < 0.1


def test_nothing_is_cut_near_the_boundary(judged):
    """The points with C > −0.02 enter the statistic, and the words give both parts apart."""

    def slow_near(n, beta, gamma):
        near = 2 / gamma - 1 / beta - 1 > -0.02
        return power_of(as_predicted, 0.5 if near else 1)(n, beta, gamma)

    parts = judged("growth-rate-D", slow_near).detail.split("; ")[1].split(", ")
    ratios, counts = zip(*(part.split(" at the ") for part in parts), strict=True)
    assert [float(ratio) for ratio in ratios] == pytest.approx([1, 0.5], abs=2e-3)
    unstable = int((stability_coefficient(*CURVE) < 0).sum())
    assert sum(int(count.split()[0]) for count in counts) == unstable


def test_only_a_point_in_the_unstable_region_says_something_of_growth(of_seeds):
    records = of_seeds("max_update_normal_curve", CURVE, as_predicted)
    stable = records.where(records.runs[records.runs.C > 0])
    [found] = judge([BY_NAME["growth-rate-D"]], Records(stable.runs, stable.scalars))
    assert found.status == "inconclusive"
    assert "no run in" in found.detail


def test_the_papers_claims_are_those_that_it_measures():
    kinds = {name: claim.kind for name, claim in BY_NAME.items()}
    papers = {name for name, kind in kinds.items() if kind == "paper"}
    assert papers == {
        *("no-growth-where-stable", "growth-equals-half-C", "growth-rate-half-C"),
        *("growth-right-after-C-0", "net-growth"),
    }
