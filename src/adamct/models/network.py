"""What training asks of a model: a module with its loss."""

from __future__ import annotations

from torch import Tensor, nn


class Network(nn.Module):
    """A module that knows its loss."""

    def loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of a batch, a scalar, in nats."""
        raise NotImplementedError
