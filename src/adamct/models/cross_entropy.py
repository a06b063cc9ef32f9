"""The cross-entropy of a large vocabulary, without its logits.

At paper scale a batch has 16,384 tokens and 50,257 logits each: 3.3 GB in float32, several times
over in a backward pass. Here they are formed for some rows at a time, turned into the gradient at
once, and forgotten.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

ALIGNED = 64  # classes: GPUs multiply matrices fast whose rows begin at multiples of 128 bytes


def cross_entropy(x: Tensor, weight: Tensor, targets: Tensor, at_once: int) -> Tensor:
    """Mean of −ln softmax(W x)_y over the rows x and their targets y, a scalar, in nats.

    Equal to ``F.cross_entropy(F.linear(x, weight), targets)`` but for rounding, gradients too;
    there are no second derivatives. Under autocast its products are in autocast's type; the
    softmax, the sums and the gradient of ``weight`` are in float32.

    Args:
        x: shape (n, d).
        weight: W, shape (classes, d).
        targets: int64 of shape (n,), in 0…classes−1.
        at_once: number of logits held at a time, at least one row's; decides rounding only.

    Example:
        >>> x, W, y = torch.ones(5, 2), torch.zeros(3, 2), torch.tensor([0, 1, 2, 2, 2])
        >>> round(cross_entropy(x, W, y, at_once=6).exp().item(), 6)
        3.0
    """
    device = x.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
    padded = F.pad(weight, (0, 0, 0, -len(weight) % ALIGNED))
    n_rows = max(1, at_once // len(padded))
    options = (len(weight), 1 << n_rows.bit_length() - 1, dtype)  # a power of 2 divides batches
    if torch.is_grad_enabled():
        return _CrossEntropy.apply(x, padded, targets, *options)[0]
    return _by_rows(x, padded, targets, *options, differentiate=False)[0]


class _CrossEntropy(torch.autograd.Function):
    """The loss with its gradient, which the forward pass forms while it has the logits."""

    @staticmethod
    def forward(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
        return _by_rows(*arguments, differentiate=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: tuple[Tensor, Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(*output[1:])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        of_x, of_weight = ctx.saved_tensors
        return grad * of_x, grad * of_weight, None, None, None, None


def _by_rows(
    x: Tensor,
    weight: Tensor,
    targets: Tensor,
    n_classes: int,
    n_rows: int,
    dtype: torch.dtype,
    *,
    differentiate: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss, and its gradients by x and by the padded weight, or empty ones."""
    exact = torch.promote_types(dtype, torch.float32)
    W, columns = weight.to(dtype), torch.arange(len(weight), device=x.device)
    of_x, of_weight = [], torch.zeros_like(weight if differentiate else weight[:0])
    total = torch.zeros((), dtype=exact, device=x.device)
    for rows, y in zip(x.to(dtype).split(n_rows), targets.split(n_rows), strict=True):
        logits = (rows @ W.T).to(exact)
        logits[:, n_classes:] = -torch.inf  # no class: no part of the softmax, nor a gradient
        log_sum = logits.logsumexp(dim=1, keepdim=True)
        total += (log_sum - logits.gather(1, y[:, None])).sum()
        if differentiate:
            softmax = logits.sub_(log_sum).exp_()
            by_logits = softmax.add_(columns == y[:, None], alpha=-1).div_(len(x)).to(dtype)
            of_x.append((by_logits @ W).to(x.dtype))
            of_weight += by_logits.T @ rows
    return total / len(x), torch.cat(of_x) if of_x else x[:0], of_weight
