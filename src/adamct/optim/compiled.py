"""``kadam_update`` through ``torch.compile``: one pass over memory instead of 8k + 1.

The compiled function sees every tensor as a flat vector of dynamic length, and every scalar as an
entry of a tensor, so that neither another shape nor another step, learning rate or (β, γ) compiles
again, in this optimizer or in the next one of the process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import NamedTuple

import torch
from torch import Tensor

from adamct.optim.scalars import Level
from adamct.optim.update import Decay, kadam_update

SMALLEST = 2  # torch.compile treats a dimension of size 1 as a constant and would compile again


class NoCompilerError(RuntimeError):
    """``torch.compile`` failed; nothing has been updated."""


class Variant(NamedTuple):
    """What is fixed when the update is compiled."""

    k: int
    decay: Decay
    maximize: bool
    track: bool
    param_dtype: torch.dtype
    grad_dtype: torch.dtype
    state_dtype: torch.dtype
    device: torch.device


_variants: dict[Variant, Callable[..., list[Tensor]]] = {}


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
    variant = Variant(len(m), decay, maximize, track, θ.dtype, g.dtype, m[0].dtype, θ.device)
    function = _variants.get(variant)
    if function is not None:
        return function(θ, g, m, v, scalars, lr, decay, maximize, track)
    function = _compile(variant)
    for vector in (θ, g, *m, *v):
        torch._dynamo.mark_dynamic(vector, 0)
    try:
        norms = function(θ, g, m, v, scalars, lr, decay, maximize, track)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # dynamo, inductor, triton and setuptools each raise their own
        raise NoCompilerError(f"torch.compile failed: {error}") from error
    _variants[variant] = function
    return norms


def _compile(variant: Variant) -> Callable[..., list[Tensor]]:
    # torch limits how often one code object may be compiled (8 times), and then runs it eagerly
    # without a word. A sweep over k passes that, so each variant compiles a copy of the code.
    code = _update_from_tensors.__code__.replace(co_name=f"kadam_update_k{variant.k}")
    return torch.compile(FunctionType(code, globals(), code.co_name), fullgraph=True)


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
