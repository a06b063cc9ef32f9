"""From one pair (β̃, γ̃) to the k pairs (β_i, γ_i) of k-Adam (the paper's Section 4.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from numbers import Integral
from typing import Any

from adamct.theory.domain import decay

_STRATEGIES: dict[str, Callable[[float, int], float]] = {
    "inverse_exp": lambda x, k: 1 - (1 - x) ** (1 / k),  # ∏ (1 − β_i) = 1 − β̃ (Appendix O)
    "exp": lambda x, k: x**k,
    "scaled": lambda x, k: x / k,
    "naive": lambda x, k: x,
    "root": lambda x, k: x ** (1 / k),  # found bad in Appendix O
}

STRATEGIES = tuple(_STRATEGIES)


def strategy_hyperparameters(
    strategy: str, k: int, beta: float, gamma: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The decays (β_1…β_k), (γ_1…γ_k) of k-Adam, the same at every level.

    From (β̃, γ̃) (Section 4.3; "root" is Appendix O's), and the same for γ_i:

    - "inverse_exp": β_i = 1 − (1 − β̃)^{1/k}
    - "exp": β_i = β̃^k
    - "scaled": β_i = β̃/k
    - "naive": β_i = β̃
    - "root": β_i = β̃^{1/k}

    Args:
        strategy: one of the five names.
        k: number of levels, at least 1. At k = 1 the pair is returned unchanged, bit for bit.
        beta: β̃ in [0, 1), torch's ``betas[1]``.
        gamma: γ̃ in [0, 1), torch's ``betas[0]``.

    Returns:
        Two tuples of k floats, (β_1…β_k) and (γ_1…γ_k).

    Raises:
        TypeError: k is not an integer, or a decay is not a number.
        ValueError: k < 1, an unknown strategy, or a decay outside [0, 1).

    >>> strategy_hyperparameters("scaled", 2, 0.999, 0.9)
    ((0.4995, 0.4995), (0.45, 0.45))
    >>> strategy_hyperparameters("inverse_exp", 1, 0.999, 0.9)
    ((0.999,), (0.9,))
    """
    if strategy not in _STRATEGIES:
        raise ValueError(f"strategy={strategy!r} is unknown; expected one of {list(STRATEGIES)}")
    k = check_level_count("k", k)
    of_level = _STRATEGIES[strategy if k > 1 else "naive"]

    def levels(name: str, value: float) -> tuple[float, ...]:
        x = of_level(float(decay(name, value)), k)
        decay(name, x)  # once more: "root" can round a decay within 1e-16 of 1 up to it
        return (x,) * k

    return levels("beta", beta), levels("gamma", gamma)


def level_decays(group: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The decays (β_1…β_k), (γ_1…γ_k) in effect for a parameter group.

    Args:
        group: one of ``KAdam.param_groups``.

    Returns:
        The explicit levels where the group has them, else its strategy's.

    Raises:
        ValueError: only one of the explicit tuples is there, or they are empty or unequal in
            length.

    >>> group = dict(k=2, strategy="naive", beta=0.999, gamma=0.9)
    >>> level_decays({**group, "level_betas": None, "level_gammas": None})
    ((0.999, 0.999), (0.9, 0.9))
    >>> level_decays({**group, "level_betas": (0.5, 0.6), "level_gammas": (0.1, 0.2)})
    ((0.5, 0.6), (0.1, 0.2))
    """
    betas, gammas = group["level_betas"], group["level_gammas"]
    if betas is None and gammas is None:
        return _of_strategy(group["strategy"], group["k"], group["beta"], group["gamma"])
    if betas is None or gammas is None or len(betas) != len(gammas) or not betas:
        raise ValueError(
            f"level_betas={betas!r} and level_gammas={gammas!r} do not match; expected both, with "
            "one decay per level in each, or neither"
        )
    return betas, gammas


def check_level_count(name: str, k: object) -> int:
    """The number of levels as an int of at least 1.

    >>> check_level_count("k", 2)
    2
    """
    if isinstance(k, bool) or not isinstance(k, Integral):
        raise TypeError(f"{name}={k!r} is no integer; expected the number of levels, k >= 1")
    if k < 1:
        raise ValueError(f"{name}={k!r} is too small; expected k >= 1 (k=1 is Adam)")
    return int(k)


_of_strategy = lru_cache(maxsize=256)(strategy_hyperparameters)
