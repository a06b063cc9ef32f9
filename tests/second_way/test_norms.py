"""The claims on norms and directions of scale-invariant weights, by sums written out (Figs. 5, E2).

Every law is a sum over the steps before, with the weights of single steps in a triangular matrix;
the suite steps through recursions.
"""

import numpy as np
import pytest

STATIONARY = 150, 200
SETTLED = 4.0  # times 1/(2ηλ)
WINDOW = 20


# --------------------------------------------------------------------------- laws, as sums


def before(n_steps, weight):
    """Return weight(n, j) where j < n, else 0: shape (n_steps + 1, n_steps)."""
    n, j = np.arange(n_steps + 1)[:, None], np.arange(n_steps)
    return np.where(j < n, weight(np.maximum(n, j), j), 0.0)


def decayed(run, steps):
    """‖W_0‖² e^{−2λt} at t = nη."""
    start, rate = run.vector("head_squared_norms")[0], run.option("weight_decay", 0.0)
    return start * np.exp(-2 * rate * run.option("lr") * steps[:, None])


def integral(run, n_steps):
    """η · η Σ_{j<n} e^{−2λη(n−j)} ‖u_j‖² for n = 0 … N, (N + 1, heads): what Eq. (8) adds."""
    η, λ = run.option("lr"), run.option("weight_decay", 0.0)
    weights = before(n_steps, lambda n, j: np.exp(-2 * λ * η * (n - j)))
    return η**2 * weights @ run.vector("head_squared_updates")[:n_steps]


def recursion(run, n_steps):
    """‖W_n‖² by Q_n = −η Σ_{i<n} γ^{n−i} (1−ηλ)^{n−1−i} ‖u_i‖²/c_i, the recursion unrolled."""
    η, λ = run.option("lr"), run.option("weight_decay", 0.0)
    (β,), (γ,) = run.option("betas"), run.option("gammas")
    keep, n = 1 - η * λ, np.arange(n_steps)[:, None]
    u2 = run.vector("head_squared_updates")[:n_steps]
    v = run.vector("head_mean_second_moments")[:n_steps]
    c = np.sqrt(1 - β ** (n + 1.0)) / (1 - γ ** (n + 1.0)) / np.sqrt(v)
    remembered = before(n_steps, lambda n, i: γ ** (n - i * 1.0) * keep ** (n - 1.0 - i))
    Q = -η * (remembered @ (u2 / c))[:n_steps]
    steps = -2 * η * keep * c * Q + η**2 * u2
    left = keep ** (2.0 * np.arange(n_steps + 1))[:, None] * run.vector("head_squared_norms")[0]
    return left + before(n_steps, lambda n, j: keep ** (2.0 * (n - 1 - j))) @ steps


def growth(run, start, stop):
    """What ‖W_n‖² has gained beside ‖W_0‖² e^{−2λt}, from one step to another, (heads,)."""
    ends = np.array([start, stop])
    gained = run.vector("head_squared_norms")[ends] - decayed(run, ends)
    return gained[1] - gained[0]


def memory(run):
    (γ,) = run.option("gammas")
    return (1 + γ) / (1 - γ)


def is_coarse(run):
    return run.option("query_key_second_moment", "elementwise") == "tensor_mean"


def only(runs, *, coarse, gamma):
    """The one run without weight decay that has this v and γ."""
    (found,) = (
        run
        for run in runs
        if is_coarse(run) == coarse
        and run.option("gammas") == [gamma]
        and not run.option("weight_decay", 0.0)
    )
    return found


# ------------------------------------------------------------------- statistics of each seed


def over_printed(runs):
    run = only(runs, coarse=False, gamma=0.9)
    return np.median(growth(run, 0, 100) / integral(run, 100)[100])


def over_corrected(runs):
    run = only(runs, coarse=False, gamma=0.9)
    start, stop = STATIONARY
    law = integral(run, stop)
    return np.median(growth(run, start, stop) / (19 * (law[stop] - law[start])))


def over_recursion(runs):
    run = only(runs, coarse=False, gamma=0.9)
    predicted = recursion(run, 100)
    return np.median(growth(run, 0, 100) / (predicted[100] - predicted[0]))


def dropped_by_assumption(runs):
    """2|⟨W_n, u_n⟩| / (η‖u_n‖²), from ‖W_{n+1}‖² = ‖W_n − ηu_n‖² at λ = 0."""
    run = only(runs, coarse=False, gamma=0.9)
    η, u2 = run.option("lr"), run.vector("head_squared_updates")
    inner = (η**2 * u2 - np.diff(run.vector("head_squared_norms"), axis=0)) / (2 * η)
    return np.median(2 * np.abs(inner) / (η * u2))


def over_average(runs, *, coarse):
    """Of each γ: ‖W_n‖² and η/(2λ) times the moving average of ‖u‖² over n ≥ N/2."""
    found = {}
    for run in runs:
        if is_coarse(run) == coarse:
            norms = run.vector("head_squared_norms")
            late = np.arange(len(norms)) >= (len(norms) - 1) / 2
            found[run.option("gammas")[0]] = norms[late], integral(run, len(norms) - 1)[late]
    return found


def correlation(runs, *, coarse):
    def of_head(x, y):
        x, y = np.log(x) - np.log(x).mean(), np.log(y) - np.log(y).mean()
        return x @ y / np.sqrt((x @ x) * (y @ y))

    pairs = over_average(runs, coarse=coarse).values()
    return np.median(
        [of_head(x, y) for norms, mean in pairs for x, y in zip(norms.T, mean.T, strict=True)]
    )


def equilibrium_factor(runs):
    by_gamma = over_average(runs, coarse=True)
    norms, average = by_gamma[max(by_gamma)]
    return np.median(norms / average) * (1 - max(by_gamma)) / (1 + max(by_gamma))


def log_speed_ratios(runs, *, levels, largest_lr=True):
    """Ln of the speed of Ŵ under Adam over that at a fixed norm, (windows, heads)."""
    fixed = [run for run in runs if run.option("query_key").get("fixed_norm", False)]
    (adam,) = (run for run in runs if run not in fixed)
    others = [run for run in fixed if len(run.option("query_key")["betas"]) == levels]
    others.sort(key=lambda run: run.option("query_key")["lr"])
    other = others[-1 if largest_lr else 0]
    own = adam.option("query_key")
    start = SETTLED / (2 * own["lr"] * own["weight_decay"])

    def speeds(run):
        turns = run.vector("head_squared_turns")
        firsts = range(0, len(turns) - WINDOW + 1, WINDOW)
        return [np.sqrt(turns[n : n + WINDOW].mean(axis=0)) for n in firsts if n >= start - 1e-6]

    return np.log(speeds(adam)) - np.log(speeds(other))


def typical_ratio(runs, **kind):
    return np.median(np.exp(log_speed_ratios(runs, **kind).mean(axis=0)))


def gain_of_normalization(runs):
    """Mean |ln ratio| about its median over n: Adam at a fixed norm, less 2-Adam."""

    def mismatch(**kind):
        ratios = log_speed_ratios(runs, **kind)
        return np.abs(ratios - np.median(ratios, axis=0)).mean(axis=0)

    return np.median(mismatch(levels=1) - mismatch(levels=2, largest_lr=False))


def growth_over_memory(by_seed):
    """Over all seeds: growth over Eq. (8)'s and the factor, at the γ whose mean is farthest off."""
    start, stop = STATIONARY
    table = {}
    for seed, runs in by_seed.items():
        for run in runs:
            (γ,) = run.option("gammas")
            if γ > 0 and is_coarse(run) and not run.option("weight_decay", 0.0):
                law = integral(run, stop)
                ratios = growth(run, start, stop) / (law[stop] - law[start])
                table.setdefault(γ, {})[seed] = np.median(ratios) / memory(run)
    rows = [[row[seed] for seed in by_seed] for row in table.values()]
    return max(rows, key=lambda row: abs(np.log(np.mean(row))))


def of_each(statistic, **options):
    return lambda by_seed: [statistic(runs, **options) for runs in by_seed.values()]


# Name → what it reads, and the statistic of every seed. All compare whole runs.
COVERED = {
    "theorem-2-as-printed": ("norm_growth", of_each(over_printed)),
    "theorem-2-corrected": ("norm_growth", of_each(over_corrected)),
    "recursion-elementwise": ("norm_growth", of_each(over_recursion)),
    "growth-ratio-follows-memory": ("norm_growth", growth_over_memory),
    "assumption-1": ("norm_growth", of_each(dropped_by_assumption)),
    "norm-is-a-moving-average": ("norm_equilibrium", of_each(correlation, coarse=True)),
    "norm-is-a-moving-average-elementwise": (
        "norm_equilibrium",
        of_each(correlation, coarse=False),
    ),
    "equilibrium-factor": ("norm_equilibrium", of_each(equilibrium_factor)),
    "direction-turns-as-printed": ("direction", of_each(typical_ratio, levels=2)),
    "direction-turns-as-corrected": (
        "direction",
        of_each(typical_ratio, levels=2, largest_lr=False),
    ),
    "normalization-decides-speed": ("direction", of_each(gain_of_normalization)),
    # Identities: the largest error over every step of every head, of pilots, too.
    "theorem-2-without-memory": ("norm_growth", None),
    "recursion-is-exact": ("norm_growth", None),
}
IDENTITIES = [name for name, (_, statistic) in COVERED.items() if statistic is None]


@pytest.mark.parametrize("name", [name for name in COVERED if name not in IDENTITIES])
def test_the_verdict_holds(name, read, agrees):
    experiment, statistic = COVERED[name]
    by_seed = read(experiment)
    whole = all(run.status != "diverged" for runs in by_seed.values() for run in runs)
    agrees(name, statistic(by_seed) if whole else None, by_seed)


@pytest.mark.parametrize("name", IDENTITIES)
def test_the_identity_holds(name, read, verdicts):
    verdict, by_seed = verdicts[name], read("norm_growth", pilots=True)
    errors = []
    for run in (run for runs in by_seed.values() for run in runs if is_coarse(run)):
        norms = run.vector("head_squared_norms")
        steps = np.arange(len(norms))
        grown = (norms - decayed(run, steps))[1:]
        if name == "recursion-is-exact":
            errors.append(np.abs((recursion(run, steps[-1]) - norms)[1:] / grown))
        elif run.option("gammas") == [0.0]:
            errors.append(np.abs(grown / integral(run, steps[-1])[1:] - 1))
    assert verdict["statistic"] == pytest.approx(max(error.max() for error in errors), abs=1e-8)
    assert verdict["interval"] is None
    assert verdict["n"] == sum(error.size for error in errors)
    assert verdict["seeds"] == list(by_seed)
    assert verdict["status"] == "reproduced"
