"""What is trained: the language model of Appendix H, and its convolutional network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adamct.lazy import lazy

if TYPE_CHECKING:
    from adamct.models.cnn import CNN as CNN
    from adamct.models.cnn import CNNConfig as CNNConfig
    from adamct.models.gpt import GPT as GPT
    from adamct.models.gpt import GPTConfig as GPTConfig

# Loaded on first use: naming a model in a specification must not pay for torch.
_LAZY = {
    "CNN": "adamct.models.cnn",
    "CNNConfig": "adamct.models.cnn",
    "GPT": "adamct.models.gpt",
    "GPTConfig": "adamct.models.gpt",
}
__all__ = ["CNN", "GPT", "CNNConfig", "GPTConfig"]

__getattr__, __dir__ = lazy(__name__, _LAZY)
