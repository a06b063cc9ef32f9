"""Step one parameter, through ``torch.compile`` or eagerly."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from adamct.optim.compiled import SMALLEST, NoCompilerError, compiled_update, flat_views
from adamct.optim.scalars import StepScalars
from adamct.optim.state import initial_state, mean_dims
from adamct.optim.update import Decay, kadam_update

# On one CPU core compiling takes 17 s. Above this size a step of k = 2 saves about 3 ms per
# million parameters, so that a run of five thousand steps earns it back.
COMPILE_FROM = 1_000_000  # parameters

_no_compiler = False  # a failed attempt is not repeated in the process, nor is its notice


def compiling_pays(params: Iterable[Tensor]) -> bool:
    """Whether ``compiled=None`` compiles: on CUDA or for many parameters, given a compiler.

    >>> compiling_pays([Tensor(64, 64)])
    False
    """
    params = list(params)
    large = any(p.is_cuda for p in params) or sum(p.numel() for p in params) >= COMPILE_FROM
    return large and not _no_compiler


def advance(
    p: Tensor,
    g: Tensor,
    state: dict[str, Any],
    group: Mapping[str, Any],
    scalars: StepScalars,
    *,
    compiled: bool,
    forced: bool,
    track: bool,
) -> list[Tensor]:
    """Update one parameter and its state in place.

    Args:
        p: the parameter.
        g: its gradient.
        state: its state, empty before its first step.
        group: its group.
        scalars: of the group in this step.
        compiled: whether to go through ``torch.compile``. Eager all the same: "tensor_mean",
            parameters of one element, and parameters with gaps or overlaps in memory.
        forced: whether a missing compiler is an error rather than a notice.
        track: whether to return norms.

    Returns:
        As ``kadam_update``.

    Raises:
        RuntimeError: the group's number of levels is not the state's, or no compiler works
            although ``forced``.
    """
    if not state:
        state.update(initial_state(p, group))
    n, m, v = state["step"], state["m"], state["v"]
    k, dtype = len(m), m[0].dtype
    if k != scalars.k:
        raise RuntimeError(
            f"a parameter group has {scalars.k} levels, its state {k}; the number of levels "
            "cannot change between steps: build a new KAdam"
        )
    decay: Decay = "none"
    if group["weight_decay"] != 0:
        decay = "decoupled" if group["decoupled"] else "coupled"
    elementwise = group["second_moment"] == "elementwise"
    flags: dict[str, Any] = {"decay": decay, "maximize": group["maximize"], "track": track}

    norms = None
    if compiled and elementwise and p.numel() >= SMALLEST and (forced or not _no_compiler):
        norms = _try_compiled(p, g, m, v, scalars.packed(n, dtype, p.device), flags, forced)
    if norms is None:
        norms = kadam_update(
            p,
            g,
            m,
            v,
            scalars.levels(n, dtype),
            lr=scalars.lr,
            weight_decay=group["weight_decay"],
            eps=scalars.eps(dtype),
            mean_dims=None if elementwise else mean_dims(p),
            **flags,
        )
    state["step"] = n + 1
    return norms


def _try_compiled(
    p: Tensor,
    g: Tensor,
    m: list[Tensor],
    v: list[Tensor],
    packed: tuple[Tensor, Tensor],
    flags: dict[str, Any],
    forced: bool,
) -> list[Tensor] | None:
    """The norms; None, and nothing done, without flat views or without a compiler."""
    views = flat_views(p, g, [*m, *v])
    if views is None:
        return None
    flat_p, flat_g, *moments = views
    k = len(m)
    try:
        return compiled_update(flat_p, flat_g, moments[:k], moments[k:], *packed, **flags)
    except NoCompilerError as error:
        _explain(error, forced=forced)
        return None


def _explain(error: NoCompilerError, *, forced: bool) -> None:
    remedy = "Install a C++ compiler (triton for CUDA), or pass compiled=False"
    if forced:
        raise RuntimeError(f"compiled=True, but {error}. {remedy}") from error
    global _no_compiler
    _no_compiler = True
    warnings.warn(
        f"KAdam runs eagerly, a few times slower than compiled: {error}. {remedy}",
        RuntimeWarning,
        stacklevel=2,
    )
