"""Section 4.2's conclusion, trained: Ŵ under Adam against 2-Adam with γ_2 = 0 on a held norm.

Under Eqs. (8) and (9) Ŵ moves by u/‖W‖, and ‖W‖² is η/(2λ) times the moving average of ‖u‖² with
decay e^{−2ηλ}: it turns by √(2ηλ) · u over the root of that average, as under 2-Adam. With the
corrected law the angle is smaller by √((1+γ)/(1−γ)).

Single directions cannot decide: training multiplies any difference between two runs. How fast Ŵ
turns can, and what is left without the second normalization says what "as fast" means.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from adamct.claims.statistics import FEWEST, bootstrap_interval
from adamct.claims.verdicts import Claim, Finding, above, inconclusive, within
from adamct.records import Records

WINDOW = 20  # steps over which a speed is averaged
SETTLED = 2.0  # memories 1/(2ηλ) after which decay has erased the start, but for e^{−2} of it

# The three that take the place of Adam's own norm, as columns of the experiment tell them.
PRINTED, CORRECTED, HELD = "2-Adam, Eq. (8)", "2-Adam, corrected law", "Adam, norm held"


def directions(records: Records, run: Any) -> tuple[np.ndarray, np.ndarray]:
    """Steps n at which W was sampled, and Ŵ_n up to a factor, at J components, (n, heads, J)."""
    n, values = records.vectors(run.run_id, "head_samples")
    _, norms = records.vectors(run.run_id, "head_squared_norms")
    return n, values.reshape(len(n), norms.shape[1], -1)


def speeds(records: Records, run: Any) -> np.ndarray:
    """Root mean square of ‖Ŵ_{n+1} − Ŵ_n‖ in windows of 20 steps, (windows, heads)."""
    _, turned = records.vectors(run.run_id, "head_squared_turns")
    n_windows = max(1, len(turned) // WINDOW)
    windows = np.array_split(turned[: n_windows * WINDOW], n_windows)
    return np.sqrt([window.mean(axis=0) for window in windows])


def angles(Ŵ: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Angle between two directions in degrees, from their sampled components."""
    inner = (Ŵ * other).sum(axis=-1)
    scale = np.linalg.norm(Ŵ, axis=-1) * np.linalg.norm(other, axis=-1)
    return np.asarray(np.degrees(np.arccos(np.clip(inner / scale, -1, 1))))


def by_kind(records: Records) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Each seed's run under Adam, with those of the three kinds that take its norm's place."""
    for _, runs in records.runs.groupby("seed"):
        held = runs[runs.query_key_fixed_norm].sort_values("query_key_lr")
        corrected, printed = held[held.query_key_k == 2].itertuples()
        (adam,) = runs[~runs.query_key_fixed_norm].itertuples()
        (alone,) = held[held.query_key_k == 1].itertuples()
        yield adam, {PRINTED: printed, CORRECTED: corrected, HELD: alone}


def speed_ratios(records: Records, kind: str) -> np.ndarray:
    """Speed of Ŵ under Adam over that under a kind, once settled, (windows, heads of all seeds)."""
    ratios = []
    for adam, others in by_kind(records):
        own, other = (speeds(records, run) for run in (adam, others[kind]))
        memory = 1 / (2 * adam.query_key_lr * adam.query_key_weight_decay)
        ratios.append((own / other)[int(SETTLED * memory) // WINDOW :])
    return np.concatenate(ratios, axis=1)


def turns_as_printed(records: Records) -> Finding:
    """Speed of Ŵ under Adam over that under 2-Adam at the angle of Eqs. (8) and (9), over heads."""
    return _speed(records, PRINTED)


def turns_as_corrected(records: Records) -> Finding:
    """The same with the angle of the corrected law."""
    return _speed(records, CORRECTED)


def normalization_decides(records: Records) -> Finding:
    """Mismatch of speeds, mean abs(ln ratio) over n, with Adam on a held norm minus with 2-Adam."""
    logs = {kind: np.log(speed_ratios(records, kind)) for kind in (CORRECTED, HELD)}
    if len(logs[HELD]) == 0:
        return inconclusive("the record ends before decay has erased the start")
    mismatch = {kind: np.abs(log).mean(axis=0) for kind, log in logs.items()}
    # What any constant rate could mend, were it known, is no adaptation.
    rest = {kind: np.abs(log - log.mean(axis=0)).mean(axis=0) for kind, log in logs.items()}
    gain = mismatch[HELD] - mismatch[CORRECTED]
    if len(gain) < FEWEST:
        return inconclusive(f"only {len(gain)} matrices", len(gain))
    interval = bootstrap_interval(gain)
    ends: dict[str, list[Any]] = {kind: [] for kind in logs}
    for adam, others in by_kind(records):
        _, Ŵ = directions(records, adam)
        for kind, of_kind in ends.items():
            of_kind.append(np.median(angles(Ŵ[-1], directions(records, others[kind])[1][-1])))
    words = "; ".join(
        f"{kind}: speeds differ by {100 * np.expm1(np.median(mismatch[kind])):.3g} %, by "
        f"{100 * np.expm1(np.median(rest[kind])):.2g} % with the best constant factor; directions "
        f"{np.mean(ends[kind]):.0f}° apart at the end"
        for kind in logs
    )
    return Finding(above(interval, 0), float(np.median(gain)), interval, len(gain), words)


def _speed(records: Records, kind: str) -> Finding:
    ratios = speed_ratios(records, kind)
    if len(ratios) == 0:
        return inconclusive("the record ends before decay has erased the start")
    values = np.exp(np.log(ratios).mean(axis=0))
    if len(values) < FEWEST:
        return inconclusive(f"only {len(values)} matrices", len(values))
    interval = bootstrap_interval(values)
    medians = np.median(ratios, axis=1)
    detail = (
        f"speed under Adam over that under {kind}: {values.min():.3g} to {values.max():.3g} over "
        f"{len(values)} matrices; medians in windows of {WINDOW} steps {medians.min():.3g} to "
        f"{medians.max():.3g}"
    )
    status = within(interval, 0.8, 1.25)
    return Finding(status, float(np.median(values)), interval, len(values), detail)


READS = ("direction",)
AS_FAST = (
    "once decay has erased the start, the interval of the median ratio of the two speeds lies "
    "within 0.8 to 1.25"
)

CLAIMS = (
    Claim(
        "direction-turns-as-printed",
        "figE2",
        "Section 4.2, Eqs. (8) and (9)",
        "The direction of a scale-invariant weight turns under Adam as under 2-Adam with γ_2 = 0",
        AS_FAST,
        READS,
        turns_as_printed,
    ),
    Claim(
        "direction-turns-as-corrected",
        "figE2",
        "beyond the paper: m remembers gradients that W has moved against",
        "It does so by an angle smaller by √((1+γ)/(1−γ))",
        AS_FAST,
        READS,
        turns_as_corrected,
    ),
    Claim(
        "normalization-decides-speed",
        "figE2",
        "Section 4.2: the second normalization",
        "Without that second normalization, on a held norm, it turns at another speed",
        "the interval of the median over matrices of what the mismatch of speeds grows by without "
        "it lies above 0",
        READS,
        normalization_decides,
    ),
)
