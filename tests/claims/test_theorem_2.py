"""Claims on Theorem 2 and its assumptions follow the records, seed by seed."""

import itertools

import numpy as np
import pytest

from adamct.claims import assumptions, judge, theorem_2
from adamct.theory import norm_laws

BY_NAME = {claim.name: claim for claim in (*theorem_2.CLAIMS, *assumptions.CLAIMS)}
SEEDS = (10, 11, 12)
N, HEADS = 200, 2
KINDS = (  # γ, v, λ
    (0.9, "elementwise", 0.0),
    *((gamma, "tensor_mean", 0.0) for gamma in (0.0, 0.5, 0.9)),
    (0.9, "tensor_mean", 0.01),
)


def verdict(name, records):
    [found] = judge([BY_NAME[name]], records)
    return found


def case(build):
    """Turn build(make, …) → records into a function of … that returns make → records."""
    return lambda *args, **settings: lambda make: build(make, *args, **settings)


@case
def norms(make, law, *factors, decayed=None, at=None, n_steps=N, seeds=SEEDS):
    """Runs whose ‖W‖² grows as a law says, times a factor for each seed.

    Runs with weight decay follow ``decayed`` where it is given, and runs at γ = ``at[0]`` the law
    ``at[1]``.
    """
    kinds = [(seed, *kind) for seed, kind in itertools.product(seeds, KINDS)]
    factor = dict(zip(seeds, factors or np.ones(len(seeds)), strict=True))
    u2 = np.outer(1 + 0.5 * np.sin(np.arange(n_steps) / 9), 100 * np.arange(1, HEADS + 1))
    v = 1e-6 * (1 - 0.999 ** np.arange(1.0, n_steps + 1))[:, None] + np.zeros((1, HEADS))
    start = np.ones((n_steps + 1, HEADS))
    measured = []
    for seed, gamma, _, decay in kinds:
        laws = norm_laws(start, u2, v, lr=1e-3, beta=0.999, gamma=gamma, weight_decay=decay)
        follows = (decayed if decay else None) or (at[1] if at and gamma == at[0] else law)
        measured.append(laws.decayed + factor[seed] * (getattr(laws, follows) - laws.decayed))
    seed, gamma, moment, decay = map(list, zip(*kinds, strict=True))
    vectors = {"head_squared_norms": measured, "head_squared_updates": [u2] * len(kinds)}
    vectors["head_mean_second_moments"] = [v] * len(kinds)
    columns = {"query_key_second_moment": moment, "weight_decay": decay, "lr": 1e-3}
    return make("norm_growth", n_steps, vectors, gamma=gamma, seed=seed, **columns)


@case
def gradients(make, *with_, without=0.1, steps=60):
    """Heads whose last gradients have these cosines with W_N under qk-norm, a value a seed."""
    kinds = [(seed, own, value) for seed, value in zip(SEEDS, with_, strict=True)
             for own in (True, False)]  # fmt: skip
    inner = [6 * (value if own else without) * np.ones((steps, HEADS)) for _, own, value in kinds]
    for values, (_, own, _) in zip(inner, kinds, strict=True):
        values[:-1] = 0.3 if own else 1e-9  # what is earlier decides nothing
    vectors = {
        "final_inner_products": inner,
        "head_squared_gradients": [np.full((steps, HEADS), 9.0)] * len(kinds),
        "head_squared_norms": [np.full((steps + 1, HEADS), 4.0)] * len(kinds),
    }
    seed, qk_norm, _ = map(list, zip(*kinds, strict=True))
    return make("gradient_orthogonality", steps, vectors, qk_norm=qk_norm, seed=seed)


@case
def coarse_grained(make, differences, control=(0.02,) * 3, rises=(0.0,) * 3):
    """Two kinds of v at two learning rates, that part by these shares of the displacement."""
    rng = np.random.default_rng(0)
    n = np.linspace(0, 1, 41)[:, None]
    columns, paths, losses = [], [], []
    for seed, apart, chaos, rise in zip(SEEDS, differences, control, rises, strict=True):
        directions, _ = np.linalg.qr(rng.normal(size=(32, 3)))
        for kind, share in (("elementwise", 0.0), ("tensor_mean", apart)):
            path = n * (directions[:, 0] + share * directions[:, 1])
            size = np.hypot(1, share)
            for lr, further in ((1e-3, 0.0), (1.01e-3, chaos * size)):
                columns.append((seed, kind, lr))
                paths.append(path + n * further * directions[:, 2])
                losses.append(np.full(40, 2.0 * (1 + (rise if kind == "tensor_mean" else 0.0))))
    seed, kind, lr = map(list, zip(*columns, strict=True))
    vectors = {"query_key_sample": paths, "train_loss": losses}
    return make("coarse_graining", 40, vectors, seed=seed, lr=lr, query_key_second_moment=kind)


same = (0.05,) * 3
ACCEPTED = {
    "theorem-2-as-printed": norms("printed"),
    "theorem-2-without-memory": norms("printed"),
    "theorem-2-corrected": norms("corrected"),
    "recursion-is-exact": norms("recursion"),
    "recursion-elementwise": norms("recursion"),
    "growth-ratio-follows-memory": norms("corrected"),
    "orthogonal-at-the-end": gradients(0.001, 0.002, 0.001),
    "assumption-1": norms("printed", 1.05, 1.05, 1.06),
    "coarse-graining-keeps-trajectory": coarse_grained(same),
    "coarse-graining-keeps-loss": coarse_grained(same, rises=(0.006, 0.005, 0.004)),
}
REFUSED = {
    "theorem-2-as-printed": norms("recursion"),
    "theorem-2-without-memory": norms("printed", 1.0, 1.0, 1.002),
    "theorem-2-corrected": norms("printed"),
    "recursion-is-exact": norms("recursion", 1.0, 1.002, 1.0),
    "recursion-elementwise": norms("recursion", 1.3, 1.31, 1.32),
    "growth-ratio-follows-memory": norms("corrected", at=(0.5, "printed")),
    "orthogonal-at-the-end": gradients(0.05, 0.05, 0.06),
    "assumption-1": norms("recursion"),
    "coarse-graining-keeps-trajectory": coarse_grained((0.8, 0.82, 0.79)),
    "coarse-graining-keeps-loss": coarse_grained(same, rises=(0.06, 0.061, 0.062)),
}
UNDECIDED = {
    "theorem-2-as-printed": norms("printed", 0.7, 1.0, 1.3),
    "theorem-2-corrected": norms("corrected", 0.7, 1.0, 1.3),
    "recursion-elementwise": norms("recursion", 0.7, 1.0, 1.3),
    "growth-ratio-follows-memory": norms("corrected", 0.7, 1.0, 1.3),
    "orthogonal-at-the-end": gradients(0.001, 0.05, 0.3),
    "assumption-1": norms("printed", 1.0, 1.2, 1.4),
    "coarse-graining-keeps-trajectory": coarse_grained((0.1, 0.3, 0.5)),
    "coarse-graining-keeps-loss": coarse_grained(same, rises=(0.0, 0.02, 0.04)),
}
STATUSES = [
    *((name, build, "reproduced") for name, build in ACCEPTED.items()),
    *((name, build, "not reproduced") for name, build in REFUSED.items()),
    *((name, build, "inconclusive") for name, build in UNDECIDED.items()),
    # The recursion is exact with weight decay, too.
    ("recursion-is-exact", norms("recursion", decayed="printed"), "not reproduced"),
    # What training makes of any small difference is none of coarse-graining's.
    ("coarse-graining-keeps-trajectory", coarse_grained((0.6,) * 3, (0.58,) * 3), "reproduced"),
]


@pytest.mark.parametrize(("name", "build", "status"), STATUSES)
def test_a_verdict_follows_the_records(name, build, status, make_runs):
    found = verdict(name, build(make_runs))
    assert found.status == status
    if BY_NAME[name].kind != "theorem":
        assert (found.seeds, found.n) == (SEEDS, len(SEEDS))


def test_every_claim_is_accepted_refused_and_if_measured_undecided():
    measured = {name for name, claim in BY_NAME.items() if claim.kind != "theorem"}
    assert (set(ACCEPTED), set(REFUSED), set(UNDECIDED)) == (set(BY_NAME), set(BY_NAME), measured)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_diverged_run_decides_nothing(name, make_runs, with_a_diverged_run):
    found = verdict(name, with_a_diverged_run(ACCEPTED[name](make_runs)))
    assert (found.status, found.statistic) == ("inconclusive", None)
    assert "diverged" in found.detail


@pytest.mark.parametrize(
    "name", [name for name, claim in BY_NAME.items() if claim.reads == ("norm_growth",)]
)
def test_a_short_record_decides_no_law(name, make_runs):
    found = verdict(name, norms("printed", n_steps=20)(make_runs))
    undecided = BY_NAME[name].kind != "theorem" and name != "assumption-1"
    assert (found.status == "inconclusive") == undecided
    assert ("the record ends before" in found.detail) == undecided


def test_one_seed_gives_numbers_without_a_verdict(make_runs):
    records = norms("printed", seeds=(10,))(make_runs)
    for name, claim in BY_NAME.items():
        if claim.reads == ("norm_growth",) and claim.kind != "theorem":
            found = verdict(name, records)
            assert (found.status, found.interval) == ("inconclusive", None)
            assert found.statistic is not None


def test_the_paper_law_is_judged_by_growth_and_not_by_the_norm_it_starts_from(make_runs):
    """Growth is 1.6 times Eq. (8)'s, where ‖W‖² itself is within 2 %."""
    found = verdict("theorem-2-as-printed", norms("printed", 1.6, 1.6, 1.6)(make_runs))
    share = float(found.detail.split("gives ")[1].split(" %")[0])
    assert found.statistic == pytest.approx(1.6)
    assert found.status == "not reproduced"
    assert 97 < share < 100


def test_the_factor_of_eq_8_is_far_off_where_the_recursion_holds(make_runs):
    records = norms("recursion")(make_runs)
    found = verdict("theorem-2-as-printed", records)
    assert 10 < found.statistic < 19
    dropped = verdict("assumption-1", records)
    assert dropped.statistic == pytest.approx(18, rel=0.1)
    assert "is 18" in dropped.detail


def test_a_difference_of_trajectories_is_taken_beyond_the_control(make_runs):
    found = verdict("coarse-graining-keeps-trajectory", coarse_grained((0.5,) * 3)(make_runs))
    assert found.statistic == pytest.approx(0.48)
    assert "50 % at n = 20, of the control 2 %" in found.detail
