"""What is known of one parameter group's max-update, and whether it grows exponentially.

A parameter whose gradient has vanished is in free decay: m shrinks by γ a step, √v by √β, so that
ln u grows by ln γ − ½ ln β and the change of the bias correction, just as ln D_n does: it grows
at the predicted rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from adamct.theory import local_slopes, predicted_slope
from adamct.theory.diagnosis import PairDiagnosis, align, diagnose
from adamct.theory.domain import FloatArray
from adamct.theory.slopes import HALF_WIDTH, share_within

# Chosen on small GPTs and MLPs at betas=(0.99, 0.9). torch's ε = 1e-8 slows the growth where √v
# comes near it, so that fewer slopes of a GPT lie within 2 % (as theory counts, for ε → 0) than
# within 10 %; beyond that, growth that is no free decay would count as well.
N_SLOPES = 20  # the last so many are judged
TOLERANCE = 0.1  # relative deviation from the slope of ln D_n
AT_RATE = 0.5  # share of the slopes
GROWN = 2.0  # gradients that stay alike give updates near 1; below this nothing has grown yet
LARGE = 10.0  # where small gradients brake the growth, off the exponential, this tells it


class Window(NamedTuple):
    """The slopes to take where one step in ``every`` is on record."""

    half_width: int  # steps, a multiple of ``every``
    n_slopes: int
    n_rows: int  # of the record, that the slopes need

    @classmethod
    def for_every(cls, every: int) -> Window:
        """About ``N_SLOPES`` steps, and at least four slopes.

        >>> Window.for_every(1), Window.for_every(10)
        (Window(half_width=5, n_slopes=20, n_rows=30), Window(half_width=10, n_slopes=4, n_rows=6))
        """
        half_rows = max(1, round(HALF_WIDTH / every))
        n_slopes = max(4, -(-N_SLOPES // every))
        return cls(half_rows * every, n_slopes, n_slopes + 2 * half_rows)


class Fit(NamedTuple):
    """How one parameter's max-update has grown of late, beside ln D_n; nan where not known."""

    slope: float = np.nan  # of ln x, the last on record, per step
    predicted: float = np.nan  # of ln D_n there
    share: float = np.nan  # of the last slopes, within TOLERANCE of the predicted ones


def fit_of(n: FloatArray, x: FloatArray, beta: float, gamma: float, window: Window) -> Fit:
    """Judge the record of one parameter.

    Args:
        n: its step indices, shape (rows,).
        x: its ‖u_n‖∞, shape (rows,).
        beta: second-moment decay (torch's ``betas[1]``).
        gamma: first-moment decay (torch's ``betas[0]``).
        window: which slopes.

    Returns:
        The slopes and the share. All nan on less than ``window.n_rows`` rows, gaps not counted.

    >>> from adamct.theory import discrete_max_update_bound
    >>> n = np.arange(100, 130)
    >>> x = 0.01 * discrete_max_update_bound(n, 0.9, 0.99)
    >>> fit = fit_of(n, x, 0.9, 0.99, Window.for_every(1))
    >>> round(fit.slope, 4), round(fit.predicted, 4), fit.share
    (0.0386, 0.0386, 1.0)
    """
    try:
        centres, slopes = local_slopes(n, x, window.half_width)
    except ValueError:  # a record too short or too full of gaps for a single slope
        return Fit()
    if len(centres) < window.n_slopes:
        return Fit()
    predicted = predicted_slope(centres, beta, gamma, half_width=window.half_width)
    share = share_within(TOLERANCE, slopes, predicted)
    return Fit(float(slopes[-1]), float(predicted[-1]), share)


class Leader(NamedTuple):
    """The parameter that holds a group's max-update, and its record up to some row."""

    name: str
    rows: FloatArray  # the optimizer's step index of each row on record, shape (rows,)
    own_n: FloatArray  # the parameter's, shape (rows,); −1 where it took no part
    x: FloatArray  # ‖u_n‖∞, shape (rows,)


@dataclass(eq=False)
class GroupStatistics:
    """One parameter group, at one level, as of the last flush.

    Args:
        title: "group 0", and the level where there are several.
        options: the parameter group itself.
        level: the level's index, 0 for torch's Adam.
        columns: the indices of the entries that belong to it.
        pair: (β, γ) in effect.
        since: the step index from which the pair has been this one.
        n: the leader's step index; -1 before the first step.
        max_update: ‖u_n‖∞ over the group's parameters.
        leader: the name of the parameter that it is of.
        last_fit: when a parameter last grew at that rate, and which; "" for never.
        fit: of the leader.
    """

    title: str
    options: Mapping[str, Any] = field(repr=False)
    level: int
    columns: list[int] = field(default_factory=list)
    pair: tuple[float, float] = (np.nan, np.nan)
    since: int = 0
    n: int = -1
    max_update: float = np.nan
    leader: str = ""
    last_fit: str = ""
    fit: Fit = field(default_factory=Fit)

    def update(self, leader: Leader, window: Window) -> None:
        """Take in who leads, and judge its record under the present pair."""
        self.leader, self.n = leader.name, int(leader.own_n[-1])
        self.max_update = float(leader.x[-1])
        known = np.flatnonzero((leader.rows >= self.since) & (leader.own_n >= 0))[-window.n_rows :]
        self.fit = fit_of(leader.own_n[known], leader.x[known], *self.pair, window)
        if self.at_rate:
            self.last_fit = f"at n = {self.n}, {self.leader}"

    @property
    def amsgrad(self) -> bool:
        """Whether it keeps the largest v, so that no pair could make it grow."""
        return bool(self.options.get("amsgrad"))

    @property
    def diagnosis(self) -> PairDiagnosis:
        """What the theory says of its pair."""
        return _diagnose(*self.pair)

    @property
    def alarming(self) -> bool:
        """Whether the pair lets the max-update grow."""
        return not self.diagnosis.stable and not self.amsgrad

    @property
    def at_rate(self) -> bool:
        """Whether the leader has grown, and lately along the exponential of an unstable pair."""
        can_grow = self.alarming and 0 < self.diagnosis.exact_rate < np.inf
        return can_grow and self.fit.share >= AT_RATE and self.max_update >= GROWN

    @property
    def grows(self) -> bool:
        """Whether the leader grows at that rate, or is as large as only an unstable pair allows."""
        return self.at_rate or (self.alarming and self.max_update >= LARGE)

    def pair_text(self) -> str:
        """That the pair is unstable, and what to do, as one sentence."""
        d = self.diagnosis
        return f"the pair of {self.title}, {d.both_orders}, is {d.verdict}; {d.remedy}"

    def growth_text(self) -> str:
        """Who grows, and what to do, as one sentence."""
        d = self.diagnosis
        how = "grows exponentially" if self.at_rate else "grows as only an unstable pair lets it"
        return (
            f"{self.leader} {how}: its max-update is {self.max_update:.4g} at step n = {self.n}, "
            f"local slope {self._slope()} (exact rate {d.exact_rate:.4g}), under the pair of "
            f"{self.title}, {d.both_orders}; {d.remedy}"
        )

    def as_text(self) -> str:
        """The pair, both theories of it, and what was measured."""
        diagnosis = self.diagnosis
        rows = diagnosis.rows()
        if self.options.get("second_moment") == "tensor_mean":
            rows.append(("tensor_mean", "D_n bounds the root mean square of u"))
        if self.n >= 0:
            rows += [
                diagnosis.bound_row(self.n),
                ("max-update", f"{self.max_update:.4g} at n = {self.n}, of {self.leader}"),
                ("its local slope", self._slope()),
                ("grows exponentially", self._growth()),
            ]
        heading = f"{self.title}, {len(self.columns)} tensors: {diagnosis.both_orders}"
        verdict = diagnosis.verdict
        if self.amsgrad:
            verdict = (
                "stable for every pair: amsgrad keeps the largest v, which bounds the max-update "
                f"by 1/√(1−β) = {(1 - diagnosis.beta) ** -0.5:.4g}"
            )
        return f"{heading}\n  {verdict}\n{align(rows, indent='  ')}"

    def _slope(self) -> str:
        if np.isnan(self.fit.slope):
            return "not known"
        return f"{self.fit.slope:.4g} per step where ln D_n has {self.fit.predicted:.4g}"

    def _growth(self) -> str:
        if self.diagnosis.exact_rate == 0 or self.amsgrad:
            return "no, nothing can grow exponentially"
        before = f"; it did {self.last_fit}" if self.last_fit and not self.at_rate else ""
        if np.isnan(self.fit.share):
            return f"not known{before}"
        share = f"{self.fit.share:.0%} of the last slopes are those of ln D_n"
        return f"{'yes' if self.at_rate else 'no'}, {share}{before}"


_diagnose = lru_cache(maxsize=256)(diagnose)
