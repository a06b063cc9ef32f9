"""Shapes of the models, checked; without torch, so that a specification can ask for them."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Output channels of the two convolutions of each block, and of the two hidden linear layers.
BLOCKS = ((32, 64), (128, 128), (256, 256))
HIDDEN = (1024, 512)


@dataclass(frozen=True)
class GPTConfig:
    """Shape of a ``GPT``; the defaults are Appendix H's (30.02M parameters).

    Args:
        vocab_size: number of tokens; 50257 is GPT-2's vocabulary.
        block_size: longest sequence, in tokens.
        n_layer: number of blocks.
        n_head: attention heads per block; divides ``d_model``.
        d_model: width of the residual stream.
        dropout: probability, in [0, 1), on embeddings, attention and both branches of a block.
        bias: whether linear maps and layer norms carry biases.
        tied: whether the output matrix is the token embedding.
        qk_norm: layer norm over d_head on queries and keys, with a learnable gain per coordinate,
            shared by the heads of a layer, and no bias. Excludes ``bias``.

    Raises:
        ValueError: for a shape or a combination that cannot work.

    >>> GPTConfig().d_head
    64
    """

    vocab_size: int = 50257
    block_size: int = 256
    n_layer: int = 6
    n_head: int = 6
    d_model: int = 384
    dropout: float = 0.2
    bias: bool = False
    tied: bool = True
    qk_norm: bool = False

    def __post_init__(self) -> None:
        _at_least(self, vocab_size=1, block_size=1, n_layer=1, n_head=1, d_model=1)
        if self.d_model % self.n_head:
            raise ValueError(
                f"d_model = {self.d_model} is not a multiple of n_head = {self.n_head}: "
                "choose a width that the heads can share equally"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}, but must lie in [0, 1)")
        if self.qk_norm and self.bias:
            raise ValueError(
                "qk_norm=True with bias=True: a biased query is not scale-invariant in W_Q; "
                "set bias=False"
            )
        if self.qk_norm and self.d_head < 2:
            raise ValueError(
                f"qk_norm=True needs d_model / n_head >= 2, got {self.d_head}: "
                "a layer norm over one coordinate is constant"
            )

    @property
    def d_head(self) -> int:
        """Width of one attention head."""
        return self.d_model // self.n_head


@dataclass(frozen=True)
class CNNConfig:
    """Architecture of the CNN; the defaults are the paper's, for CIFAR-10.

    Args:
        image_size: height and width of the images in pixels, at least 8: the three poolings
            each halve it, rounding down.
        channels: 3 for colour, 1 for grey.
        n_classes: number of logits.
        width: factor on the channels of every hidden layer; ``32 * width`` is a whole number.
        batch_norm: normalize between each convolution and its ReLU.

    Raises:
        ValueError: for a value outside these ranges.

    Example:
        >>> CNNConfig().n_features  # 256 channels of 4 x 4
        4096
        >>> CNNConfig(image_size=8, channels=1, width=0.25).n_features
        64
    """

    image_size: int = 32
    channels: int = 3
    n_classes: int = 10
    width: float = 1.0
    batch_norm: bool = False

    def __post_init__(self) -> None:
        smallest = 2 ** len(BLOCKS)
        if self.image_size < smallest:
            raise ValueError(
                f"image_size = {self.image_size}, expected at least {smallest}: "
                f"{len(BLOCKS)} poolings halve it; enlarge or pad the images"
            )
        _at_least(self, channels=1, n_classes=2)
        if not (0 < self.width < math.inf and self.scaled(32) == 32 * self.width):
            raise ValueError(
                f"width = {self.width}, expected a positive multiple of 1/32, such as 0.25 or 1, "
                "so that every layer has a whole number of channels"
            )

    def scaled(self, channels: int) -> int:
        """Return the number of channels of a hidden layer that has ``channels`` at width 1."""
        return round(channels * self.width)

    @property
    def n_features(self) -> int:
        """Size of the flattened output of the last block, which the first linear layer takes."""
        return self.scaled(BLOCKS[-1][-1]) * (self.image_size // 2 ** len(BLOCKS)) ** 2


def _at_least(config: GPTConfig | CNNConfig, **least: int) -> None:
    for name, value in least.items():
        if getattr(config, name) < value:
            raise ValueError(f"{name} = {getattr(config, name)}, expected at least {value}")
