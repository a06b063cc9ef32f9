"""The caller's loss over parameters of any form, as a function of one flat vector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor


class Objective:
    """L(θ) and its gradient for θ flat, (P,), in the order of the caller's parameters."""

    def __init__(self, loss: Callable[[Any, Any], Tensor], params: Any) -> None:
        tensors = _tensors(params)
        self._loss = loss
        self._shapes = [p.shape for p in tensors]
        self._sizes = [p.numel() for p in tensors]
        self._names = list(params) if isinstance(params, Mapping) else None
        self._single = isinstance(params, Tensor)
        # cat copies: the caller may go on to train the same parameters.
        self.initial = torch.cat([p.detach().reshape(-1) for p in tensors])

    def unflatten(self, vector: Tensor) -> Any:
        """Give a flat vector (P,) the form of the caller's parameters; views of it."""
        parts = vector.split(self._sizes)
        views = [part.view(shape) for part, shape in zip(parts, self._shapes, strict=True)]
        if self._names is not None:
            return dict(zip(self._names, views, strict=True))
        return views[0] if self._single else views

    def value_and_gradient(self, θ: Tensor, batch: Any) -> tuple[Tensor, Tensor]:
        """L(θ), a scalar, and g = ∇L(θ), (P,), on one batch."""
        θ = θ.detach().requires_grad_()
        with torch.enable_grad():
            value = self._loss(self.unflatten(θ), batch)
            _check_loss(value)
            g = None
            if value.requires_grad:
                (g,) = torch.autograd.grad(value, θ, allow_unused=True)
        if g is None:
            raise ValueError(
                "the loss does not depend on the params it was called with; compute it from "
                "them (for a module: torch.func.functional_call(module, params, inputs))"
            )
        return value.detach(), g


def _tensors(params: Any) -> list[Tensor]:
    """The tensors of params in order, refused if they do not fit into one vector."""
    if isinstance(params, Tensor):
        tensors = [params]
    elif isinstance(params, Mapping):
        tensors = list(params.values())
    elif isinstance(params, (list, tuple)):
        tensors = list(params)
    else:
        raise TypeError(
            f"params is a {type(params).__name__}; expected a tensor, a list, a tuple or a "
            "mapping of tensors (for a module: dict(module.named_parameters()))"
        )
    strangers = [type(p).__name__ for p in tensors if not isinstance(p, Tensor)]
    if strangers or not tensors:
        raise TypeError(f"params holds {strangers or 'nothing'}; expected tensors only")
    kinds = {(p.dtype, p.device) for p in tensors}
    if len(kinds) > 1 or tensors[0].dtype not in (torch.float32, torch.float64):
        found = ", ".join(sorted(f"{dtype} on {device}" for dtype, device in kinds))
        raise ValueError(
            f"params are {found}; expected all float32 or all float64, on one device: convert "
            "them before the call"
        )
    return tensors


def _check_loss(value: Any) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"loss returned a {type(value).__name__}; expected a scalar tensor")
    if value.dim() != 0:
        raise ValueError(
            f"loss returned a tensor of shape {tuple(value.shape)}; expected a scalar: reduce it, "
            "for example with .mean()"
        )
