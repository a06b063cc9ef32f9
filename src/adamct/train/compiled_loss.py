"""A model's loss through ``torch.compile``; the model, and the names of its state, stay."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from adamct.models.network import Network

Loss = Callable[[Tensor, Tensor], Tensor]  # of a batch

# Shapes, models, precisions, and whether in evaluation mode: a process that trains many kinds of
# runs passes torch's 8.
KINDS = 256


def compiled_loss(model: Network, *, deterministic: bool) -> Loss:
    """Return ``model.loss``, compiled anew for each kind of model and batch.

    Dropout draws the masks that it draws without: only rounding differs.

    Args:
        model: the model, on its device.
        deterministic: choose kernels by rules, never by timing, so that runs repeat bit for bit.

    Returns:
        The loss. Its call raises ``RuntimeError`` where ``torch.compile`` fails, most often for
        want of a compiler.
    """
    torch._dynamo.config.recompile_limit = KINDS
    options: dict[str, str | int | bool | Callable[..., object]] = {"fallback_random": True}
    if deterministic:
        options["shape_padding"] = False
        if "deterministic" in torch._inductor.list_options():  # newer versions of torch
            options["deterministic"] = True
    compiled = torch.compile(model.loss, fullgraph=True, dynamic=False, options=options)

    def loss(inputs: Tensor, targets: Tensor) -> Tensor:
        try:
            result: Tensor = compiled(inputs, targets)
        except torch._dynamo.exc.TorchDynamoException as error:
            raise RuntimeError(
                f"execution.compiled=true, but torch.compile failed: {error}. Install a C++ "
                "compiler (triton for CUDA), or set execution.compiled=false"
            ) from error
        return result

    return loss
