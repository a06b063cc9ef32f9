"""What is trained: the language model of Appendix H, and its convolutional network.

- ``configs``: their shapes, checked, without torch.
- ``network``: what training asks of each; ``gpt``, ``cnn``: the networks; ``cross_entropy``: the
  loss of a large vocabulary.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from adamct.models.configs import CNNConfig, GPTConfig

if TYPE_CHECKING:
    from adamct.models.cnn import CNN
    from adamct.models.gpt import GPT

__all__ = ["CNN", "GPT", "CNNConfig", "GPTConfig"]


def __getattr__(name: str) -> object:
    if name in ("CNN", "GPT"):  # these alone need torch, which a specification does without
        return getattr(import_module(f"adamct.models.{name.lower()}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
