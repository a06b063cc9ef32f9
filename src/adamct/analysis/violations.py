"""Steps at which a measured max-update exceeds a bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from adamct.records import Records
from adamct.theory import discrete_max_update_bound
from adamct.theory.domain import Values

# The update is computed in fp32; a bound that exact arithmetic attains may be passed by rounding.
ROUNDING = 1e-5


@dataclass(frozen=True)
class Violations:
    """Where a measured max-update exceeds a bound.

    Attributes:
        count: number of violating (run, step) pairs.
        n_checked: number of (run, step) pairs checked.
        run_ids: the runs with at least one violation.
        last_step: the latest violating step; −1 if there is none.
        worst: largest measured over bound; 0 if nothing was checked.
    """

    count: int
    n_checked: int
    run_ids: frozenset[str]
    last_step: int
    worst: float


def violations(records: Records, bound: Callable[..., Values]) -> Violations:
    """Count the steps at which Adam's ‖u_n‖∞ exceeds a bound by more than fp32 rounding.

    Args:
        records: the runs to check.
        bound: ``(n, beta, gamma, log=True) -> ln bound``.
    """
    return _counted(log_excess(records, bound))


def level_violations(
    records: Records, bound: Callable[..., Values] = discrete_max_update_bound
) -> Violations:
    """Check every level of k-Adam against a bound at its own (β_i, γ_i), as in Theorem 3."""
    runs = records.runs
    levels = [
        log_excess(records.where(runs[runs.k == k]), bound, f"_{level}")
        for k in sorted(set(runs.k))
        for level in range(1, k + 1)
    ]
    return _counted(pd.concat(levels))


def log_excess(records: Records, bound: Callable[..., Values], level: str = "") -> pd.DataFrame:
    """Return by how much ln ‖u_n‖∞ exceeds the logarithm of a bound.

    Args:
        records: the runs.
        bound: ``(n, beta, gamma, log=True) -> ln bound``.
        level: ``"_i"`` for level i, with its own max-update and pair.

    Returns:
        ``run_id, n, excess``, where ‖u_n‖∞ is finite; infinite where the bound is 0.
    """
    n, values = records.matrix(f"max_update{level}")
    beta, gamma = (records.runs[f"{name}{level}"].to_numpy() for name in ("beta", "gamma"))
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.log(values) - bound(n[:, None], beta, gamma, log=True)
    at, run = np.nonzero(np.isfinite(values))
    run_ids = records.runs.run_id.to_numpy()[run]
    return pd.DataFrame({"run_id": run_ids, "n": n[at], "excess": excess[at, run]})


def _counted(checked: pd.DataFrame) -> Violations:
    broken = checked[checked.excess > np.log1p(ROUNDING)]
    return Violations(
        count=len(broken),
        n_checked=len(checked),
        run_ids=frozenset(broken.run_id),
        last_step=int(broken.n.to_numpy().max(initial=-1)),
        worst=float(np.exp(checked.excess.to_numpy().max(initial=-np.inf))),
    )
