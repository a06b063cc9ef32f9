"""Claims on the regions of the square accept what they claim, and refuse what they do not."""

import numpy as np
import pytest

from adamct.claims import judge, regions
from adamct.records import join
from adamct.theory import discrete_max_update_bound, discrete_max_update_limit

STABLE = ([0.9, 0.99, 0.999], [0.5, 0.9, 0.9])
STRIP = ([0.5, 0.5, 0.2], [0.69, 0.705, 0.44])
BEYOND = ([0.9, 0.9, 0.8], [0.99, 0.995, 0.99])
BY_NAME = {claim.name: claim for claim in regions.CLAIMS}
# Statements about theory alone: what is changed is the theory itself.
THEORY = {
    "monotone-along-normal-curves": ("stability_coefficient", lambda b, g: np.sin(40 * b)),
    "beta-above-gamma": ("stability_coefficient", lambda b, g: 2 / g - 1 / b - 3),
    "paper-overestimates": ("discrete_growth_rate", lambda b, g: 0.0 * b + 0.5),
}
at_the_bound = discrete_max_update_bound


def times(factor, bound=at_the_bound):
    return lambda n, beta, gamma: factor * bound(n, beta, gamma)


def growing(rate):
    return lambda n, beta, gamma: np.exp(rate * n)


def constant(n, beta, gamma):
    return np.full(len(n), 0.9)


def once_above(n, beta, gamma):
    return at_the_bound(n, beta, gamma) * (1 + 1e-4 * (n == 77))


rates = [growing(rate) for rate in (0.0005, 0.003, 0.006)]
# Of each claim on the map: measurements that it accepts, refuses, and cannot decide.
CASES = {
    "stable-does-not-grow": (constant, growing(0.01), rates),
    "strip-is-bounded": (constant, growing(0.01), rates),
    "beyond-exact-boundary-exceeds-stable": (
        at_the_bound, constant, [constant, times(1e-6), at_the_bound],
    ),
    "beyond-exact-boundary-follows-D": (
        at_the_bound, constant,
        [lambda n, b, g, p=p: at_the_bound(n, b, g) ** p for p in (0.5, 1.0, 1.3)],
    ),
}  # fmt: skip
STATUSES = ("reproduced", "not reproduced", "inconclusive")


def on_map(of_seeds, measured, **columns):
    """A map with pairs of B₊ and beyond the boundary, and a strip."""
    columns = {"n_steps": 400, **columns}
    pairs = tuple(stable + beyond for stable, beyond in zip(STABLE, BEYOND, strict=True))
    return join(
        [
            of_seeds("instability_map", pairs, measured, **columns),
            of_seeds("instability_strip", STRIP, measured, **columns),
        ]
    )


@pytest.mark.parametrize("name", THEORY)
def test_a_verdict_follows_the_theory(name, monkeypatch):
    assert judge([BY_NAME[name]], join([]))[0].status == "reproduced"
    monkeypatch.setattr(regions, *THEORY[name])
    [found] = judge([BY_NAME[name]], join([]))
    assert (found.status, found.kind) == ("not reproduced", "theorem")


@pytest.mark.parametrize("name", CASES)
def test_a_verdict_follows_the_data(name, of_seeds):
    found = (judge([BY_NAME[name]], on_map(of_seeds, each))[0] for each in CASES[name])
    assert tuple(verdict.status for verdict in found) == STATUSES


def test_the_exact_bound_is_checked_all_over_the_square(of_seeds):
    [claim] = [claim for claim in regions.CLAIMS if claim.name == "D-on-map"]
    [holds] = judge([claim], on_map(of_seeds, at_the_bound))
    assert (holds.status, holds.n) == ("reproduced", 9 * 3 * 400)
    [broken] = judge([claim], on_map(of_seeds, once_above))
    assert (broken.status, broken.statistic) == ("not reproduced", 9 * 3)


@pytest.mark.parametrize("name", CASES)
def test_too_few_steps_decide_nothing(name, of_seeds):
    [found] = judge([BY_NAME[name]], on_map(of_seeds, constant, n_steps=40))
    assert (found.status, found.statistic) == ("inconclusive", None)
    assert "40 at most" in found.detail


def test_every_claim_has_a_case():
    assert set(BY_NAME) == {*THEORY, *CASES, "D-on-map"}


def test_no_stable_pair_passes_the_limit_that_counts_as_stable():
    """D_n ≤ 1/√(1−β) wherever C ≥ 0, at every n, and on C = 0 that is D_∞."""
    rng = np.random.default_rng(0)
    n = np.unique(np.geomspace(1, 1e5, 200).astype(int))
    beta = 1 - 10 ** rng.uniform(-3, -0.01, 300)
    gamma = rng.uniform(0, 1, 300) * 2 * beta / (1 + beta)
    over = discrete_max_update_bound(n[:, None], beta, gamma) * np.sqrt(1 - beta)
    assert over.max() <= 1 + 1e-9
    limit = discrete_max_update_limit(beta, 2 * beta / (1 + beta))
    assert limit == pytest.approx(1 / np.sqrt(1 - beta))


def test_what_is_below_the_rate_that_shows_growth_is_left_out(of_seeds):
    """A pair just beyond γ² = β has no room for five e-foldings, and decides nothing."""
    slow = of_seeds("instability_map", ([0.9], [0.9495]), constant, n_steps=400)
    strip = of_seeds("instability_strip", STRIP, constant, n_steps=400)
    [found] = judge([BY_NAME["beyond-exact-boundary-exceeds-stable"]], join([slow, strip]))
    assert found.status == "inconclusive"
