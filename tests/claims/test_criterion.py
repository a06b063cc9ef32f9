"""A criterion decides by what it says."""

import pytest

from adamct.analysis.statistics import Interval
from adamct.claims import Claim, judge
from adamct.claims.criterion import WORST_FIRST, AllOf, Criterion, Estimate, none
from adamct.records import join

NAN = float("nan")
WITHIN = {"at_least": -1.0, "at_most": 1.0}


@pytest.mark.parametrize("scale", [1.0, 3.0])
@pytest.mark.parametrize(
    ("limits", "reproduced", "inconclusive", "refused"),
    [
        ({"at_most": 1.0}, (0.0, 1.0), (0.5, 1.5), (1.1, 1.5)),
        ({"at_least": 1.0}, (1.0, 2.0), (0.5, 1.5), (0.0, 0.9)),
        (WITHIN, (-1.0, 1.0), (-2.0, 2.0), (-3.0, -2.0)),
        (WITHIN, (-0.5, 0.5), (0.0, 2.0), (2.0, 3.0)),
    ],
)
def test_the_whole_interval_decides(limits, reproduced, inconclusive, refused, scale):
    def status(ends):
        interval = Interval(*(scale * end for end in ends))
        return Criterion("x", **limits).decide(Estimate(0.0, interval=interval, scale=scale))

    found = tuple(map(status, (refused, inconclusive, reproduced)))
    assert found == WORST_FIRST


def test_without_an_interval_the_statistic_decides():
    no_faults = none("the number of faults")
    assert [no_faults.decide(Estimate(x)) for x in (0, 1)] == ["reproduced", "not reproduced"]


@pytest.mark.parametrize("limits", [{"at_most": 1.0}, {"at_least": -1.0}, WITHIN])
@pytest.mark.parametrize("interval", [None, Interval(-0.5, NAN), Interval(NAN, NAN)])
def test_what_is_not_a_number_decides_nothing_and_the_verdict_says_so(limits, interval):
    estimate = Estimate(NAN if interval is None else 0.0, n=7, interval=interval)
    criterion = Criterion("x", **limits, interval=interval is not None)
    assert criterion.decide(estimate) == "inconclusive"
    claim = Claim(
        name="c", figure="fig02", reference="", statement="", criterion=criterion, reads=(),
        evaluate=lambda records: estimate,
    )  # fmt: skip
    found = judge(claim, join([]))
    assert (found.status, found.statistic, found.interval) == ("inconclusive", None, None)
    assert found.n == 7
    assert "not a number" in found.detail


@pytest.mark.parametrize("by_seed", [(1.0, -1.0), (1.0, 0.0), (-1.0, 1.0, 1.0)])
def test_seeds_that_disagree_or_tie_decide_nothing(by_seed):
    criterion = Criterion("x", at_least=0, no_seed_overturns=True)
    for interval in (Interval(1, 2), Interval(-2, -1)):
        assert criterion.decide(Estimate(1.0, interval=interval, by_seed=by_seed)) == "inconclusive"
    agreed = Estimate(1.0, interval=Interval(1, 2), by_seed=(1.0, 2.0))
    assert criterion.decide(agreed) == "reproduced"


@pytest.mark.parametrize(
    ("x", "y", "status"),
    [
        ((-2, -1), (1, 2), "reproduced"),
        ((-2, 1), (1, 2), "inconclusive"),
        ((-2, 1), (-2, -1), "not reproduced"),
    ],
)
def test_of_several_the_worst_counts(x, y, status):
    criterion = AllOf((Criterion("x", at_most=0), Criterion("y", at_least=0)))
    parts = tuple(Estimate(0.0, interval=Interval(*ends)) for ends in (x, y))
    assert criterion.decide(Estimate(0.0, parts=parts)) == status


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({}, "has no limit"),
        ({"at_most": 0}, "needs an interval"),
        (
            {"at_most": 0, "interval": False, "no_seed_overturns": True},
            "needs a value of each seed",
        ),
    ],
)
def test_a_criterion_without_what_it_needs_is_an_error(limits, words):
    with pytest.raises(ValueError, match=words):
        Criterion("x", **limits).decide(Estimate(0.0))
