"""The claims on the max-update, its bounds and its growth (Figs. 3, 7, E1, E3 and E5).

C, Eq. (5) and D_n are written out anew, step by step, with D_n's sum by its recursion; every run is
looked at alone. Windows and limits are those that the claims' docstrings and criteria name.
"""

import math
from functools import cache

import numpy as np
import pytest

ROUNDING = 1e-5  # of the optimizer's fp32
HALF = 5  # of the 10 steps of a slope
LAW = range(500, 1001)  # where slopes are taken
EARLIER, LATER = (450, 510), (950, 1010)  # whose means net growth compares
NEAR = -0.02  # C, down to which a point lies near the boundary
LEAST_GROWTH = 5  # e-foldings without which a run of the map says nothing of growth
STABLE, UNSTABLE = {"B+"}, {"B-", "strip"}
ANYWHERE = STABLE | UNSTABLE | {"B0"}
MAP = ("instability_map", "instability_strip")


# ------------------------------------------------------------------ the theories, step by step


def stability(β, γ):
    """C(β, γ); pairs are rounded to 12 decimals, which leaves some 1e-12 where it is 0."""
    C = 2 / γ - 1 / β - 1
    return 0.0 if abs(C) * β * γ < 2e-12 else C


def region(β, γ):
    C = stability(β, γ)
    if C >= 0:
        return "B+" if C else "B0"
    return "strip" if γ**2 < β else "B-"


def rates(β, γ):
    """Growth a step: |C|/2 where C < 0, and ln γ − ½ ln β where γ² > β."""
    return max(0.0, -stability(β, γ) / 2), max(0.0, math.log(γ) - math.log(β) / 2)


def ln_correction(β, γ, n):
    """√(1−β^{n+1}) / (1−γ^{n+1})."""
    return math.log(1 - β ** (n + 1)) / 2 - math.log(1 - γ ** (n + 1))


@cache
def ln_eq5(β, γ, n_steps):
    """The correction · (1−γ)/γ · √(β/(1−β)) · B_n."""
    C, front = stability(β, γ), math.log((1 - γ) / γ * math.sqrt(β / (1 - β)))

    def ln_B(n):
        if C == 0:
            return math.log(n) / 2 if n else -math.inf
        return max(0.0, -C * n / 2) - math.log(abs(C)) / 2

    return np.array([ln_correction(β, γ, n) + front + ln_B(n) for n in range(n_steps)])


@cache
def ln_D(β, γ, n_steps):
    """The correction · (1−γ)/√(1−β) · √S_n, S_n = 1 + r S_{n−1}, r = γ²/β.

    The logarithm of S_n is kept: it outgrows what a float holds.
    """
    ln_r, front = 2 * math.log(γ) - math.log(β), math.log((1 - γ) / math.sqrt(1 - β))
    ln_S, values = -math.inf, []
    for n in range(n_steps):
        ln_S = float(np.logaddexp(0.0, ln_r + ln_S))
        values.append(ln_correction(β, γ, n) + front + ln_S / 2)
    return np.array(values)


# --------------------------------------------------------------------------- of a single run


def pair(run, level=0):
    return run.option("betas")[level - 1], run.option("gammas")[level - 1]


def n_levels(run):
    return len(run.option("betas"))


def ln_u(run, level=None):
    """ln ‖u_n‖∞ of a level, or of the last, at n = 0, 1, …, up to where it is finite."""
    values = run.table[f"max_update_{level or n_levels(run)}"].to_numpy()
    assert run.table.index.tolist() == list(range(len(values)))
    return np.log(values[np.isfinite(values)])


def bound(run, of, level=0):
    return of(*pair(run, level), run.spec["n_steps"])


def slope(values):
    """The median 10-step slope over ``LAW``."""
    return np.median([(values[n + HALF] - values[n - HALF]) / (2 * HALF) for n in LAW])


def slope_ratio(run, of):
    """Measured over predicted: by a bound, or |C|/2."""
    predicted = rates(*pair(run))[0] if of is None else slope(bound(run, of))
    return slope(ln_u(run)) / predicted


def net(values):
    """Change of the mean over 60 steps to that over the 60 steps 500 later, per step."""
    return (np.mean(values[slice(*LATER)]) - np.mean(values[slice(*EARLIER)])) / 500


def below_eq5(run):
    return np.mean((bound(run, ln_eq5) - ln_u(run))[slice(*LATER)])


def fitted_power(run):
    """p of ‖u_n‖∞ ∝ n^p over the second half, by the normal equation of a straight line."""
    n = np.arange(run.spec["n_steps"] // 2, run.spec["n_steps"])
    x, y = np.log(n), ln_u(run)[n]
    return np.sum((x - x.mean()) * (y - y.mean())) / np.sum((x - x.mean()) ** 2)


def gain_of_D(run):
    """Error of Eq. (5)'s slope less that of D_n's, in percentage points."""
    return 100 * (abs(slope_ratio(run, ln_eq5) - 1) - abs(slope_ratio(run, ln_D) - 1))


def later_rise(run):
    """ln of the second half's largest over the first half's; none of a run that diverged."""
    values, half = ln_u(run), run.spec["n_steps"] / 2
    if run.status == "diverged":
        return -math.inf
    return max(values[math.ceil(half) :]) - max(values[: math.ceil(half)])


def over_stable(run):
    """ln of the largest max-update over 1/√(1−β)."""
    return max(ln_u(run)) + math.log(1 - pair(run)[0]) / 2


def share_of_exponent(run):
    values = ln_u(run)
    return max(values) / bound(run, ln_D)[len(values) - 1]


def last_over_first(run):
    """Of the medians over the second half."""
    first, last = (
        np.median(np.exp(ln_u(run, level)[run.spec["n_steps"] // 2 :]))
        for level in (1, n_levels(run))
    )
    return last / first


# ---------------------------------------------------------------------------- which runs count


def lies_in(regions):
    return lambda run: region(*pair(run)) in regions


def near_boundary(run):
    return lies_in(UNSTABLE)(run) and stability(*pair(run)) >= NEAR


def has_room(regions, which):
    """Runs of some regions whose steps have room for growth at |C|/2 (0) or D_n's rate (1)."""
    return lambda run: (
        lies_in(regions)(run) and rates(*pair(run))[which] * run.spec["n_steps"] >= LEAST_GROWTH
    )


def of_section_4_3(run):
    """Its strategies; of root every decay is above β̃ and γ̃."""
    k, β, γ = n_levels(run), 0.999, 0.9
    pairs = [
        (1 - (1 - β) ** (1 / k), 1 - (1 - γ) ** (1 / k)),
        (β**k, γ**k),
        (β / k, γ / k),
        (β, γ),
    ]
    return any(np.allclose(pair(run), each, rtol=1e-9) for each in pairs)


# ---------------------------------------------------------------------------------- the claims

CURVE, BOUNDARY, LEVELS = (
    ("max_update_normal_curve",),
    ("max_update_boundary",),
    ("max_update_levels",),
)
# Name → what it reads, the bound, and the regions: whose violations are counted.
COUNTS = {
    "D-bounds-max-update": (CURVE, ln_D, ANYWHERE),
    "eq5-where-stable": (CURVE, ln_eq5, STABLE),
    "eq5-where-unstable": (CURVE, ln_eq5, UNSTABLE),
    "D-on-boundary": (BOUNDARY, ln_D, ANYWHERE),
    "eq5-on-boundary": (BOUNDARY, ln_eq5, ANYWHERE),
    "D-on-map": (MAP, ln_D, ANYWHERE),
    "eq10-bounds-every-level": (LEVELS, ln_eq5, ANYWHERE),
    "D-bounds-every-level": (LEVELS, ln_D, ANYWHERE),
}


def ratio_to(of):
    return lambda run: slope_ratio(run, of)


def net_ratio_to(of):
    return lambda run: net(ln_u(run)) / net(bound(run, of))


def growth(ending, *reads):
    return {
        f"growth-rate-D-{ending}": (reads, lies_in(UNSTABLE), ratio_to(ln_D), np.median),
        f"growth-rate-half-C-{ending}": (reads, lies_in(UNSTABLE), ratio_to(None), np.median),
        f"net-growth-{ending}": (reads, lies_in(UNSTABLE), net_ratio_to(ln_D), np.median),
    }


# Name → what it reads, which runs count, the number of a run, and what makes one of a seed's.
STATISTICS = {
    "eq5-is-tight-where-stable": (CURVE, lies_in(STABLE), below_eq5, np.median),
    "eq5-is-tight-where-unstable": (CURVE, lies_in(UNSTABLE), below_eq5, np.median),
    "no-growth-where-stable": (CURVE, lies_in(STABLE), lambda run: net(ln_u(run)), np.median),
    "growth-equals-half-C": (CURVE, lies_in(UNSTABLE), ratio_to(None), np.median),
    "growth-rate-half-C": (CURVE, lies_in(UNSTABLE), ratio_to(None), np.median),
    "growth-equals-D": (CURVE, lies_in(UNSTABLE), ratio_to(ln_D), np.median),
    "growth-rate-D": (CURVE, lies_in(UNSTABLE), ratio_to(ln_D), np.median),
    "growth-right-after-C-0": (CURVE, near_boundary, ratio_to(None), np.median),
    "net-growth": (CURVE, lies_in(UNSTABLE), net_ratio_to(ln_eq5), np.median),
    "exact-is-closer": (CURVE, lies_in(UNSTABLE), gain_of_D, np.median),
    "bounded-on-boundary": (BOUNDARY, lies_in(ANYWHERE), fitted_power, np.median),
    **growth("float64", "max_update_float64"),
    **growth("cnn", "max_update_cnn"),
    "stable-does-not-grow": (MAP, lies_in(STABLE), later_rise, max),
    "strip-is-bounded": (MAP, has_room({"strip"}, 0), later_rise, max),
    "beyond-exact-boundary-exceeds-stable": (MAP, has_room({"B-"}, 1), over_stable, min),
    "beyond-exact-boundary-follows-D": (MAP, has_room({"B-"}, 1), share_of_exponent, np.median),
    "k-adam-is-more-stable": (LEVELS, of_section_4_3, last_over_first, np.median),
}
COVERED = {*COUNTS, *STATISTICS}


def of_seeds(read, experiments, **options):
    """Return seed → the runs of some experiments."""
    parts = [read(experiment, **options) for experiment in experiments]
    return {seed: [run for part in parts for run in part.get(seed, [])] for seed in parts[0]}


@pytest.mark.parametrize("name", COUNTS)
def test_violations_are_as_many(name, read, verdicts):
    experiments, of, regions = COUNTS[name]
    by_seed = of_seeds(read, experiments, pilots=True)
    violations = checked = 0
    for run in (run for runs in by_seed.values() for run in runs):
        assert not run.option("guard", False)
        for level in range(1, n_levels(run) + 1):
            if region(*pair(run, level)) in regions:
                measured = ln_u(run, level)
                excess = measured - bound(run, of, level)[: len(measured)]
                violations += np.sum(excess > math.log1p(ROUNDING))
                checked += len(measured)
    assert checked
    verdict = verdicts[name]
    found = [verdict[field] for field in ("statistic", "n", "interval", "seeds")]
    assert found == [violations, checked, None, sorted(by_seed)]


@pytest.mark.parametrize("name", STATISTICS)
def test_the_statistic_and_its_interval_are_the_same(name, read, agrees):
    experiments, counts, of_run, summary = STATISTICS[name]
    by_seed = of_seeds(read, experiments)
    values = [summary([of_run(run) for run in runs if counts(run)]) for runs in by_seed.values()]
    agrees(name, values, by_seed)
