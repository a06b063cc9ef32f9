"""A criterion decides by what it says, and claims of one figure share a level."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from adamct.claims import Claim, judge
from adamct.claims.criterion import (
    WORST_FIRST,
    AllOf,
    Criterion,
    Estimate,
    deciding_part,
    equivalent,
    none,
)
from adamct.records import Records, join

NAN = float("nan")
WITHIN = {"at_least": -1.0, "at_most": 1.0}


def of_interval(low, high, confidence=0.95):
    """An estimate of two seeds with this interval."""
    half = (high - low) / 2 / stats.t.ppf((1 + confidence) / 2, 1)
    middle = (low + high) / 2
    return Estimate.of_seeds([middle - half, middle + half])


def claim(name="c", *, criterion=None, estimate=None, evaluate=None, reads=(), **fields):
    return Claim(
        name=name, reference="", statement="", reads=reads, figure="fig03",
        criterion=criterion or Criterion("x", at_least=0.0),
        evaluate=evaluate or (lambda records: estimate), **fields,
    )  # fmt: skip


def of_seeds(*seeds):
    """Records of one experiment: a run a seed."""
    ids = [f"r{seed}" for seed in seeds]
    runs = {"experiment": "e", "seed": seeds, "run_id": ids, "scale": "laptop", "corpus": "c"}
    scalars = pd.DataFrame({"run_id": ids, "n": 0})
    return Records(pd.DataFrame({**runs, "device": "cpu", "status": "finished"}), scalars)


@pytest.mark.parametrize(
    ("limits", "reproduced", "inconclusive", "refused"),
    [
        ({"at_most": 1.0}, (0.0, 0.9), (0.5, 1.5), (1.1, 1.5)),
        ({"at_least": 1.0}, (1.1, 2.0), (0.5, 1.5), (0.0, 0.9)),
        (WITHIN, (-0.9, 0.9), (-2.0, 2.0), (-3.0, -2.0)),
        (WITHIN, (-0.5, 0.5), (0.0, 2.0), (2.0, 3.0)),
    ],
)
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_whole_interval_decides(limits, reproduced, inconclusive, refused, confidence):
    criterion = Criterion("x", **limits, confidence=confidence)
    ends = (refused, inconclusive, reproduced)
    found = tuple(criterion.decide(of_interval(*each, confidence)) for each in ends)
    assert found == WORST_FIRST


def test_a_count_decides_by_itself():
    no_faults = none("the number of faults")
    assert [no_faults.decide(Estimate(x)) for x in (0, 1)] == ["reproduced", "not reproduced"]


@pytest.mark.parametrize("limits", [{"at_most": 1.0}, {"at_least": -1.0}, WITHIN])
@pytest.mark.parametrize("estimate", [Estimate(NAN, n=7), Estimate.of_seeds(7 * [NAN])])
def test_what_is_not_a_number_decides_nothing_and_the_verdict_says_so(limits, estimate):
    confidence = 0.95 if estimate.by_seed else None
    criterion = Criterion("x", **limits, confidence=confidence)
    assert criterion.decide(estimate) == "inconclusive"
    [found] = judge([claim(criterion=criterion, estimate=estimate)], join([]))
    assert (found.status, found.statistic, found.interval) == ("inconclusive", None, None)
    assert found.n == 7
    assert "not a number" in found.detail


def test_one_seed_gives_a_number_without_an_interval():
    [found] = judge([claim(estimate=Estimate.of_seeds([5.0]))], join([]))
    assert (found.status, found.statistic, found.interval) == ("inconclusive", 5.0, None)
    assert found.rule.startswith("one seed")


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
    parts = [of_interval(*ends) for ends in (x, y)]
    assert criterion.decide(Estimate.of_parts(*parts, detail="")) == status


def test_an_equivalence_test_is_two_one_sided_ones():
    rng, margin = np.random.default_rng(0), 0.5
    found = set()
    for _ in range(200):
        values = rng.normal(rng.uniform(-0.6, 0.6), 0.4, size=8)
        above = stats.ttest_1samp(values, -margin, alternative="greater").pvalue
        below = stats.ttest_1samp(values, margin, alternative="less").pvalue
        alike = equivalent("x", margin).decide(Estimate.of_seeds(values)) == "reproduced"
        assert alike == (max(above, below) < 0.05)
        found.add(alike)
    assert found == {True, False}


def test_the_part_of_the_level_that_decides_is_a_p_value():
    for values in ([0.5, 1.0, 0.7], [2.0, 2.1, 2.5], [-1.0, -1.1, -0.7]):
        p = stats.ttest_1samp(values, 0).pvalue
        part = deciding_part(Criterion("x", at_least=0), Estimate.of_seeds(values))
        assert part == pytest.approx(p / 0.05, rel=1e-6)
    assert deciding_part(Criterion("x", at_least=0), of_interval(-1, 1)) == np.inf


def test_the_papers_measured_claims_of_a_figure_share_the_level():
    """Of two that are decided at 95 % alone, the weaker is not once five others are judged."""
    weak, strong = of_interval(0.001, 1.0), of_interval(100.0, 101.0)
    [alone] = judge([claim(estimate=weak)], join([]))
    assert (alone.status, alone.decided_by) == ("reproduced", None)
    crowd = [claim("weak", estimate=weak), claim("strong", estimate=strong)]
    crowd += [claim(f"open {i}", estimate=of_interval(-1, 1)) for i in range(4)]
    found = judge(crowd, join([]))
    assert [verdict.status for verdict in found[:2]] == ["inconclusive", "reproduced"]
    assert found[0].interval == alone.interval
    low, high = found[0].decided_by
    assert low < 0 < found[0].interval[0] < found[0].interval[1] < high
    others = [claim(f"open {i}", estimate=of_interval(-1, 1), kind="extension") for i in range(4)]
    [first, *_] = judge([claim("weak", estimate=weak), *others], join([]))
    assert first.status == "reproduced"


def measured_of(records):
    return Estimate.of_seeds(records.runs.seed.to_numpy(dtype=float))


@pytest.mark.parametrize(
    ("fields", "seeds"),
    [
        ({}, (10, 12)),
        ({"kind": "extension"}, (10, 12)),
        ({"kind": "theorem"}, (0, 1, 10, 12)),
        ({"reads_pilots": True}, (0, 1, 10, 12)),
    ],
)
def test_pilot_seeds_judge_nothing_that_is_measured(fields, seeds):
    asked = claim(evaluate=measured_of, reads=("e",), **fields)
    [found] = judge([asked], of_seeds(0, 1, 10, 12))
    assert found.seeds == seeds
    assert found.statistic == np.mean(seeds)


def test_pilot_seeds_alone_are_refused_with_the_remedy():
    [found] = judge([claim(evaluate=measured_of, reads=("e",))], of_seeds(0, 1))
    assert found.status == "inconclusive"
    assert "seed=10,11,12" in found.detail


@pytest.mark.parametrize(
    ("limits", "words"), [({}, "has no limit"), ({"at_most": 0}, "needs a value of each seed")]
)
def test_a_criterion_without_what_it_needs_is_an_error(limits, words):
    with pytest.raises(ValueError, match=words):
        Criterion("x", **limits).decide(Estimate(0.0))
