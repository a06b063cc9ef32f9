"""What both theories say of one pair (β, γ), as numbers and in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from adamct.theory.bounds import discrete_max_update_bound, discrete_max_update_limit
from adamct.theory.stability import (
    discrete_growth_rate,
    exactly_stable,
    growth_rate,
    region,
    stability_coefficient,
)


@dataclass(frozen=True)
class PairDiagnosis:
    """One pair (β, γ) under both theories; ``diagnose`` makes it.

    Args:
        torch_betas: the pair as torch's Adam takes it, (γ, β).
        beta: β, torch's ``betas[1]``.
        gamma: γ, torch's ``betas[0]``.
        region: "B+", "B0", "strip" or "B-", as ``region`` names it.
        C: C(β, γ) = 2/γ − 1/β − 1.
        paper_rate: max(0, −C/2), per step.
        exact_rate: max(0, ln γ − ½ ln β), per step.
        stable: whether γ² < β, so that the max-update is bounded.
        D_limit: D_∞, in units of η per step; inf unless stable.
        e_folding_steps: steps in which the exact bound grows by a factor e; inf where it does not.
        doubling_steps: steps in which it doubles; inf where it does not grow exponentially.
        largest_stable_beta1: √β: at this β, every smaller γ is stable.
        smallest_stable_beta2: γ²: at this γ, every larger β is stable.
    """

    torch_betas: tuple[float, float]
    beta: float
    gamma: float
    region: str
    C: float
    paper_rate: float
    exact_rate: float
    stable: bool
    D_limit: float
    e_folding_steps: float
    doubling_steps: float
    largest_stable_beta1: float
    smallest_stable_beta2: float

    @property
    def both_orders(self) -> str:
        """The pair in torch's order and in the paper's, each named.

        >>> diagnose(0.999, 0.9).both_orders
        "torch's betas=(0.9, 0.999), the paper's (β, γ) = (0.999, 0.9)"
        """
        return (
            f"torch's betas=({self.gamma!r}, {self.beta!r}), "
            f"the paper's (β, γ) = ({self.beta!r}, {self.gamma!r})"
        )

    @property
    def verdict(self) -> str:
        """One sentence, of the exact theory, and of the paper's where the two part.

        >>> print(diagnose(0.5, 0.69).verdict)
        stable, in the strip between the two theories: the paper's C is negative and predicts \
growth, but γ² < β bounds the max-update by D_∞ = 2.00522
        """
        if self.stable:
            return f"stable{_STABLE[self.region]} D_∞ = {_number(self.D_limit)}"
        if self.exact_rate == 0:
            return "unstable, on the exact boundary γ² = β: the bound D_n grows like √n"
        if np.isinf(self.exact_rate):
            return "unstable: at β = 0 < γ the max-update has no bound from the second step on"
        return (
            "unstable: where a gradient vanishes, the update grows by a factor "
            f"exp({_number(self.exact_rate)}) per step, and doubles every "
            f"{self.doubling_steps:.4g} steps"
        )

    @property
    def remedy(self) -> str:
        """How to make the pair stable by moving one of its two; empty if it is stable.

        >>> diagnose(0.9, 0.99).remedy
        'take beta1 ≤ 0.94868 at beta2 = 0.9, or beta2 ≥ 0.98011 at beta1 = 0.99'
        """
        if self.stable:
            return ""
        beta1, beta2 = self._stable_decimals
        below = f"beta1 ≤ {beta1} at beta2 = {self.beta!r}"
        return f"take {below}, or beta2 ≥ {beta2} at beta1 = {self.gamma!r}"

    @property
    def _stable_decimals(self) -> tuple[str, str]:
        beta1 = _decimal(self.largest_stable_beta1, -1, lambda x: exactly_stable(self.beta, x))
        beta2 = _decimal(self.smallest_stable_beta2, 1, lambda x: exactly_stable(x, self.gamma))
        return beta1, beta2

    def rows(self) -> list[tuple[str, str]]:
        """What there is to know, as (name, value) in words, for ``align``."""
        beta1, beta2 = self._stable_decimals
        side = "inside" if self.stable else "outside"
        off1 = f"{abs(self.largest_stable_beta1 - self.gamma):.4g} {side}"
        off2 = f"{abs(self.beta - self.smallest_stable_beta2):.4g} {side}"
        below = f"beta1 ≤ {beta1}, √beta2 rounded down; beta1 lies {off1}"
        above = f"beta2 ≥ {beta2}, beta1² rounded up; beta2 lies {off2}"
        return [
            ("region", _REGIONS[self.region]),
            ("C(β, γ) = 2/γ − 1/β − 1", _number(self.C)),
            ("growth rate, the paper's", f"{_number(self.paper_rate)} per step, max(0, −C/2)"),
            ("growth rate, exact", f"{_number(self.exact_rate)} per step, max(0, ln γ − ½ ln β)"),
            ("limit of the bound, D_∞", _number(self.D_limit)),
            ("e-folding time", _steps(self.e_folding_steps)),
            ("doubling time", _steps(self.doubling_steps)),
            (f"stable at beta2 = {self.beta!r}", below),
            (f"stable at beta1 = {self.gamma!r}", above),
        ]

    def bound_row(self, n: int) -> tuple[str, str]:
        """D_n at one step n, as (name, value) in words; beyond float64 as a power of ten.

        >>> diagnose(0.999, 0.9).bound_row(1000), diagnose(0.5, 0.9).bound_row(10**4)
        (('bound at n = 1000, D_n', '5.78284'), ('bound at n = 10000, D_n', '10^1046.9'))
        """
        ln_D = discrete_max_update_bound(n, self.beta, self.gamma, log=True)
        large = 300 < ln_D < np.inf
        value = f"10^{ln_D / np.log(10):.1f}" if large else _number(float(np.exp(ln_D)))
        return f"bound at n = {n}, D_n", value

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON; None stands for an infinity, which JSON lacks.

        >>> diagnose(0.999, 0.9).as_dict()["doubling_steps"] is None
        True
        """
        values = asdict(self) | {"verdict": self.verdict}
        infinite = {name for name, x in values.items() if isinstance(x, float) and np.isinf(x)}
        return values | dict.fromkeys(infinite)


def diagnose(beta: float, gamma: float) -> PairDiagnosis:
    """What both theories say of one pair.

    Args:
        beta: second-moment decay (torch's ``betas[1]``) in [0, 1).
        gamma: first-moment decay (torch's ``betas[0]``) in [0, 1).

    Returns:
        The diagnosis.

    Raises:
        ValueError: a decay lies outside [0, 1).

    >>> diagnosis = diagnose(beta=0.9, gamma=0.99)
    >>> diagnosis.stable, round(diagnosis.exact_rate, 4), round(diagnosis.doubling_steps, 1)
    (False, 0.0426, 16.3)
    """
    beta, gamma = float(beta), float(gamma)
    exact_rate = discrete_growth_rate(beta, gamma)
    e_folding_steps = 1 / exact_rate if exact_rate > 0 else np.inf
    return PairDiagnosis(
        torch_betas=(gamma, beta),
        beta=beta,
        gamma=gamma,
        region=region(beta, gamma),
        C=stability_coefficient(beta, gamma),
        paper_rate=growth_rate(beta, gamma) + 0.0,  # never −0
        exact_rate=exact_rate,
        stable=exactly_stable(beta, gamma),
        D_limit=discrete_max_update_limit(beta, gamma),
        e_folding_steps=e_folding_steps,
        doubling_steps=float(np.log(2)) * e_folding_steps,
        largest_stable_beta1=float(np.sqrt(beta)),
        smallest_stable_beta2=gamma**2,
    )


def align(rows: Iterable[Sequence[str]], indent: str = "") -> str:
    """The rows as text, their values one below the other.

    >>> print(align([("C", "0.2"), ("rate", "0")]))
    C     0.2
    rate  0
    """
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{indent}{name:<{width}}  {value}" for name, value in rows)


_STABLE = {
    "B+": ": both theories bound the max-update,",
    "B0": ", on the paper's boundary: C = 0 lets Eq. (5) grow like √n, but γ² < β bounds the "
    "max-update by",
    "strip": ", in the strip between the two theories: the paper's C is negative and predicts "
    "growth, but γ² < β bounds the max-update by",
}

_REGIONS = {
    "B+": "B+, C > 0: stable by both theories",
    "B0": "B0, C = 0: the paper's boundary; exactly stable",
    "strip": "strip, C < 0 but γ² < β: unstable in the paper, exactly stable",
    "B-": "B-, C < 0 and γ² ≥ β: unstable by both theories",
}


def _number(x: float) -> str:
    return f"{x:.6g}" if np.isfinite(x) else ("infinite" if x > 0 else "-infinite")


def _steps(x: float) -> str:
    return "never" if np.isinf(x) else f"{x:.4g} steps"


def _decimal(boundary: float, towards: int, is_stable: Callable[[float], bool]) -> str:
    # The nearest on the stable side, so that what is printed is stable as it is typed in. Decays
    # crowd near 1: at least four decimals, and three digits of 1 − x.
    digits = max(4, 3 - math.floor(math.log10(1 - boundary)))
    units, one = round(boundary * 10**digits), 10**digits
    while (x := units / one) < 1 and not is_stable(x):
        units += towards
    return f"{x:.{digits}f}".rstrip("0").rstrip(".")
