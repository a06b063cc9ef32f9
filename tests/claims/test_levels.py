"""Claims on the levels of k-Adam change their verdicts with the records, and with the theory."""

import numpy as np
import pytest

from adamct.analysis import levels as analysis
from adamct.claims import judge, levels
from adamct.records import Records, join
from adamct.theory import discrete_max_update_bound, max_update_bound

BY_NAME = {claim.name: claim for claim in levels.CLAIMS}
PAIRS = {"beta_1": 0.9, "gamma_1": 0.5, "beta_2": 0.99, "gamma_2": 0.9}
OF_LEVELS = ((0.9, 0.5), (0.99, 0.9))


def levelled(make, first, second, *, seeds=(10, 11, 12), noise=0.0, **columns):
    """Records of 2-Adam: functions of (n, β, γ) that its levels follow, the second times noise."""
    n_runs = 2 * len(seeds)
    records = make(
        "max_update_levels", [0.999] * n_runs, [0.9] * n_runs, discrete_max_update_bound,
        n_steps=60, k=2, seed=[*seeds] * 2, strategy=["naive"] * len(seeds) + ["exp"] * len(seeds),
        **PAIRS | columns,
    )  # fmt: skip
    n = records.scalars.n
    values = [of(n, *pair) for of, pair in zip((first, second), OF_LEVELS, strict=True)]
    rng = np.random.default_rng(0)
    by_run = dict(zip(records.runs.run_id, np.exp(noise * rng.normal(size=n_runs)), strict=True))
    second_values = values[1] * records.scalars.run_id.map(by_run)
    scalars = records.scalars.assign(
        max_update_1=values[0], max_update_2=second_values, max_update=second_values
    )
    return Records(records.runs, scalars)


def times(factor, bound=discrete_max_update_bound):
    return lambda *at: factor * bound(*at)


def constant(value):
    return lambda n, *pair: np.full(len(n), value)


def verdict(name, records):
    [found] = judge([BY_NAME[name]], records)
    return found


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("D-bounds-every-level", discrete_max_update_bound),
        ("eq10-bounds-every-level", max_update_bound),
    ],
)
@pytest.mark.parametrize("seeds", [(0,), (10, 11, 12)])  # what is proved holds on pilots, too
def test_each_level_is_held_to_the_bound_of_its_own_pair(name, bound, seeds, make_records):
    inside = levelled(make_records, times(1, bound), times(1, bound), seeds=seeds)
    over = levelled(make_records, times(1, bound), times(1.001, bound), seeds=seeds)
    found, broken = verdict(name, inside), verdict(name, over)
    assert (found.status, found.statistic, found.kind) == ("reproduced", 0, "theorem")
    assert found.n == 2 * len(seeds) * 2 * 60
    assert (broken.status, broken.statistic) == ("not reproduced", 2 * len(seeds) * 60)


def test_between_the_two_bounds_only_the_exact_one_is_exceeded(make_records):
    between = levelled(make_records, times(1.01), times(1.01))
    statuses = [verdict(f"{name}-bounds-every-level", between).status for name in ("D", "eq10")]
    assert statuses == ["not reproduced", "reproduced"]


@pytest.mark.parametrize("name", ["D-bounds-every-level", "eq10-bounds-every-level"])
def test_with_the_guard_on_nothing_is_shown(name, make_records):
    found = verdict(name, levelled(make_records, times(1), times(1), guard=True))
    assert found.status == "inconclusive"
    assert "guard" in found.detail


@pytest.mark.parametrize(
    ("factor", "noise", "seeds", "status"),
    [
        (0.8, 0.01, (10, 11, 12), "reproduced"),
        (1.4, 0.01, (10, 11, 12), "not reproduced"),
        (1.0, 0.2, (10, 11, 12), "inconclusive"),
        (0.8, 0.01, (10,), "inconclusive"),
        (0.8, 0.01, (0, 1), "inconclusive"),
    ],
)
def test_growth_from_level_to_level_is_judged_over_seeds(
    factor, noise, seeds, status, make_records
):
    records = levelled(
        make_records, constant(2.0), constant(2.0 * factor), noise=noise, seeds=seeds
    )
    found = verdict("k-adam-is-more-stable", records)
    assert (found.status, found.kind) == (status, "extension")
    if seeds[0] >= 10:
        assert found.statistic == pytest.approx(factor, rel=0.3)
        assert "naive k = 2" in found.detail


def test_only_the_second_half_counts_and_root_is_not_the_papers(make_records):
    def late(n, *pair):
        return np.where(n >= 30, 0.5, 50.0)

    records = levelled(make_records, constant(1.0), late)
    assert verdict("k-adam-is-more-stable", records).statistic == pytest.approx(0.5)
    table = analysis.late_max_updates(records)
    assert set(table.max_update[table.level == 2]) == {0.5}
    reached = analysis.largest_max_updates(records)
    assert reached[(reached.level == 2) & (reached.n == 59)].max_update.unique() == [50.0]
    rooted = records.runs.strategy.replace("exp", "root")
    found = verdict(
        "k-adam-is-more-stable", Records(records.runs.assign(strategy=rooted), records.scalars)
    )
    assert "root" not in found.detail


def test_every_pair_of_every_strategy_is_stable(monkeypatch):
    found = verdict("strategies-are-stable", join([]))
    assert (found.status, found.statistic, found.n) == ("reproduced", 0, 50)
    monkeypatch.setattr(analysis, "PAIR", (0.9, 0.999))
    broken = verdict("strategies-are-stable", join([]))
    assert broken.status == "not reproduced"
    assert broken.statistic > 0


def test_a_constant_before_a_level_cancels(monkeypatch):
    found = verdict("levels-are-scale-free", join([]))
    assert (found.status, found.scale) == ("reproduced", "theory")
    assert found.statistic < 1e-12
    step = analysis.reference_step
    monkeypatch.setattr(analysis, "reference_step", lambda *a, **o: step(*a, eps=1e-3, **o))
    assert verdict("levels-are-scale-free", join([])).status == "not reproduced"
