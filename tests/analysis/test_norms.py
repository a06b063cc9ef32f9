"""Norms and trajectories: what is read out of records, against runs computed here step by step."""

import numpy as np
import pandas as pd
import pytest

from adamct.analysis.norms import dropped_over_kept, growth_by_gamma, growth_ratio
from adamct.analysis.trajectories import coarse_graining_differences
from adamct.records import Records
from adamct.theory import norm_laws

LR, BETA, STEPS = 1e-3, 0.999, 60


def adam_on_a_scale_invariant_weight(gamma, weight_decay, *, coarse, seed=0):
    """Adam's own recursions on W with gradients that are orthogonal to it.

    Returns:
        ‖W_n‖² (N + 1), ‖u_n‖² (N), mean of v_n (N), ⟨W_n, u_n⟩ (N).
    """
    rng = np.random.default_rng(seed)
    W, m, v = rng.normal(size=50), np.zeros(50), np.zeros(50)
    drift = rng.normal(size=50)
    φ, u2, v̄, inner = [W @ W], [], [], []
    for n in range(STEPS):
        g = drift + rng.normal(size=50)
        g -= (g @ W) / (W @ W) * W
        m = gamma * m + (1 - gamma) * g
        v = BETA * v + (1 - BETA) * g**2
        scale = np.sqrt(1 - BETA ** (n + 1)) / (1 - gamma ** (n + 1))
        u = scale * m / np.sqrt(v.mean() if coarse else v)
        u2.append(u @ u)
        v̄.append(v.mean())
        inner.append(W @ u)
        W = (1 - LR * weight_decay) * W - LR * u
        φ.append(W @ W)
    return map(np.array, (φ, u2, v̄, inner))


def records_of(runs, vectors):
    """Records of runs with columns, and vectors[name][run] of shape (steps, K)."""
    frame = pd.DataFrame(runs).assign(experiment="e", run_id=[f"r{i}" for i in range(len(runs))])
    tables = []
    for i, run_id in enumerate(frame.run_id):
        series = {
            f"{name}_{k}": pd.Series(column)
            for name, values in vectors.items()
            for k, column in enumerate(np.atleast_2d(values[i].T), start=1)
        }
        table = pd.DataFrame(series)
        tables.append(table.assign(run_id=run_id, n=table.index))
    return Records(frame, pd.concat(tables))


def run_of(gamma, weight_decay, kind="elementwise", seed=0):
    columns = {"gamma": gamma, "beta": BETA, "lr": LR, "weight_decay": weight_decay}
    return {**columns, "query_key_second_moment": kind, "seed": seed}


@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
@pytest.mark.parametrize("coarse", [True, False])
@pytest.mark.parametrize("gamma", [0.0, 0.9])
def test_the_recursion_of_the_norm_gives_back_the_inner_product(gamma, coarse, weight_decay):
    φ, u2, _, inner = adam_on_a_scale_invariant_weight(gamma, weight_decay, coarse=coarse)
    vectors = {"head_squared_norms": [φ], "head_squared_updates": [u2]}
    records = records_of([run_of(gamma, weight_decay)], vectors)
    (run,) = records.runs.itertuples()
    found = dropped_over_kept(records, run)[:, 0]
    assert found == pytest.approx(-2 * inner / (LR * u2), rel=1e-6, abs=1e-6)
    if gamma == 0 and coarse:  # the assumption holds
        assert np.abs(found).max() < 1e-6


def test_growth_is_compared_with_a_law_between_two_steps():
    φ, u2, v̄, _ = adam_on_a_scale_invariant_weight(0.9, 0.0, coarse=True)
    laws = norm_laws(φ[:, None], u2[:, None], v̄[:, None], lr=LR, beta=BETA, gamma=0.9)
    expected = (φ[50] - φ[30]) / (LR**2 * u2[30:50].sum())
    assert growth_ratio(laws, "printed", 30, 50) == pytest.approx([expected], rel=1e-9)
    assert growth_ratio(laws, "corrected", 30, 50) == pytest.approx([expected / 19], rel=1e-9)
    assert growth_ratio(laws, "recursion", 0, 50) == pytest.approx([1.0], rel=1e-9)


def test_growth_by_gamma_has_a_row_per_gamma_and_a_column_per_seed():
    runs = [
        run_of(gamma, decay, "tensor_mean", seed)
        for gamma in (0.0, 0.9) for seed in (10, 11) for decay in (0.0, 0.5)
    ]  # fmt: skip
    made = [
        list(adam_on_a_scale_invariant_weight(r["gamma"], r["weight_decay"], coarse=True,
                                              seed=r["seed"]))
        for r in runs
    ]  # fmt: skip
    names = ("head_squared_norms", "head_squared_updates", "head_mean_second_moments")
    vectors = {name: [of_run[i] for of_run in made] for i, name in enumerate(names)}
    table = growth_by_gamma(records_of(runs, vectors), "tensor_mean", 20, STEPS)
    assert (list(table.index), list(table.columns)) == ([0.0, 0.9], [10, 11])
    assert table.loc[0.0].to_numpy() == pytest.approx([1.0, 1.0], rel=1e-6)
    φ, u2, *_ = made[6]  # γ = 0.9, seed 11, λ = 0
    expected = (φ[STEPS] - φ[20]) / (LR**2 * u2[20:].sum())
    assert table.loc[0.9, 11] == pytest.approx(expected, rel=1e-9)


def test_coarse_graining_is_compared_at_one_learning_rate_and_the_control_at_one_kind():
    rng = np.random.default_rng(0)
    kinds = [(kind, lr) for kind in ("elementwise", "tensor_mean") for lr in (1e-3, 1.01e-3)]
    paths = [np.cumsum(rng.normal(size=(6, 8)), axis=0) for _ in kinds]
    runs = [{"query_key_second_moment": kind, "lr": lr, "seed": 10} for kind, lr in kinds]
    coarse, control = coarse_graining_differences(records_of(runs, {"query_key_sample": paths}))
    own, own_control, mean, mean_control = ([row - path[0] for row in path[1:]] for path in paths)

    def apart(one, other):
        return [
            np.sqrt(((x - y) ** 2).sum() / (x**2).sum()) for x, y in zip(one, other, strict=True)
        ]

    assert coarse == pytest.approx(apart(own, mean))
    both = apart(own, own_control), apart(mean, mean_control)
    assert control == pytest.approx(np.mean(both, axis=0))
