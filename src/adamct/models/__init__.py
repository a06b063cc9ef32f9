"""What is trained: the language model of Appendix H, and its convolutional network."""

from adamct.models.cnn import CNN, CNNConfig
from adamct.models.gpt import GPT, GPTConfig

__all__ = ["CNN", "GPT", "CNNConfig", "GPTConfig"]
