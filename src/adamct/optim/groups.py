"""What a parameter group of ``KAdam`` may say: checked, and brought to plain Python values.

Plain values, because a checkpoint read with ``weights_only=True`` refuses numpy's scalars.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from functools import lru_cache
from numbers import Real
from typing import Any

import torch

from adamct.optim.strategies import check_decay, check_level_count, strategy_hyperparameters

SECOND_MOMENTS = ("elementwise", "tensor_mean")

_REFUSED = {
    "amsgrad": "k-Adam keeps no maximum of v; leave it out, or use torch.optim.AdamW",
    "foreach": "use compiled=True, which makes one pass over memory",
    "fused": "use compiled=True, which makes one pass over memory",
    "capturable": "the step count lives on the host; use compiled=True instead of a CUDA graph",
    "differentiable": "the update is in place; adamct.optim.reference_step can be differentiated",
}
_OF_THE_LEVELS = ("k", "strategy", "beta", "gamma")


def refuse_foreign(options: Mapping[str, Any]) -> None:
    """Raise a TypeError that names an option of torch's Adam which ``KAdam`` does not take.

    >>> refuse_foreign({"betas": (0.9, 0.999)})
    Traceback (most recent call last):
        ...
    TypeError: KAdam does not take betas=(0.9, 0.999): torch's pair is (gamma, beta). \
Write KAdam(..., beta=0.999, gamma=0.9), with k=1 for Adam itself
    """
    if "betas" in options:
        betas = options["betas"]
        pair = tuple(betas) if isinstance(betas, Iterable) else ()
        gamma, beta = pair if len(pair) == 2 else (0.9, 0.999)
        raise TypeError(
            f"KAdam does not take betas={betas!r}: torch's pair is (gamma, beta). "
            f"Write KAdam(..., beta={beta!r}, gamma={gamma!r}), with k=1 for Adam itself"
        )
    for name, remedy in _REFUSED.items():
        if name in options:
            raise TypeError(f"KAdam does not take {name}={options[name]!r}: {remedy}")


def complete_group(group: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The group with defaults filled in, every value checked.

    Explicit levels override the strategy. A group that names k, strategy, beta or gamma itself
    means them: it then does not inherit explicit levels from the defaults.

    Args:
        group: what the group says; "params" and foreign keys pass through.
        defaults: a value for every option.

    Returns:
        A new dict of plain Python values; "k" is the number of levels in effect.

    Raises:
        TypeError: a value of the wrong type, or an option that ``KAdam`` does not take.
        ValueError: a value out of range.

    >>> defaults = dict(
    ...     lr=1e-3, k=2, strategy="exp", beta=0.999, gamma=0.9, level_betas=None,
    ...     level_gammas=None, eps=1e-30, weight_decay=0.0, decoupled=True, maximize=False,
    ...     guard=True, state_dtype=None, second_moment="elementwise")
    >>> complete_group({"level_betas": [0.9, 0.9, 0.9], "level_gammas": [0, 0, 0]}, defaults)["k"]
    3
    """
    refuse_foreign(group)
    own_levels = {"level_betas", "level_gammas"} & group.keys()
    if not own_levels and set(_OF_THE_LEVELS) & group.keys():
        group = {**group, "level_betas": None, "level_gammas": None}
    complete = {**defaults, **group}
    complete.pop("first_decays", None)  # of another optimizer's steps

    if not isinstance(complete["lr"], torch.Tensor):
        complete["lr"] = _non_negative("lr", complete["lr"])
    elif complete["lr"].numel() != 1:
        raise ValueError(
            f"lr is a tensor of shape {tuple(complete['lr'].shape)}; expected a float, or a "
            "tensor of one element"
        )
    elif not complete["lr"].is_meta:
        _non_negative("lr", complete["lr"].item())
    for name in ("eps", "weight_decay"):
        complete[name] = _non_negative(name, complete[name])
    for name in ("decoupled", "maximize", "guard"):
        complete[name] = bool(complete[name])
    if complete["second_moment"] not in SECOND_MOMENTS:
        raise ValueError(
            f"second_moment={complete['second_moment']!r}; expected one of {list(SECOND_MOMENTS)}"
        )
    if complete["state_dtype"] not in (None, torch.float32, torch.float64):
        raise ValueError(
            f"state_dtype={complete['state_dtype']!r}; expected torch.float32, torch.float64, or "
            "None for the parameter's dtype and at least float32"
        )

    complete["beta"] = check_decay("beta", complete["beta"])
    complete["gamma"] = check_decay("gamma", complete["gamma"])
    complete["k"] = check_level_count(complete["k"])
    for name in ("level_betas", "level_gammas"):
        if complete[name] is not None:
            complete[name] = tuple(check_decay(name, x) for x in complete[name])
    betas, _ = level_decays(complete)
    complete["k"] = len(betas)
    return complete


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


def end_guard_if_decays_changed(group: dict[str, Any]) -> None:
    """Turn a group's guard off, with a warning, once its decays differ from its first step's.

    D_n follows from the weights that one pair of decays gives to the gradients; a moment that was
    built with two pairs may rightly exceed it.

    Args:
        group: one of ``KAdam.param_groups``, about to take a step; "first_decays" is kept in it,
            so that a checkpoint remembers.

    >>> group = dict(k=1, strategy="exp", beta=0.99, gamma=0.9, level_betas=None,
    ...              level_gammas=None, guard=True)
    >>> end_guard_if_decays_changed(group)
    >>> group["first_decays"], group["guard"]
    (((0.99,), (0.9,)), True)
    """
    betas, gammas = level_decays(group)
    decays = tuple(betas), tuple(gammas)
    if group.setdefault("first_decays", decays) != decays and group["guard"]:
        group["guard"] = False
        warnings.warn(
            f"the decays of a parameter group changed from {group['first_decays']} to {decays}: "
            "D_n is then no bound, so its guard is off from here on",
            RuntimeWarning,
            stacklevel=3,
        )


_of_strategy = lru_cache(maxsize=256)(strategy_hyperparameters)


def _non_negative(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}={value!r} is no number; expected a float >= 0")
    number = float(value)
    if not 0 <= number < math.inf:
        raise ValueError(f"{name}={value!r} is out of range; expected a finite float >= 0")
    return number
