"""Steps at which a measured max-update exceeds a bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

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


def violations(
    records: Records,
    bound: Callable[..., Values],
    *,
    level: int | None = None,
) -> Violations:
    """Count the steps at which ‖u_n‖∞ exceeds a bound by more than fp32 rounding.

    Args:
        records: the runs to check.
        bound: ``(n, beta, gamma, log=True) -> ln bound``.
        level: check ‖u_n^{(i)}‖∞ of this level i against the bound with (β_i, γ_i); ``None`` for
            Adam, whose only level it is.
    """
    suffix = "" if level is None else f"_{level}"
    n, values = records.matrix(f"max_update{suffix}")
    beta, gamma = (records.runs[f"{name}{suffix}"].to_numpy() for name in ("beta", "gamma"))
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.log(values) - bound(n[:, None], beta, gamma, log=True)
    checked = np.isfinite(values)
    broken = checked & (excess > np.log1p(ROUNDING))
    return Violations(
        count=int(broken.sum()),
        n_checked=int(checked.sum()),
        run_ids=frozenset(records.runs.run_id[broken.any(axis=0)]),
        last_step=int(n[broken.any(axis=1)].max(initial=-1)),
        worst=float(np.exp(excess[checked].max())) if checked.any() else 0.0,
    )


def level_violations(records: Records) -> Violations:
    """Check every level of k-Adam against D_n with the level's own (β_i, γ_i), as in Theorem 3."""
    runs = records.runs
    levels = [
        violations(records.where(runs[runs.k == k]), discrete_max_update_bound, level=level)
        for k in sorted(set(runs.k))
        for level in range(1, k + 1)
    ]
    return Violations(
        count=sum(found.count for found in levels),
        n_checked=sum(found.n_checked for found in levels),
        run_ids=frozenset().union(*(found.run_ids for found in levels)),
        last_step=max(found.last_step for found in levels),
        worst=max(found.worst for found in levels),
    )
