"""Section 4.2's conclusion, trained: Ŵ under Adam against 2-Adam with γ_2 = 0 on a held norm.

Under Eqs. (8) and (9) Ŵ moves by u/‖W‖, and ‖W‖² is η/(2λ) times the moving average of ‖u‖² with
decay e^{−2ηλ}: it turns by √(2ηλ) · u over the root of that average, as under 2-Adam. With the
corrected law the angle is smaller by √((1+γ)/(1−γ)).

Single directions cannot decide: training multiplies any difference between two runs. How fast Ŵ
turns can, and what is left without the second normalization says what "as fast" means. One
difference stays in every comparison: gradients go like 1/‖W‖, so that v of the first level sees
‖W‖ change under Adam, and does not on a held norm.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from adamct.analysis.statistics import FEWEST, bootstrap_interval
from adamct.claims.verdict import Claim, Finding, above, inconclusive, of_whole_runs, within
from adamct.records import Records

WINDOW = 20  # steps over which a speed is averaged
SETTLED = 4.0  # memories 1/(2ηλ) after which decay has left e^{−4}, 2 %, of ‖W_0‖²

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


def end_angle(records: Records, kind: str) -> float:
    """Angle of Ŵ_N under Adam to that under a kind, degrees: median over heads, mean of seeds."""
    medians = []
    for adam, others in by_kind(records):
        (_, own), (_, other) = (directions(records, run) for run in (adam, others[kind]))
        medians.append(np.median(angles(own[-1], other[-1])))
    return float(np.mean(medians))


@of_whole_runs
def turns_as_printed(records: Records) -> Finding:
    """Speed of Ŵ under Adam over that under 2-Adam at the angle of Eqs. (8) and (9), over heads."""
    return _speed(records, PRINTED)


@of_whole_runs
def turns_as_corrected(records: Records) -> Finding:
    """The same with the angle of the corrected law."""
    return _speed(records, CORRECTED)


@of_whole_runs
def normalization_decides(records: Records) -> Finding:
    """Mismatch of speeds, mean abs(ln ratio) over n, with Adam on a held norm minus with 2-Adam.

    Each ratio is divided by its median over n, the best constant factor: learning rates on a held
    norm are a choice, and what a constant can mend is no adaptation.
    """
    logs = {kind: np.log(speed_ratios(records, kind)) for kind in (CORRECTED, HELD)}
    if len(logs[HELD]) == 0:
        return inconclusive("the record ends before decay has erased the start")
    mismatch = {kind: np.abs(log).mean(axis=0) for kind, log in logs.items()}
    rest = {k: np.abs(log - np.median(log, axis=0)).mean(axis=0) for k, log in logs.items()}
    gain = rest[HELD] - rest[CORRECTED]
    if len(gain) < FEWEST:
        return inconclusive(f"only {len(gain)} matrices", len(gain))
    interval = bootstrap_interval(gain)
    words = "; ".join(
        f"{kind}: speeds differ by {100 * np.expm1(np.median(rest[kind])):.2g} % with the best "
        f"constant factor, by {100 * np.expm1(np.median(mismatch[kind])):.3g} % without; "
        f"directions {end_angle(records, kind):.0f}° apart at the end"
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
        f"{medians.max():.3g}; the directions themselves are {end_angle(records, kind):.0f}° apart "
        "at the end"
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
        "A scale-invariant weight turns as fast under Adam as under 2-Adam with γ_2 = 0",
        AS_FAST,
        READS,
        turns_as_printed,
    ),
    Claim(
        "direction-turns-as-corrected",
        "figE2",
        "beyond the paper: m remembers gradients that W has moved against",
        "With the angle of the corrected law, smaller by √((1+γ)/(1−γ)), it turns as fast as under "
        "2-Adam",
        AS_FAST,
        READS,
        turns_as_corrected,
    ),
    Claim(
        "normalization-decides-speed",
        "figE2",
        "Section 4.2: the second normalization",
        "Beyond a constant rate, the second normalization brings the speed nearer to Adam's",
        "with the best constant factor taken out of each ratio of speeds, the interval of the "
        "median over matrices of what their mismatch grows by without it lies above 0",
        READS,
        normalization_decides,
    ),
)
