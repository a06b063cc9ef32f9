"""``kadam_update`` through ``torch.compile``: few passes over memory instead of 8k + 1.

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

# On a CPU one loop over many levels is slow: a core cannot overlap so long a chain of operations,
# and for the maximum of a level torch computes the levels before it again. So they are advanced a
# few at a time, and in blocks, whose update need not go through memory from one to the next.
BLOCK = 2**22  # elements
AT_ONCE = {True: 1, False: 3}  # levels, by whether there are maxima

SMALLEST = 2  # torch.compile treats a dimension of size 1 as a constant and would compile again

# By default torch compiles a function for at most 8 kinds of arguments; a sweep over k passes that.
_KINDS = 256

_no_compiler = False  # a failed attempt is not repeated in the process, nor is its notice
_compiled_kinds: set[tuple[Any, ...]] = set()


def compiling_pays(params: Iterable[Tensor]) -> bool:
    """Whether ``compiled=None`` compiles: on CUDA or for many parameters, given a compiler.

    >>> compiling_pays([Tensor(64, 64)])
    False
    """
    params = list(params)
    large = any(p.is_cuda for p in params) or sum(p.numel() for p in params) >= COMPILE_FROM
    return large and not _no_compiler


def compiled_update(
    θ: Tensor | None,
    g: Tensor,
    m: Sequence[Tensor],
    v: Sequence[Tensor],
    scalars: Tensor,
    lr: Tensor,
    *,
    forced: bool,
    out: Tensor | None = None,
    **flags: Any,
) -> list[Tensor] | None:
    """``kadam_update``, compiled on first need, where that is possible.

    Args:
        θ: the parameter, of any shape; updated, unless there is ``out``. None where nothing of it
            is needed.
        g: its gradient, of the same shape.
        m: k first moments, laid out like it; updated.
        v: k second moments, laid out like it; updated.
        scalars: the vector of ``StepScalars.packed``, of 4k + 2 entries.
        lr: 0-d tensor.
        forced: whether a missing compiler is an error rather than a notice.
        out: a vector that takes the step, or g itself; as in ``kadam_update``.
        flags: ``decay``, ``maximize`` and ``track``, as in ``kadam_update``.

    Returns:
        The extremes, as in ``kadam_update``. None, and nothing updated, for a parameter of one
        element or without flat views, and where ``torch.compile`` fails, most often because it
        finds no compiler.

    Raises:
        RuntimeError: ``torch.compile`` fails although ``forced``.
    """
    global _no_compiler
    k, in_place = len(m), [] if θ is None else [θ]
    views = flat_views(g, [*m, *v, *in_place])
    if views is None or g.numel() < SMALLEST or (_no_compiler and not forced):
        return None
    if g.device.type == "cpu" and k > AT_ONCE[flags["track"]]:
        return _in_blocks(views, scalars, lr, k=k, forced=forced, out=out, **flags)
    flat_g, *state = views
    flat_θ = None if θ is None else state.pop()
    replaces_g = out is g
    flat_out = None if out is None or replaces_g else out.detach()
    arguments = flat_θ, flat_g, state[:k], state[k:], scalars, lr, flat_out, replaces_g
    kind = (
        *(k, *flags.values(), g.dtype, m[0].dtype, g.device, out is None, replaces_g),
        *(x.dtype for x in in_place),
        # torch compiles anew when one of these is set
        *(torch.get_num_threads(), torch.get_default_dtype()),
        torch.are_deterministic_algorithms_enabled(),
    )
    if kind in _compiled_kinds:  # what fails now is no failure to compile
        return _compiled()(*arguments, **flags)
    for vector in views if flat_out is None else [*views, flat_out]:
        torch._dynamo.mark_dynamic(vector, 0)
    try:
        with torch._dynamo.config.patch(recompile_limit=_KINDS):  # 70 µs: too much for each call
            extremes = _compiled()(*arguments, **flags)
    except (torch.OutOfMemoryError, torch.AcceleratorError):
        raise
    except Exception as error:  # dynamo, inductor, triton and setuptools each raise their own
        remedy = "Install a C++ compiler (triton for CUDA), or pass compiled=False"
        if forced:
            message = f"compiled=True, but torch.compile failed: {error}. {remedy}"
            raise RuntimeError(message) from error
        _no_compiler = True
        warnings.warn(
            "KAdam runs eagerly, a few times slower than compiled: torch.compile failed: "
            f"{error}. {remedy}",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    _compiled_kinds.add(kind)
    return extremes


def _in_blocks(
    views: Sequence[Tensor],
    scalars: Tensor,
    lr: Tensor,
    *,
    k: int,
    out: Tensor | None,
    decay: Decay,
    maximize: bool,
    track: bool,
    forced: bool,
) -> list[Tensor] | None:
    at_once, n_blocks = AT_ONCE[track], -(-len(views[0]) // BLOCK)
    size = -(-len(views[0]) // n_blocks)
    size += -size % 16  # so that blocks begin where a cache line does
    # Two tensors, since a larger one would come from the system, page by page, at each step.
    buffers = [torch.empty(size, dtype=views[1].dtype) for _ in range(2)]
    *levels, λ, eps = scalars.split([4] * k + [1, 1])
    starts = range(0, k, at_once)
    packed = [torch.cat([*levels[i : i + at_once], λ, eps]) for i in starts]
    one, extremes = torch.ones_like(lr), list[Tensor]()
    vectors = views if out is None else [*views, out]
    for ĝ, *block in zip(*(x.split(size) for x in vectors), strict=True):
        of_out = None if out is None else block.pop()
        m, v, θ = block[:k], block[k : 2 * k], next(iter(block[2 * k :]), None)
        for i, of_levels in zip(starts, packed, strict=True):
            first, last = i == 0, i + at_once >= k
            decays = (decay == "coupled" and first) or (decay == "decoupled" and last)
            to = of_out if last else buffers[i // at_once % 2][: len(ĝ)]
            of_block = compiled_update(
                θ if decays or last else None, ĝ, m[i : i + at_once], v[i : i + at_once],
                of_levels, lr if last else one, forced=forced, out=to,
                decay=decay if decays else "none", maximize=maximize and first, track=track,
            )  # fmt: skip
            if of_block is None:  # there is no compiler, and the first block is as it was
                return None
            extremes += of_block
            # A level that has advanced cannot do so again: from here on a failure is an error.
            ĝ, forced = to, True  # ĝ is None only after the last
    if not track:
        return []
    lowest, highest = torch.stack(extremes).view(-1, k, 2).unbind(2)
    return [x for pair in zip(lowest.amin(0), highest.amax(0), strict=True) for x in pair]


def flat_views(g: Tensor, state: Sequence[Tensor]) -> list[Tensor] | None:
    """The gradient and the state as vectors in the state's order in memory; all but g are views.

    None where there are none: the parameter has gaps or overlaps in memory (a transposed slice,
    an expanded tensor), or the state is laid out otherwise.

    >>> θ = torch.zeros(2, 3, 4, 4).to(memory_format=torch.channels_last)
    >>> [t.shape for t in flat_views(torch.ones(2, 3, 4, 4), [torch.zeros_like(θ), θ])]
    [torch.Size([96]), torch.Size([96]), torch.Size([96])]
    """
    m = state[0]
    if not m.is_contiguous():
        order = sorted(range(m.ndim), key=lambda dim: m.stride(dim), reverse=True)
        g, state = g.permute(order), [t.permute(order) for t in state]
    if not all(t.is_contiguous() for t in state):
        return None
    # An expanded gradient has a stride that torch would compile anew for; and for views it would
    # by whether they require gradients, and by the sizes of what they are views of.
    return [t.detach() for t in (g.reshape(-1).contiguous(), *(t.view(-1) for t in state))]


@lru_cache(maxsize=1)
def _compiled() -> Callable[..., list[Tensor]]:
    return torch.compile(_update_from_tensors, fullgraph=True)


def _update_from_tensors(
    θ: Tensor | None,
    g: Tensor,
    m: list[Tensor],
    v: list[Tensor],
    scalars: Tensor,
    lr: Tensor,
    out: Tensor | None,
    replaces_g: bool,
    **flags: Any,
) -> list[Tensor]:
    *flat, weight_decay, eps = scalars.unbind()
    levels = [Level(*flat[4 * i : 4 * i + 4]) for i in range(len(m))]
    return kadam_update(
        θ,
        g,
        m,
        v,
        levels,
        lr=lr,
        weight_decay=weight_decay,
        eps=eps,
        out=g if replaces_g else out,
        **flags,
    )
