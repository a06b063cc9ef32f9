"""``kadam_update`` through ``torch.compile``: one pass over memory instead of 8k + 1.

The compiled function sees every tensor as a flat vector of dynamic length, and every scalar as an
entry of a tensor, so that neither another shape nor another step, learning rate or (β, γ) compiles
again, in this optimizer or in the next one of the process.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from adamct.optim.update import Decay, Level, kadam_update

# On one CPU core compiling takes 17 s. Above this size a step of k = 2 saves about 3 ms per
# million parameters, so that a run of five thousand steps earns it back.
COMPILE_FROM = 1_000_000  # parameters

SMALLEST = 2  # torch.compile treats a dimension of size 1 as a constant and would compile again

# By default torch compiles a function for at most 8 kinds of arguments; a sweep over k passes that.
_KINDS = 256

_no_compiler = False  # a failed attempt is not repeated in the process, nor is its notice
_compiled_kinds: set[tuple[Any, ...]] = set()


class NoCompilerError(RuntimeError):
    """``torch.compile`` failed; nothing has been updated."""


def compiling_pays(params: Iterable[Tensor]) -> bool:
    """Whether ``compiled=None`` compiles: on CUDA or for many parameters, given a compiler.

    >>> compiling_pays([Tensor(64, 64)])
    False
    """
    params = list(params)
    large = any(p.is_cuda for p in params) or sum(p.numel() for p in params) >= COMPILE_FROM
    return large and not _no_compiler


def try_compiled(
    θ: Tensor,
    g: Tensor,
    m: Sequence[Tensor],
    v: Sequence[Tensor],
    packed: tuple[Tensor, Tensor],
    *,
    forced: bool,
    **flags: Any,
) -> list[Tensor] | None:
    """``compiled_update`` on a parameter of any shape, where that is possible.

    Args:
        θ: the parameter, of any shape; updated.
        g: its gradient.
        m: its k first moments; updated.
        v: its k second moments; updated.
        packed: scalars and η of ``StepScalars.packed``.
        forced: whether a missing compiler is an error rather than a notice.
        flags: of ``compiled_update``.

    Returns:
        The norms; None, and nothing done, for parameters of one element, without flat views, or
        without a compiler.

    Raises:
        RuntimeError: no compiler works although ``forced``.
    """
    global _no_compiler
    if θ.numel() < SMALLEST or (_no_compiler and not forced):
        return None
    views = flat_views(θ, g, [*m, *v])
    if views is None:
        return None
    flat_θ, flat_g, *moments = views
    try:
        return compiled_update(
            flat_θ, flat_g, moments[: len(m)], moments[len(m) :], *packed, **flags
        )
    except NoCompilerError as error:
        remedy = "Install a C++ compiler (triton for CUDA), or pass compiled=False"
        if forced:
            raise RuntimeError(f"compiled=True, but {error}. {remedy}") from error
        _no_compiler = True
        warnings.warn(
            f"KAdam runs eagerly, a few times slower than compiled: {error}. {remedy}",
            RuntimeWarning,
            stacklevel=2,
        )
        return None


def flat_views(θ: Tensor, g: Tensor, state: Sequence[Tensor]) -> list[Tensor] | None:
    """θ, g and the state as vectors in the parameter's order in memory, all but g views.

    None where there are none: the parameter has gaps or overlaps in memory (a transposed slice,
    an expanded tensor), or the state is laid out otherwise.

    >>> θ = torch.zeros(2, 3, 4, 4).to(memory_format=torch.channels_last)
    >>> [t.shape for t in flat_views(θ, torch.ones(2, 3, 4, 4), [torch.zeros_like(θ)])]
    [torch.Size([96]), torch.Size([96]), torch.Size([96])]
    """
    if not θ.is_contiguous():
        order = sorted(range(θ.ndim), key=lambda dim: θ.stride(dim), reverse=True)
        θ, g, state = θ.permute(order), g.permute(order), [t.permute(order) for t in state]
    if not all(t.is_contiguous() for t in (θ, *state)):
        return None
    return [θ.view(-1), g.reshape(-1), *(t.view(-1) for t in state)]


def compiled_update(
    θ: Tensor,
    g: Tensor,
    m: Sequence[Tensor],
    v: Sequence[Tensor],
    scalars: Tensor,
    lr: Tensor,
    *,
    decay: Decay,
    maximize: bool,
    track: bool,
) -> list[Tensor]:
    """``kadam_update`` on flat vectors of at least two elements, compiled on first need.

    Args:
        θ: the parameter, of shape (N,); updated.
        g: its gradient, of shape (N,).
        m: k first moments of shape (N,); updated.
        v: k second moments of shape (N,); updated.
        scalars: the vector of ``StepScalars.packed``, of 4k + 2 entries.
        lr: 0-d tensor.
        decay: as in ``kadam_update``.
        maximize: as in ``kadam_update``.
        track: as in ``kadam_update``.

    Returns:
        The norms, as in ``kadam_update``.

    Raises:
        NoCompilerError: ``torch.compile`` failed, most often because it found no compiler.
    """
    kind = (len(m), decay, maximize, track, θ.dtype, g.dtype, m[0].dtype, θ.device)
    if kind in _compiled_kinds:  # what fails now is no failure to compile
        return _compiled()(θ, g, m, v, scalars, lr, decay, maximize, track)
    for vector in (θ, g, *m, *v):
        torch._dynamo.mark_dynamic(vector, 0)
    try:
        norms = _compiled()(θ, g, m, v, scalars, lr, decay, maximize, track)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # dynamo, inductor, triton and setuptools each raise their own
        raise NoCompilerError(f"torch.compile failed: {error}") from error
    _compiled_kinds.add(kind)
    return norms


@lru_cache(maxsize=1)
def _compiled() -> Callable[..., list[Tensor]]:
    limit = torch._dynamo.config.patch(recompile_limit=_KINDS)
    return limit(torch.compile(_update_from_tensors, fullgraph=True))


def _update_from_tensors(
    θ: Tensor,
    g: Tensor,
    m: list[Tensor],
    v: list[Tensor],
    scalars: Tensor,
    lr: Tensor,
    decay: Decay,
    maximize: bool,
    track: bool,
) -> list[Tensor]:
    *flat, weight_decay, eps = scalars.unbind()
    levels = [Level(*flat[4 * i : 4 * i + 4]) for i in range(len(m))]
    return kadam_update(
        θ, g, m, v, levels,
        lr=lr, weight_decay=weight_decay, eps=eps, decay=decay, maximize=maximize, track=track,
    )  # fmt: skip
