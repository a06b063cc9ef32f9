"""Directions of weights: Ŵ = W/‖W‖ over training, and W_N against the gradients before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from adamct.records import Records

WINDOW = 20  # steps over which a speed is averaged
SETTLED = 4.0  # memories 1/(2ηλ) after which decay has left e^{−4}, 2 %, of ‖W_0‖²

# The three that take the place of Adam's own norm, as columns of the experiment tell them.
PRINTED, CORRECTED, FIXED = "2-Adam, Eq. (8)", "2-Adam, corrected law", "Adam, norm fixed"


def directions(records: Records, run: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps n at which W was sampled, and Ŵ_n up to a factor, (n, heads, J).

    J components of each head's matrix are sampled.
    """
    n, values = records.vectors(run.run_id, "head_samples")
    _, norms = records.vectors(run.run_id, "head_squared_norms")
    return n, values.reshape(len(n), norms.shape[1], -1)


def speeds(records: Records, run: Any) -> np.ndarray:
    """Return the root mean square of ‖Ŵ_{n+1} − Ŵ_n‖ in windows of 20 steps, (windows, heads)."""
    _, turned = records.vectors(run.run_id, "head_squared_turns")
    n_windows = max(1, len(turned) // WINDOW)
    windows = np.array_split(turned[: n_windows * WINDOW], n_windows)
    return np.sqrt([window.mean(axis=0) for window in windows])


def angles(Ŵ: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the angle between two directions in degrees, from their sampled components.

    >>> angles(np.array([1.0, 0.0]), np.array([0.0, 2.0])).item()
    90.0
    """
    inner = (Ŵ * other).sum(axis=-1)
    scale = np.linalg.norm(Ŵ, axis=-1) * np.linalg.norm(other, axis=-1)
    return np.asarray(np.degrees(np.arccos(np.clip(inner / scale, -1, 1))))


def by_kind(records: Records) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield each seed's run under Adam, with those of the three kinds in its norm's place."""
    for _, runs in records.runs.groupby("seed"):
        fixed = runs[runs.query_key_fixed_norm].sort_values("query_key_lr")
        corrected, printed = fixed[fixed.query_key_k == 2].itertuples()
        (adam,) = runs[~runs.query_key_fixed_norm].itertuples()
        (alone,) = fixed[fixed.query_key_k == 1].itertuples()
        yield adam, {PRINTED: printed, CORRECTED: corrected, FIXED: alone}


def speed_ratio(records: Records, adam: Any, other: Any) -> np.ndarray:
    """Return the speed of Ŵ under Adam over that in another run, (windows, heads)."""
    return speeds(records, adam) / speeds(records, other)


def settled_ratios(records: Records, kind: str) -> np.ndarray:
    """Return the speed of Ŵ under Adam over that under a kind, (windows, heads) of one seed.

    From the window on in which decay has erased the start: none if the record ends before.
    """
    ((adam, others),) = by_kind(records)
    memory = 1 / (2 * adam.query_key_lr * adam.query_key_weight_decay)
    settled = int(SETTLED * memory) // WINDOW
    return speed_ratio(records, adam, others[kind])[settled:]


def angles_to_adam(records: Records, adam: Any, other: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps, and the angle of Ŵ under Adam to that in another run, (n, heads)."""
    (n, own), (_, theirs) = (directions(records, run) for run in (adam, other))
    return n, angles(own, theirs)


def end_angle(records: Records, kind: str) -> float:
    """Return the last angle of Ŵ under Adam to that under a kind, in degrees.

    The median over heads, the mean over seeds.
    """
    pairs = [(adam, others[kind]) for adam, others in by_kind(records)]
    return float(np.mean([np.median(angles_to_adam(records, *pair)[1][-1]) for pair in pairs]))


def final_products(records: Records, *, qk_norm: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return n, abs⟨W_N, g_n⟩ and abs(cos(W_N, g_n)) of the runs with or without qk-norm.

    Returns:
        The steps, (N,), and both of every head of every run, (N, heads).
    """
    products, cosines = [], []
    for run_id in records.runs.run_id[records.runs.qk_norm == qk_norm]:
        n, inner = records.vectors(run_id, "final_inner_products")
        _, g2 = records.vectors(run_id, "head_squared_gradients")
        _, W2 = records.vectors(run_id, "head_squared_norms")
        products.append(np.abs(inner))
        cosines.append(np.abs(inner) / np.sqrt(W2[-1] * g2))
    return n, np.concatenate(products, axis=1), np.concatenate(cosines, axis=1)
