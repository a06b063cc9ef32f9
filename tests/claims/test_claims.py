"""Every claim on curves, maps and norms changes its verdict when its data change, both ways."""

import json

import numpy as np
import pandas as pd
import pytest

from adamct.claims import CLAIMS, Verdict, judge, regions
from adamct.records import Records, join
from adamct.theory import (
    discrete_max_update_bound,
    level_curve,
    max_update_bound,
    norm_laws,
    normal_curve,
    stability_coefficient,
)

BY_NAME = {claim.name: claim for claim in CLAIMS if "kadam" not in "".join(claim.reads)}
CURVE = normal_curve(0.999, 0.9).sample(24, 0.952, 0.97)
WHOLE = normal_curve(0.999, 0.9).sample(36, 0.952, 0.999)
BOUNDARY = level_curve(0.0).sample(11, 0.7, 0.999)
LEVEL = level_curve(float(stability_coefficient(0.999, 0.9))).sample(12, 0.3, 0.999)
STRIP = ([0.5, 0.5, 0.2, 0.1, 0.3], [0.69, 0.705, 0.44, 0.25, 0.52])
BEYOND = ([0.9, 0.9, 0.8, 0.9, 0.95], [0.99, 0.995, 0.99, 0.97, 0.999])

# What could be measured: u(n, beta, gamma).
at_the_bound = discrete_max_update_bound


def times(factor, bound=at_the_bound):
    return lambda n, beta, gamma: factor * bound(n, beta, gamma)


def growing(rate):
    return lambda n, beta, gamma: np.exp(rate * n)


as_predicted = times(0.1)  # by the exact theory: the shape of D_n, well below it
eq5 = times(0.1, max_update_bound)


def once_above(n, beta, gamma):
    return at_the_bound(n, beta, gamma) * (1 + 1e-4 * (n == 77))


def at_half_C(n, beta, gamma):
    return np.exp(np.maximum(0.0, -(2 / gamma - 1 / beta - 1)) * n / 2)


def twice_as_fast(n, beta, gamma):
    return as_predicted(n, beta, gamma) ** 2


def constant(n, beta, gamma):
    return np.full(len(n), 0.9)


def square_root(n, beta, gamma):
    return 0.5 * np.sqrt(n + 1)


def case(build):
    """Turn build(make, …) → records into a function of … that returns make → records."""
    return lambda *args, **settings: lambda make: build(make, *args, **settings)


@case
def curve(make, measured, experiment="max_update_normal_curve", pairs=CURVE, **columns):
    return make(experiment, *pairs, measured, **columns)


def on_boundary(measured):
    return curve(measured, "max_update_boundary", BOUNDARY)


def named(records, name):
    """The same records with other names of runs."""
    return Records(
        records.runs.assign(run_id=name + records.runs.run_id),
        records.scalars.assign(run_id=name + records.scalars.run_id),
    )


@case
def losses(make, loss, experiment="generalization_normal_curve", pairs=WHOLE, **columns):
    """Records with test losses: loss(C, beta, early) at n = 300 and at n = 900."""
    records = make(experiment, *pairs, constant, **{"schedule": "warmup_cosine", **columns})
    values = [
        {"run_id": run.run_id, "n": n, "test_loss": loss(run.C, run.beta, n == 300)}
        for run in records.runs.itertuples()
        for n in (300, 900)
    ]
    scalars = records.scalars.merge(pd.DataFrame(values), on=["run_id", "n"], how="left")
    return Records(records.runs, scalars)


def noise(C):
    return 0.01 * np.sin(1e4 * C)


@case
def annealed(make, update, *, rate=0.02, excess=0.5):
    """Annealed runs of both kinds, and the default run that they are compared with."""
    alone = make("annealed_unstable", *CURVE, update, schedule="annealed")
    lr = 1e-3 * np.exp(-rate * alone.scalars.n)
    cosine = losses(
        lambda C, *_: 2.0 + excess + noise(C), "annealed_unstable", CURVE,
        schedule="annealed_warmup_cosine",
    )  # fmt: skip
    default = losses(lambda *_: 2.0, pairs=([0.999], [0.9]))
    named_apart = named(cosine(make), "cosine"), named(default(make), "default")
    return join([Records(alone.runs, alone.scalars.assign(lr=lr)), *named_apart])


@case
def grid(make, strip, beyond):
    """A map: the strip's runs measured as one function, those beyond as another."""
    inside = make("instability_map", *STRIP, strip, n_steps=400)
    return join([inside, named(make("instability_strip", *BEYOND, beyond, n_steps=400), "strip")])


@case
def levels(make, factor):
    pairs = {"beta_1": 0.9, "gamma_1": 0.5, "beta_2": 0.99, "gamma_2": 0.9}
    records = make("max_update_levels", [0.999] * 2, [0.9] * 2, at_the_bound, k=2, **pairs)
    first, second = (at_the_bound(records.scalars.n, *p) for p in ((0.9, 0.5), (0.99, 0.9)))
    scalars = records.scalars.assign(max_update_1=first, max_update_2=factor * second)
    return Records(records.runs, scalars)


def whole_runs(make, experiment, n_steps, vectors, *, gamma=0.9, **columns):
    """Finished runs with vectors[name][run], (steps,) or (steps, K); what is of θ_N comes last."""
    n_runs = len(next(iter(vectors.values())))
    beta, gamma = np.full(n_runs, 0.999), np.full(n_runs, gamma)
    columns["status"] = "finished"
    records = make(experiment, beta, gamma, constant, n_steps=n_steps, **columns)
    tables = []
    for position, run_id in enumerate(records.runs.run_id):
        of_run = {name: np.asarray(runs[position], float).T for name, runs in vectors.items()}
        table = pd.DataFrame(
            {
                f"{name}_{i}" if values.ndim > 1 else name: pd.Series(row)
                for name, values in of_run.items()
                for i, row in enumerate(np.atleast_2d(values), start=1)
            }
        )
        tables.append(table.assign(run_id=run_id, n=table.index))
    scalars = records.scalars.merge(pd.concat(tables), on=["run_id", "n"], how="outer")
    return Records(records.runs, scalars)


@case
def trajectories(make, gap=0.1, correlation=0.99, solver_gap=0.0, forced=0.01):
    """Discrete and continuous runs, with and without decay, solved by both schemes."""
    n = np.arange(21.0)
    end = np.linspace(1.0, 2.0, 16)
    vectors = {
        "displacement": [n] * 4,
        "continuous_gap": [gap * n] * 4,
        "driven_gap": [forced * n] * 4,
        "continuous_correlation": [np.where(n, correlation, 1.0)] * 4,
        "continuous_sampled_parameters": [
            np.outer(n, end * factor) for factor in (1 + solver_gap, 1.0) * 2
        ],
    }
    return whole_runs(
        make, "trajectory", 20, vectors, scheme=["euler", "exponential"] * 2,
        n_substeps=[100, 2] * 2, weight_decay=[0.0, 0.0, 0.01, 0.01],
    )  # fmt: skip


@case
def approaching(make, power, seeds=(1.4, 1.0)):
    """Runs whose relative error goes like a power of η, with a factor for each seed."""
    n = np.arange(21.0)
    lr, factor = (column.ravel() for column in np.meshgrid([1e-3, 3e-4, 1e-4], seeds))
    gaps = [f * 0.3 * (η / 1e-3) ** power * n for η, f in zip(lr, factor, strict=True)]
    series = {"displacement": [n] * len(lr), "continuous_gap": gaps}
    series["continuous_correlation"] = [np.ones(21)] * len(lr)
    return whole_runs(make, "trajectory_learning_rate", 20, series, lr=lr)


@case
def norms(make, law, excess=0.0, *, decayed=None, at=None):
    """Runs whose ‖W‖² grows as a law says, or by a share more than that.

    Runs with weight decay follow ``decayed`` where it is given, and runs at γ = ``at[0]`` the law
    ``at[1]``.
    """
    kinds = [
        (gamma, moment, decay)
        for gamma in (0.0, 0.5, 0.9)
        for moment in ("elementwise", "tensor_mean")
        for decay in (0.0, 0.01)
    ]
    gammas, moments, decays = map(list, zip(*kinds, strict=True))
    u2 = np.outer(1 + 0.5 * np.sin(np.arange(150) / 9), 100 * np.arange(1, 9))
    v = 1e-6 * (1 - 0.999 ** np.arange(1.0, 151))[:, None] + np.zeros((1, 8))
    start = np.ones((151, 8))
    measured = []
    for gamma, _, decay in kinds:
        laws = norm_laws(start, u2, v, lr=1e-3, beta=0.999, gamma=gamma, weight_decay=decay)
        follows = (decayed if decay else None) or (at[1] if at and gamma == at[0] else law)
        grown = getattr(laws, follows) - laws.decayed
        measured.append(laws.decayed + (1 + excess) * grown)
    vectors = {"head_squared_norms": measured, "head_squared_updates": [u2] * len(kinds)}
    vectors["head_mean_second_moments"] = [v] * len(kinds)
    columns = {"query_key_second_moment": moments, "weight_decay": decays, "lr": 1e-3}
    return whole_runs(make, "norm_growth", 150, vectors, gamma=gammas, **columns)


@case
def equilibrium(make, factor=lambda g: (1 + g) / (1 - g), follows=True):
    """‖W‖² that is a factor times the moving average of ‖u‖², or moves by itself."""
    kinds = ["tensor_mean", "tensor_mean", "elementwise", "elementwise"]
    gammas, settings = [0.0, 0.9] * 2, {"lr": 1e-3, "weight_decay": 2.0}
    u2 = np.outer(100 + 50 * np.sin(np.arange(1500) / 90), np.arange(1, 9))
    average = norm_laws(np.zeros((1501, 8)), u2, u2, beta=0.999, gamma=0.0, **settings).printed
    if not follows:
        average = np.outer(1 + 0.5 * np.sin(np.arange(1501) / 17), average[-1])
    norms = [factor(gamma) * average for gamma in gammas]
    vectors = {"head_squared_norms": norms, "head_squared_updates": [u2] * 4}
    settings["query_key_second_moment"] = kinds
    return whole_runs(make, "norm_equilibrium", 1500, vectors, gamma=gammas, **settings)


@case
def turning(make, corrected=1.0, printed=1.0, alone=2.0, steady=("alone",), start=1.0):
    """Heads that turn in a plane, at a speed that goes up and down, but for the steady ones.

    The factors are the speeds under the others, over that under Adam; ``start`` multiplies Adam's
    before decay has erased the start.
    """
    kinds = {
        "query_key_k": [1, 2, 2, 1],
        "query_key_lr": [1e-3, 3e-3, 7e-4, 1e-3],
        "query_key_weight_decay": [10.0, 0.0, 0.0, 0.0],
        "query_key_fixed_norm": [False, True, True, True],
    }
    N, rng = 300, np.random.default_rng(0)
    head = 0.01 * (1 + 0.01 * np.arange(16))
    up_and_down = 1 + 0.4 * np.sin(np.arange(N) / 16)[:, None]
    factors = {"adam": 1.0, "printed": printed, "corrected": corrected, "alone": alone}
    samples, turns = [], []
    for kind, factor in factors.items():
        speed = factor * head * (1.0 if kind in steady else up_and_down)
        speed = speed * np.exp(0.05 * rng.normal(size=(N, 16)))
        speed[:200] *= start if kind == "adam" else 1.0
        turns.append(np.square(2 * np.sin(speed / 2)))
        turned = np.concatenate([np.zeros((1, 16)), np.cumsum(speed, axis=0)])
        W = 3 * np.stack([np.cos(turned), np.sin(turned), 0 * turned], axis=-1)
        sampled = np.full((N + 1, 48), np.nan)
        sampled[::20] = W.reshape(N + 1, -1)[::20]
        samples.append(sampled)
    norms = [np.full((N + 1, 16), 9.0)] * 4
    vectors = {"head_samples": samples, "head_squared_norms": norms, "head_squared_turns": turns}
    return whole_runs(make, "direction", N, vectors, **kinds)


@case
def gradients(make, last=0.01, remembered=0.01):
    """abs(cos(W_N, g_n)) with qk-norm, of what it is without: at N − 1, and 20 steps before."""
    without = 0.1 + 0.001 * np.arange(16) + np.zeros((60, 1))
    with_ = without.copy()
    with_[-20:] *= remembered
    with_[-1] = last * without[-1]
    vectors = {
        "final_inner_products": [6 * with_, 6 * without],
        "head_squared_gradients": [np.full((60, 16), 9.0)] * 2,
        "head_squared_norms": [np.full((61, 16), 4.0)] * 2,
    }
    return whole_runs(make, "gradient_orthogonality", 60, vectors, qk_norm=[True, False])


@case
def coarse_grained(make, difference):
    rng = np.random.default_rng(0)
    path = np.outer(np.linspace(0, 1, 41), rng.normal(size=256))
    other = path + difference * np.outer(np.linspace(0, 1, 41), rng.normal(size=256))
    vectors = {"query_key_sample": [path, other], "train_loss": [np.full(40, 2.0)] * 2}
    kinds = ["elementwise", "tensor_mean"]
    return whole_runs(make, "coarse_graining", 40, vectors, query_key_second_moment=kinds)


def good_loss(C, beta, early):
    return (2.5 - C + noise(C)) if early else 2.0 - 0.01 * C


def sharp_loss(C, beta, early):
    return 2.0 - 0.1 * C - 5 * min(C, 0)


def both(build, settings, *args):
    """A case from the two settings of a builder: that which is accepted, that which is refused."""
    return tuple(build(setting, *args) for setting in settings)


PRECISE = "max_update_float64"
# Laws of growth: measurements that agree, and that do not.
LAWS = {"half-C": (at_half_C, twice_as_fast), "eq5": (eq5, twice_as_fast), "D": (as_predicted, eq5)}
CASES = {
    **{f"growth-rate-{law}": both(curve, growth) for law, growth in LAWS.items()},
    **{f"growth-rate-{law}-float64": both(curve, LAWS[law], PRECISE) for law in ("half-C", "D")},
    "eq5-bounds-max-update": both(curve, (as_predicted, times(2))),
    "eq5-where-stable": both(curve, (as_predicted, times(2))),
    "D-bounds-max-update": both(curve, (at_the_bound, once_above)),
    "D-where-stable": both(curve, (at_the_bound, once_above)),
    "no-growth-where-stable": both(curve, (as_predicted, growing(0.003))),
    "exact-is-closer": both(curve, LAWS["D"]),
    "bounded-on-boundary": both(on_boundary, (constant, square_root)),
    "eq5-on-boundary": both(on_boundary, (times(0.9, max_update_bound), constant)),
    "D-on-boundary": both(on_boundary, (at_the_bound, square_root)),
    "D-bounds-every-level": both(levels, (1.0, 1.001)),
    "strip-is-bounded": both(grid, (constant, times(1e-9, max_update_bound)), as_predicted),
    "exactly-stable-is-bounded": both(grid, (constant, times(1.01)), as_predicted),
    "B-minus-is-unstable": both(grid, (times(1e-9, max_update_bound), constant), as_predicted),
    "beyond-exact-boundary-is-unstable": (grid(constant, as_predicted), grid(constant, constant)),
    "slower-towards-origin": both(
        losses, (lambda C, b, _: 3 - b, lambda C, b, _: 3 + b), "generalization_level_curve", LEVEL
    ),
    "annealed-to-nothing": (annealed(constant), annealed(constant, rate=0.001)),
    "unscaled-of-order-one": both(annealed, (constant, growing(0.02))),
    "annealing-does-not-rescue": (annealed(constant), annealed(constant, excess=-0.5)),
    "continuous-follows-discrete": both(trajectories, (0.1, 0.3)),
    "continuous-follows-given-gradients": (trajectories(), trajectories(forced=0.1)),
    "continuous-correlates-with-discrete": (trajectories(), trajectories(correlation=0.9)),
    "euler-is-resolved": (trajectories(), trajectories(solver_gap=0.1)),
    "continuous-is-the-limit": both(approaching, (1, 0)),
    "theorem-2-as-printed": both(norms, ("printed", "recursion")),
    "theorem-2-without-memory": (norms("printed"), norms("printed", excess=0.002)),
    "theorem-2-corrected": both(norms, ("corrected", "printed")),
    "recursion-is-exact": (norms("recursion"), norms("recursion", excess=0.002)),
    "recursion-elementwise": (norms("recursion"), norms("recursion", excess=0.3)),
    "growth-ratio-follows-memory": (norms("corrected"), norms("corrected", at=(0.5, "printed"))),
    "norm-is-a-moving-average": (equilibrium(), equilibrium(follows=False)),
    "norm-is-a-moving-average-elementwise": (equilibrium(), equilibrium(follows=False)),
    "equilibrium-factor": (equilibrium(), equilibrium(lambda gamma: 1.0)),
    "direction-turns-as-printed": (turning(), turning(printed=3.0)),
    "direction-turns-as-corrected": (turning(), turning(corrected=0.5)),
    "normalization-decides-speed": (turning(), turning(alone=1.0, steady=("corrected",))),
    "orthogonal-at-the-end": both(gradients, (0.01, 0.5)),
    "assumption-1": (gradients(), gradients(remembered=0.5)),
    "coarse-graining-changes-little": both(coarse_grained, (0.05, 0.8)),
}
for figure, ending in (("fig04", ""), ("fig12", "_095")):
    experiment = f"generalization_normal_curve{ending}"
    for name, *shapes in (
        ("faster-with-C", good_loss, lambda C, b, early: 2.0 + C),
        ("alike-in-the-end", good_loss, lambda C, b, early: 2.0 - 3 * C),
        ("sharp-rise", sharp_loss, lambda C, b, early: 2.0 - C),
    ):
        CASES[f"{name}-{figure}"] = both(losses, shapes, experiment)
# Statements about theory alone: what is changed is the theory itself.
THEORY = {
    "monotone-along-normal-curves": ("stability_coefficient", lambda b, g: np.sin(40 * b)),
    "beta-above-gamma": ("stability_coefficient", lambda b, g: 2 / g - 1 / b - 3),
    "paper-overestimates": ("discrete_growth_rate", lambda b, g: 0.0 * b + 0.5),
}


@pytest.mark.parametrize("name", [name for name in BY_NAME if name not in THEORY])
def test_a_verdict_follows_the_data(name, make_records):
    good, bad = CASES[name]
    assert judge(BY_NAME[name], good(make_records)).status == "reproduced"
    assert judge(BY_NAME[name], bad(make_records)).status == "not reproduced"


@pytest.mark.parametrize("name", THEORY)
def test_a_verdict_follows_the_theory(name, monkeypatch):
    assert judge(BY_NAME[name], join([])).status == "reproduced"
    monkeypatch.setattr(regions, *THEORY[name])
    assert judge(BY_NAME[name], join([])).status == "not reproduced"


@pytest.mark.parametrize("name", [name for name, claim in BY_NAME.items() if claim.whole_runs])
def test_a_diverged_run_decides_nothing(name, make_records):
    records = CASES[name][0](make_records)
    runs, scalars = records.runs, records.scalars
    last = runs.index == len(runs) - 1
    runs = runs.assign(
        status=np.where(last, "diverged", runs.status), n_recorded=np.where(last, 7, runs.n_steps)
    )
    kept = scalars[(scalars.run_id != runs.run_id.iloc[-1]) | (scalars.n < 7)]
    found = judge(BY_NAME[name], Records(runs, kept))
    assert (found.status, found.statistic) == ("inconclusive", None)
    assert f"1 of {len(runs)} runs diverged" in found.detail


def test_the_factor_of_eq_8_is_given_at_step_100_and_at_the_end(make_records):
    found = judge(BY_NAME["theorem-2-as-printed"], norms("recursion")(make_records))
    ratios = [float(found.detail.split(f"at step {n} ")[1].split(" to ")[0]) for n in (100, 150)]
    assert 1 < ratios[0] < ratios[1] < 19


@pytest.mark.parametrize(
    "name", [n for n, c in BY_NAME.items() if "max_update" in "".join(c.reads)]
)
def test_a_guarded_or_short_record_decides_nothing(name, make_records):
    claim = BY_NAME[name]
    if counts_violations := name.startswith(("D-", "eq5-")):
        records = CASES[name][0](make_records)
        records = Records(records.runs.assign(guard=True), records.scalars)
    else:
        pairs = BOUNDARY if "boundary" in name else CURVE
        short = curve(as_predicted, claim.reads[0], pairs, n_steps=400, n_recorded=400)
        records = short(make_records)
    found = judge(claim, records)
    assert (found.status, found.statistic) == ("inconclusive", None)
    assert ("guard was on" in found.detail) == counts_violations


def disagreeing(n, beta, gamma):
    """At half the points as predicted, at the others twice as fast."""
    return as_predicted(n, beta, gamma) ** (1 + np.searchsorted(CURVE[0], beta) % 2)


@pytest.mark.parametrize(
    ("name", "build", "status"),
    [
        ("no-growth-where-stable", curve(growing(-0.003)), "not reproduced"),
        ("growth-rate-D", curve(disagreeing), "inconclusive"),
        ("faster-with-C-fig04", losses(lambda C, *_: 2 - 0.01 * C + noise(C)), "inconclusive"),
        # The recursion is exact with weight decay, too.
        ("recursion-is-exact", norms("recursion", decayed="printed"), "not reproduced"),
        ("recursion-elementwise", norms("recursion", decayed="printed"), "not reproduced"),
        # Speeds are compared once decay has erased the start.
        ("direction-turns-as-printed", turning(start=3.0), "reproduced"),
        ("normalization-decides-speed", turning(start=3.0), "reproduced"),
        # A constant rate is no adaptation.
        ("normalization-decides-speed", turning(steady=()), "inconclusive"),
    ],
)
def test_what_else_can_decide(name, build, status, make_records):
    assert judge(BY_NAME[name], build(make_records)).status == status


def broken_once(n, beta, gamma):
    return at_the_bound(n, beta, gamma) * (1 + 0.5 * ((n == 77) & (beta == CURVE[0][3])))


@pytest.mark.parametrize(
    ("name", "build", "statistic", "n", "words"),
    [
        ("D-bounds-max-update", curve(broken_once), 1, 24 * 1010, ("1 runs", "n = 77", "is 1.5")),
        # Runs of one seed with and without weight decay hold the same matrices.
        ("theorem-2-as-printed", norms("printed", decayed="recursion"), 1, 8, ("8 matrices",)),
    ],
)
def test_what_a_statistic_rests_on_is_counted(name, build, statistic, n, words, make_records):
    found = judge(BY_NAME[name], build(make_records))
    assert (found.statistic, found.n) == (pytest.approx(statistic), n)
    assert all(word in found.detail for word in words)


def test_a_verdict_carries_what_it_rests_on(make_records):
    found = judge(BY_NAME["growth-rate-D"], curve(as_predicted)(make_records))
    rests_on = (found.seeds, found.corpora, found.devices, found.scale)
    assert rests_on == ((0,), ("pydoc_topics",), ("a CPU",), "laptop")
    low, high = found.interval
    assert low <= found.statistic <= high
    assert (found.name, found.status, found.kind) == ("growth-rate-D", "reproduced", "extension")
    assert Verdict.model_validate(json.loads(json.dumps(found.model_dump(mode="json")))) == found
    assert all(words in found.as_text() for words in ("REPRODUCED", found.estimate))


def test_names_are_unique():
    assert len({claim.name for claim in CLAIMS}) == len(CLAIMS)
