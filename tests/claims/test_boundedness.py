"""Claims on the bounds of the max-update accept what they claim, and refuse what they do not."""

import numpy as np
import pytest

from adamct.claims import boundedness, judge
from adamct.plotting.registry import figure_files, reads
from adamct.records import Records
from adamct.theory import (
    discrete_max_update_bound,
    level_curve,
    max_update_bound,
    normal_curve,
)

CURVE = normal_curve(0.999, 0.9).sample(12, 0.952, 0.97)
BOUNDARY = level_curve(0.0).sample(4, 0.7, 0.999)
BY_NAME = {claim.name: claim for claim in boundedness.CLAIMS}
at_the_bound = discrete_max_update_bound


def times(factor, bound=at_the_bound):
    return lambda n, beta, gamma: factor * bound(n, beta, gamma)


def growing(rate):
    return lambda n, beta, gamma: np.exp(rate * n)


def constant(n, beta, gamma):
    return np.full(len(n), 0.9)


def once_above(n, beta, gamma):
    return at_the_bound(n, beta, gamma) * (1 + 1e-4 * (n == 77))


def square_root(n, beta, gamma):
    return 0.5 * np.sqrt(n + 1)


as_predicted = times(0.1)  # by the exact theory: the shape of D_n, well below it
below = times(0.9, max_update_bound)
factors = [times(factor, max_update_bound) for factor in (0.2, 0.5, 0.9)]
# Of each claim: measurements that it accepts, and refuses.
CASES = {
    "D-bounds-max-update": (at_the_bound, once_above),
    "eq5-where-stable": (as_predicted, times(2)),
    "eq5-where-unstable": (as_predicted, times(2, max_update_bound)),
    "eq5-is-tight-where-stable": (below, times(0.1, max_update_bound)),
    "eq5-is-tight-where-unstable": (below, times(0.1, max_update_bound)),
    "D-on-boundary": (at_the_bound, square_root),
    "eq5-on-boundary": (below, constant),
    "bounded-on-boundary": (constant, square_root),
}
OPEN = {
    "eq5-is-tight-where-stable": factors,
    "eq5-is-tight-where-unstable": factors,
    "bounded-on-boundary": [lambda n, *_, p=p: (n + 1) ** p for p in (0.0, 0.2, 0.45)],
}


@pytest.fixture
def judged(of_seeds):
    """Return a function: a claim's name and what was measured where it asks → its verdict."""

    def verdict(name, measured, **columns):
        pairs = BOUNDARY if "on-boundary" in name else CURVE
        [experiment] = BY_NAME[name].reads
        return judge([BY_NAME[name]], of_seeds(experiment, pairs, measured, **columns))[0]

    return verdict


@pytest.mark.parametrize("name", BY_NAME)
def test_a_verdict_follows_the_data(name, judged):
    statuses = tuple(judged(name, measured).status for measured in CASES[name])
    assert statuses == ("reproduced", "not reproduced")


@pytest.mark.parametrize("name", OPEN)
def test_seeds_that_disagree_decide_nothing(name, judged):
    assert judged(name, OPEN[name]).status == "inconclusive"


@pytest.mark.parametrize("name", BY_NAME)
def test_a_guarded_or_short_record_decides_nothing(name, judged):
    proved = BY_NAME[name].kind == "theorem"
    short = {"n_steps": 400, "n_recorded": 400}
    found = judged(name, as_predicted, **({"guard": True} if proved else short))
    assert (found.status, found.statistic) == ("inconclusive", None)
    assert ("guard was on" in found.detail) == proved


def test_violations_are_counted_and_placed(judged):
    found = judged("D-bounds-max-update", once_above)
    assert (found.statistic, found.n) == (3 * 12, 3 * 12 * 1010)
    assert "n = 77" in found.detail
    assert "continuous time" in judged("eq5-on-boundary", constant).detail


def test_each_region_is_judged_by_its_own_runs(judged):
    """A violation in B₋ is none in B₊, and the steps of both add up to all."""
    high = times(2, max_update_bound)

    def high_in_b_minus(n, beta, gamma):
        unstable = 2 / gamma - 1 / beta - 1 < 0
        return high(n, beta, gamma) if unstable else as_predicted(n, beta, gamma)

    stable, unstable = (
        judged(name, high_in_b_minus) for name in ("eq5-where-stable", "eq5-where-unstable")
    )
    assert (stable.status, unstable.status) == ("reproduced", "not reproduced")
    assert stable.n + unstable.n == 3 * 12 * 1010


def test_what_is_proved_holds_on_pilot_seeds_too(of_seeds):
    records = of_seeds("max_update_normal_curve", CURVE, at_the_bound, (0, 1, 10))
    found = judge(boundedness.CLAIMS[:1], records)[0]
    assert (found.kind, found.rule, found.seeds) == ("theorem", "exact", (0, 1, 10))


def test_a_figure_that_shows_a_claim_of_another_reads_what_it_reads():
    of_figure = {name: set(reads(path)) for name, path in figure_files().items()}
    for claim in boundedness.CLAIMS:
        for figure in claim.also:
            number = figure.replace("fig0", "fig")
            assert set(claim.reads) <= of_figure[number], (claim.name, figure)


def test_a_max_update_that_only_falls_is_bounded(judged):
    assert judged("bounded-on-boundary", growing(-0.001)).status == "reproduced"


def test_a_region_without_runs_is_named(of_seeds):
    records = of_seeds("max_update_normal_curve", CURVE, at_the_bound)
    unstable = records.where(records.runs[records.runs.C < 0])
    [found] = judge([BY_NAME["eq5-where-stable"]], Records(unstable.runs, unstable.scalars))
    assert (found.status, found.detail) == ("inconclusive", "no run in B+")
