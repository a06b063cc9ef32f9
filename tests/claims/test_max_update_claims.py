"""Every claim of Figure 3 changes its verdict when its data are changed, both ways."""

import numpy as np
import pytest

from adamct.claims import CLAIMS, judge
from adamct.theory import discrete_max_update_bound, max_update_bound, normal_curve

BY_NAME = {claim.name: claim for claim in CLAIMS}
BETA, GAMMA = normal_curve(0.999, 0.9).sample(24, 0.952, 0.975)


def riding(n, beta, gamma):
    """What the exact theory describes: the shape of D_n, well below it."""
    return 0.1 * discrete_max_update_bound(n, beta, gamma)


def riding_eq5(n, beta, gamma):
    return 0.1 * max_update_bound(n, beta, gamma)


def growing_at_half_C(n, beta, gamma):
    return np.exp(
        np.maximum(0, 1 / gamma * 2 - 1 / beta - 1 < 0) * -(2 / gamma - 1 / beta - 1) * n / 2
    )


def twice_as_fast(n, beta, gamma):
    return riding(n, beta, gamma) ** 2


def verdict(name, make_records, measured, **columns):
    records = make_records("max_update_normal_curve", BETA, GAMMA, measured, **columns)
    return judge(BY_NAME[name], records)


@pytest.mark.parametrize(
    ("name", "measured", "status"),
    [
        ("eq5-bounds-max-update", riding, "reproduced"),
        ("eq5-bounds-max-update", lambda n, b, g: 20 * riding(n, b, g), "not reproduced"),
        ("D-bounds-max-update", discrete_max_update_bound, "reproduced"),
        (
            "D-bounds-max-update",
            lambda n, b, g: discrete_max_update_bound(n, b, g) * (1 + 1e-4 * (n == 77)),
            "not reproduced",
        ),
        ("no-growth-where-stable", riding, "reproduced"),
        ("no-growth-where-stable", lambda n, b, g: np.exp(0.003 * n), "not reproduced"),
        ("no-growth-where-stable", lambda n, b, g: np.exp(-0.003 * n), "not reproduced"),
        ("growth-rate-half-C", growing_at_half_C, "reproduced"),
        ("growth-rate-half-C", twice_as_fast, "not reproduced"),
        ("growth-rate-eq5", riding_eq5, "reproduced"),
        ("growth-rate-eq5", twice_as_fast, "not reproduced"),
        ("growth-rate-D", riding, "reproduced"),
        ("growth-rate-D", riding_eq5, "not reproduced"),
    ],
)
def test_a_verdict_follows_the_data(make_records, name, measured, status):
    assert verdict(name, make_records, measured).finding.status == status


@pytest.mark.parametrize("name", BY_NAME)
def test_what_cannot_be_decided_is_inconclusive(make_records, name):
    if name.endswith("bounds-max-update"):
        found = verdict(name, make_records, riding, guard=True).finding
        assert "guard was on" in found.detail
    else:
        found = verdict(name, make_records, riding, n_steps=500, n_recorded=500).finding
        assert "n = 1000" in found.detail
    assert found.status == "inconclusive"
    assert found.statistic is None


def test_one_violation_is_counted_and_located(make_records):
    def broken_once(n, beta, gamma):
        bound = discrete_max_update_bound(n, beta, gamma)
        return bound * (1 + 0.5 * ((n == 77) & (beta == BETA[3])))

    found = verdict("D-bounds-max-update", make_records, broken_once).finding
    assert found.statistic == 1
    assert found.n == 24 * 1010
    assert "in 1 runs, for the last time at n = 77" in found.detail
    assert "1.5000" in found.detail


def test_a_slope_that_disagrees_at_half_the_points_is_inconclusive(make_records):
    def mixed(n, beta, gamma):
        resets = np.searchsorted(BETA, beta) % 2
        return riding(n, beta, gamma) ** (1 + resets)

    assert verdict("growth-rate-D", make_records, mixed).finding.status == "inconclusive"


def test_a_verdict_carries_what_it_rests_on(make_records):
    found = verdict("growth-rate-D", make_records, riding)
    assert found.seeds == (0,)
    assert found.corpora == ("pydoc_topics",)
    assert found.devices == ("a CPU",)
    assert found.scale == "laptop"
    low, high = found.finding.interval
    assert low <= found.finding.statistic <= high
    values = found.as_dict()
    assert values["name"] == "growth-rate-D"
    assert values["status"] == "reproduced"
    assert "REPRODUCED" in found.as_text()


def test_names_are_unique_and_figures_exist():
    assert len(BY_NAME) == len(CLAIMS)
