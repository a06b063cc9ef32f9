"""What is trained: the language model of Appendix H, and its convolutional network."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

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


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, the lazily loaded ones included."""
    return sorted({*globals(), *__all__})
