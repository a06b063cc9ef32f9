"""The options of a ``KAdam``'s parameter groups: their checks, and what is refused by name.

Options are brought to plain Python values, because a checkpoint read with ``weights_only=True``
refuses numpy's scalars.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from adamct.optim.strategies import level_decays
from adamct.theory.domain import decay

Check: TypeAlias = Callable[[str, Any], Any]  # (name, value) → the value, plain; or it raises

_REFUSED = {
    "amsgrad": "k-Adam keeps no maximum of v; leave it out, or use torch.optim.AdamW",
    "foreach": "use compiled=True, which makes one pass over memory",
    "fused": "use compiled=True, which makes one pass over memory",
    "capturable": "it is for the whole optimizer; pass capturable=True to KAdam itself",
    "differentiable": "the update is in place; adamct.optim.reference_step can be differentiated",
}
_OF_THE_LEVELS = {"k", "strategy", "beta", "gamma"}

# What a saved group may hold beside its options: torch's own keys, those of its schedulers, and
# the decays of the group's first step.
_NO_OPTIONS = {
    *("params", "param_names", "differentiable", "first_decays"),
    *("initial_lr", "max_lr", "min_lr", "swa_lr"),
}


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


def refuse_saved_group(group: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise a ValueError if a saved parameter group is another optimizer's, or a newer KAdam's.

    Args:
        group: a parameter group of a state_dict.
        known: the options, and the keys of the group that it is loaded into, among them the user's.

    >>> refuse_saved_group({"params": [0], "momentum": 0.9}, {"lr", "beta"})
    Traceback (most recent call last):
        ...
    ValueError: the state_dict does not fit this KAdam: a parameter group has ['momentum'], which \
it does not know; load it into the optimizer that saved it, or start KAdam without its state
    """
    unknown = sorted(group.keys() - set(known) - _NO_OPTIONS)
    if unknown or "beta" not in group:
        wrong = f"has {unknown}, which it does not know" if unknown else "lacks ['beta']"
        raise ValueError(
            f"the state_dict does not fit this KAdam: a parameter group {wrong}; load it into the "
            "optimizer that saved it, or start KAdam without its state"
        )


def refuse_gradient(g: Tensor) -> None:
    """Raise a RuntimeError on a gradient that k-Adam cannot take.

    >>> refuse_gradient(torch.zeros(2).to_sparse())
    Traceback (most recent call last):
        ...
    RuntimeError: KAdam does not take sparse gradients (got layout torch.sparse_coo): m and v are \
dense; build the embedding with sparse=False, or call .to_dense() on the gradient
    """
    if g.layout != torch.strided:
        raise RuntimeError(
            f"KAdam does not take sparse gradients (got layout {g.layout}): m and v are dense; "
            "build the embedding with sparse=False, or call .to_dense() on the gradient"
        )
    if g.is_complex():
        raise RuntimeError(
            f"KAdam does not take complex parameters (got {g.dtype}): keep a real parameter and "
            "use torch.view_as_complex in the model"
        )


def complete_group(
    group: Mapping[str, Any], defaults: Mapping[str, Any], checks: Mapping[str, Check]
) -> dict[str, Any]:
    """The group with defaults filled in, every option checked.

    Explicit levels override the strategy. A group that names k, strategy, beta or gamma itself
    means them: it then does not inherit explicit levels from the defaults.

    Args:
        group: what the group says; "params" and foreign keys pass through.
        defaults: a value for every option that the group leaves out.
        checks: of every option.

    Returns:
        A new dict of plain Python values; "k" is the number of levels in effect.

    Raises:
        TypeError: a value of the wrong type.
        ValueError: a value out of range.

    >>> from adamct.optim.kadam import DEFAULTS, OPTIONS
    >>> group = {"level_betas": (0.9, 0.9, 0.9), "level_gammas": (0.0, 0.0, 0.0)}
    >>> complete_group(group, DEFAULTS, OPTIONS)["k"]
    3
    """
    if not {"level_betas", "level_gammas"} & group.keys() and _OF_THE_LEVELS & group.keys():
        group = {**group, "level_betas": None, "level_gammas": None}
    complete = {**defaults, **group}
    complete |= {name: check(name, complete[name]) for name, check in checks.items()}
    complete["k"] = len(level_decays(complete)[0])
    return complete


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


def check_lr(name: str, value: Any) -> float | Tensor:
    """A learning rate: a finite float ≥ 0, or a tensor of one element.

    >>> check_lr("lr", 1)
    1.0
    """
    if not isinstance(value, Tensor):
        return check_non_negative(name, value)
    if value.numel() != 1:
        raise ValueError(
            f"{name} is a tensor of shape {tuple(value.shape)}; expected a float, or a tensor of "
            "one element"
        )
    if not value.is_meta:
        check_non_negative(name, value.item())
    return value


def check_non_negative(name: str, value: Any) -> float:
    """A finite float ≥ 0.

    >>> check_non_negative("eps", 1)
    1.0
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}={value!r} is no number; expected a float >= 0")
    number = float(value)
    if not 0 <= number < math.inf:
        raise ValueError(f"{name}={value!r} is out of range; expected a finite float >= 0")
    return number


def check_decay(name: str, value: Any) -> float:
    """A decay β or γ in [0, 1).

    >>> check_decay("beta", 0)
    0.0
    """
    return float(decay(name, value))


def check_decays(name: str, value: Any) -> tuple[float, ...] | None:
    """Explicit decays, one a level, each in [0, 1); or None.

    >>> check_decays("level_betas", [0, 0.5])
    (0.0, 0.5)
    """
    return None if value is None else tuple(np.ravel(decay(name, value)).tolist())


def one_of(*choices: Any) -> Check:
    """The check that a value is one of these, as they stand here: no number or flag of numpy's.

    >>> one_of("elementwise", "tensor_mean")("second_moment", "mean")
    Traceback (most recent call last):
        ...
    ValueError: second_moment='mean'; expected one of ['elementwise', 'tensor_mean']
    """

    def check(name: str, value: Any) -> Any:
        if value not in choices:
            raise ValueError(f"{name}={value!r}; expected one of {list(choices)}")
        return choices[choices.index(value)]

    return check
