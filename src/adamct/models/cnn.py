"""The convolutional network of Figures 6, 10 and 15.

The paper shows it in a picture alone ("all convolutional layers use a kernel size of 3×3 and a
padding of 1"). Three blocks of two convolutions, each block ending in 2 × 2 max pooling, then
three linear layers; a ReLU follows every layer but the last:

    3 → 32 → 64 | 64 → 128 → 128 | 128 → 256 → 256 | 4096 → 1024 → 512 → 10
"""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from adamct.models.configs import BLOCKS, HIDDEN, CNNConfig
from adamct.models.network import Network


class Layer(NamedTuple):
    """One row of :meth:`CNN.layer_table`."""

    name: str
    kind: str  # the module's class: "Conv2d", "ReLU", …
    output_shape: tuple[int, ...]  # of a single image, without the batch dimension
    n_parameters: int


class CNN(Network):
    """Convolutional classifier with its loss.

    Weights and biases are drawn from torch's default distribution, U(−1/√fan_in, 1/√fan_in), in
    the order of the layers and from ``generator`` alone, on the CPU: one seed gives one network,
    whatever else the process has drawn. Move it to its device afterwards.

    Args:
        config: the architecture.
        generator: source of the initialization; ``None`` takes torch's global one.

    Example:
        >>> model = CNN(CNNConfig(), torch.Generator().manual_seed(0))
        >>> sum(parameter.numel() for parameter in model.parameters())
        5851338
        >>> model(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(self, config: CNNConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        n_channels = config.channels
        for number, widths in enumerate(BLOCKS, start=1):
            first, second = map(config.scaled, widths)
            block = _block(n_channels, first, second, config.batch_norm)
            self.add_module(f"block{number}", block)
            n_channels = second
        self.head = _head(config)
        self._initialize(generator)

    def _initialize(self, generator: torch.Generator | None) -> None:
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                # U(−b, b) with b = √(6 / ((1 + a²) fan_in)) = 1/√fan_in at a = √5.
                nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=generator)
                if module.bias is not None:
                    bound = 1 / math.sqrt(module.weight[0].numel())
                    nn.init.uniform_(module.bias, -bound, bound, generator=generator)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, shape (B, n_classes), of normalized images, shape (B, C, S, S)."""
        c = self.config
        if images.shape[1:] != (c.channels, c.image_size, c.image_size):
            raise ValueError(
                f"received images of shape {tuple(images.shape)}, expected (batch, {c.channels}, "
                f"{c.image_size}, {c.image_size}); set CNNConfig's channels and image_size to "
                "the data's"
            )
        for module in self.children():
            images = module(images)
        return images

    def layer_table(self) -> list[Layer]:
        """Return what Figure 10 draws: each layer in the order in which an image meets it.

        The rows come from a forward pass through a copy without memory, so they show the module
        as it is, cost no arithmetic, and leave no trace in it.

        Example:
            >>> for layer in CNN(CNNConfig(width=0.25)).layer_table()[-2:]:
            ...     print(*layer)
            head.relu2 ReLU (128,) 0
            head.linear3 Linear (10,) 1290
        """
        model = copy.deepcopy(self).to("meta", torch.float32).eval()
        rows: list[Layer] = []

        def record(name: str, module: nn.Module, args: object, output: Tensor) -> None:
            n_parameters = sum(p.numel() for p in module.parameters())
            shape = tuple(output.shape[1:])
            rows.append(Layer(name, type(module).__name__, shape, n_parameters))

        for name, module in model.named_modules():
            if not any(module.children()):
                module.register_forward_hook(partial(record, name))
        c = self.config
        model(torch.empty(1, c.channels, c.image_size, c.image_size, device="meta"))
        return rows


def _block(n_in: int, n_middle: int, n_out: int, batch_norm: bool) -> nn.Sequential:
    block = nn.Sequential()
    # Under batch norm a bias has no effect and its gradient is rounding noise, which Adam would
    # blow up to updates of order 1.
    options = {"kernel_size": 3, "padding": 1, "bias": not batch_norm}
    for number, (n, m) in enumerate(((n_in, n_middle), (n_middle, n_out)), start=1):
        block.add_module(f"conv{number}", skip_init(nn.Conv2d, n, m, **options))
        if batch_norm:
            block.add_module(f"norm{number}", nn.BatchNorm2d(m))
        block.add_module(f"relu{number}", nn.ReLU())
    block.add_module("pool", nn.MaxPool2d(2))
    return block


def _head(config: CNNConfig) -> nn.Sequential:
    first, second = map(config.scaled, HIDDEN)
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            linear1=skip_init(nn.Linear, config.n_features, first),
            relu1=nn.ReLU(),
            linear2=skip_init(nn.Linear, first, second),
            relu2=nn.ReLU(),
            linear3=skip_init(nn.Linear, second, config.n_classes),
        )
    )
