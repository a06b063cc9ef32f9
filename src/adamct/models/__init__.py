"""What is trained: the language model of Appendix H, and its convolutional network.

- ``configs``: their shapes, checked, without torch.
- ``network``: what training asks of each; ``gpt``, ``cnn``: the networks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adamct.models.configs import CNNConfig, GPTConfig

if TYPE_CHECKING:
    from adamct.models.cnn import CNN
    from adamct.models.gpt import GPT

__all__ = ["CNN", "GPT", "CNNConfig", "GPTConfig"]


def __getattr__(name: str) -> object:
    if name == "CNN":  # these two alone need torch, which a specification does without
        from adamct.models.cnn import CNN

        return CNN
    if name == "GPT":
        from adamct.models.gpt import GPT

        return GPT
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
