"""What training asks of a model: a module with its loss."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn import functional as F


class Network(nn.Module):
    """A module that maps inputs to logits, and knows its loss."""

    def loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of a batch, a scalar, in nats: here the cross-entropy.

        Args:
            inputs: what the module takes: tokens, shape (B, T), or images, shape (B, C, S, S).
            targets: a class for each row of logits: int64 of shape (B, T) or (B,).
        """
        return F.cross_entropy(self(inputs).flatten(0, -2), targets.flatten())

    def query_key_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """W_Q and W_K of every layer, each (n_head, d_head, d_model), by name; here none."""
        return iter(())
