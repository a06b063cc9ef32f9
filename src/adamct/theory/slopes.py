"""Slopes of ln ‖u_n‖∞, measured and predicted by the same finite difference.

The bias correction changes a slope at n = 1000 by as much as the two theories differ, so a
measured slope is set against the same difference of ln D_n and of ln Eq. (5), never against a
bare rate.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adamct.theory.bounds import discrete_max_update_bound
from adamct.theory.domain import FloatArray, Values, plain, whole_steps

HALF_WIDTH = 5  # w, steps on either side: Appendix H takes a slope from n = 995 and 1005
RATE_TOLERANCE = 0.02  # relative deviation of a slope up to which it counts as the predicted one


def log_slope(
    n: ArrayLike,
    values: ArrayLike,
    at: ArrayLike,
    half_width: int = HALF_WIDTH,
) -> Values:
    """Slope of ln x at step N, (ln x_{N+w} − ln x_{N−w}) / (2w), as Appendix H takes it (w = 5).

    Args:
        n: recorded step indices, increasing, shape (steps,).
        values: the record x, shape (steps,) or (steps, runs, …).
        at: the step or steps N.
        half_width: w, in steps.

    Returns:
        The slope per step, of the shape of ``at`` followed by (runs, …); nan where an end is
        zero, negative or not finite, as in a run that has overflowed.

    Raises:
        ValueError: n and values do not match, or the record lacks N − w or N + w.

    >>> n = np.arange(1200)
    >>> round(log_slope(n, np.exp(0.02 * n), at=1000), 6)
    0.02
    """
    steps, record = _record(n, values, half_width)
    centres = np.asarray(at, dtype=np.float64)
    after = record[_positions(steps, centres, half_width)]
    before = record[_positions(steps, centres, -half_width)]
    with np.errstate(divide="ignore", invalid="ignore"):
        rise = np.log(after) - np.log(before)
    return plain(np.where(np.isfinite(rise), rise / (2 * half_width), np.nan))


def predicted_slope(
    at: ArrayLike,
    beta: ArrayLike,
    gamma: ArrayLike,
    *,
    bound: Callable[..., Values] = discrete_max_update_bound,
    half_width: int = HALF_WIDTH,
) -> Values:
    """The slope that a bound predicts at step N, (ln D_{N+w} − ln D_{N−w}) / (2w).

    Args:
        at: the step N ≥ w; broadcasts with ``beta`` and ``gamma``.
        beta: second-moment decay (torch's ``betas[1]``).
        gamma: first-moment decay (torch's ``betas[0]``).
        bound: ``discrete_max_update_bound`` for D_n, ``max_update_bound`` for Eq. (5).
        half_width: w, in steps.

    Returns:
        The slope per step; nan where both bounds are infinite.

    Raises:
        ValueError: N < w, or a decay that the bound refuses.

    >>> from adamct.theory import max_update_bound, normal_curve
    >>> gamma = normal_curve(0.999, 0.9).gamma(0.955)
    >>> round(predicted_slope(1000, 0.955, gamma), 5)
    0.01663
    >>> round(predicted_slope(1000, 0.955, gamma, bound=max_update_bound), 5)
    0.01715
    """
    w = _checked_half_width(half_width)
    N = whole_steps(at)
    if np.any(w > N):
        raise ValueError(
            f"a slope with half_width = {w} needs at ≥ {w}, got at = {int(N.min())}; "
            "choose a later step or a smaller half_width"
        )
    with np.errstate(invalid="ignore"):  # ∞ − ∞, at β = 0
        rise = bound(N + w, beta, gamma, log=True) - bound(N - w, beta, gamma, log=True)
    return rise / (2 * w)


def local_slopes(
    n: ArrayLike, values: ArrayLike, half_width: int = HALF_WIDTH
) -> tuple[FloatArray, FloatArray]:
    """``log_slope`` at every step that the record surrounds.

    Args:
        n: recorded step indices, increasing, shape (steps,).
        values: the record, shape (steps,) or (steps, runs, …).
        half_width: w, in steps.

    Returns:
        The steps N, shape (centres,), and the slopes there, shape (centres,) or
        (centres, runs, …).

    Raises:
        ValueError: no step has both N − w and N + w on record.

    >>> centres, slopes = local_slopes(range(12), np.exp2(range(12)), half_width=5)
    >>> centres, slopes / np.log(2)
    (array([5., 6.]), array([1., 1.]))
    """
    steps, record = _record(n, values, half_width)
    surrounded = np.isin(steps - half_width, steps) & np.isin(steps + half_width, steps)
    if not surrounded.any():
        raise ValueError(
            f"no step has a recorded step {half_width} before and after it in a record of "
            f"{steps.size} steps; record every step, or choose a smaller half_width"
        )
    centres = steps[surrounded]
    return centres, log_slope(steps, record, centres, half_width)


def share_at_predicted_rate(
    n: ArrayLike,
    values: ArrayLike,
    beta: ArrayLike,
    gamma: ArrayLike,
    *,
    bound: Callable[..., Values] = discrete_max_update_bound,
    tolerance: float = RATE_TOLERANCE,
    half_width: int = HALF_WIDTH,
) -> Values:
    """Share of the steps whose local slope is within 2 % of the predicted slope.

    In the unstable region the max-update grows at the predicted rate and resets, whenever a
    gradient returns to the leading parameter. A fit over a window mixes both; the share of the
    steps at the predicted rate separates them.

    Args:
        n: recorded step indices, increasing, shape (steps,).
        values: the max-update, shape (steps,) or (steps, runs, …).
        beta: second-moment decay, a scalar or shape (runs, …).
        gamma: first-moment decay, a scalar or shape (runs, …).
        bound: whose prediction, ``discrete_max_update_bound`` or ``max_update_bound``.
        tolerance: allowed relative deviation from the predicted slope.
        half_width: w, in steps.

    Returns:
        The share in [0, 1], a float or shape (runs, …). Steps without a finite slope do not count.

    Raises:
        ValueError: as ``local_slopes`` and ``predicted_slope``.

    >>> n = np.arange(300)
    >>> D = discrete_max_update_bound(n, 0.9, 0.99)
    >>> share_at_predicted_rate(n, 0.01 * D, 0.9, 0.99)
    1.0
    """
    centres, slopes = local_slopes(n, values, half_width)
    steps = centres.reshape(centres.shape + (1,) * (slopes.ndim - 1))
    predicted = predicted_slope(steps, beta, gamma, bound=bound, half_width=half_width)
    return share_within(tolerance, slopes, predicted)


def share_within(tolerance: float, slopes: ArrayLike, predicted: ArrayLike) -> Values:
    """Share of slopes that are predicted ones up to a relative tolerance.

    Args:
        tolerance: allowed relative deviation.
        slopes: measured, shape (steps,) or (steps, runs, …); nan lies within none.
        predicted: of a shape that broadcasts with it.

    Returns:
        The share in [0, 1], a float or shape (runs, …).

    >>> share_within(0.02, [0.101, 0.2, np.nan, 0.099], 0.1)
    0.5
    """
    deviation = np.abs(np.asarray(slopes) - predicted)
    return plain(np.mean(deviation <= tolerance * np.abs(predicted), axis=0))


def _record(n: ArrayLike, values: ArrayLike, half_width: int) -> tuple[FloatArray, FloatArray]:
    _checked_half_width(half_width)
    steps, record = whole_steps(n), np.asarray(values, dtype=np.float64)
    if steps.ndim != 1 or steps.size == 0 or record.shape[:1] != steps.shape:
        raise ValueError(
            f"n must have shape (steps,) and values (steps, …) with at least one step, got "
            f"{steps.shape} and {record.shape}; put the steps on the first axis of values"
        )
    if np.any(np.diff(steps) <= 0):
        raise ValueError("n must increase strictly; sort the record by step, one row a step")
    return steps, record


def _positions(steps: FloatArray, centres: FloatArray, offset: int) -> NDArray[np.intp]:
    wanted = centres + offset
    positions: NDArray[np.intp] = np.minimum(np.searchsorted(steps, wanted), steps.size - 1)
    lacking = steps[positions] != wanted
    if np.any(lacking):
        raise ValueError(
            f"a slope at n = {centres[lacking].flat[0]:.0f} needs the value at n = "
            f"{wanted[lacking].flat[0]:.0f}, which the record of n = {steps[0]:.0f} … "
            f"{steps[-1]:.0f} lacks; train longer, record that step, or choose another"
        )
    return positions


def _checked_half_width(half_width: int) -> int:
    if half_width < 1:
        raise ValueError(f"half_width = {half_width} must be a whole number of steps ≥ 1")
    return half_width
