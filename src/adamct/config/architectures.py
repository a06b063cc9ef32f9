"""The models that a task can name: a class for each, which builds it from ``adamct.models``.

A spec holds what is chosen. What follows from the data (the vocabulary, the size of the images,
the classes) is given to :meth:`ModelSpec.build`.
"""

from __future__ import annotations

from collections.abc import Callable
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from adamct.config.frozen import Frozen
from adamct.models import CNNConfig, GPTConfig

if TYPE_CHECKING:
    from torch import Generator

    from adamct.models.network import Network


class ModelSpec(Frozen):
    """A model's architecture.

    Attributes:
        takes: the kind of data that it is trained on.
        has_heads: whether it has query and key matrices, by ``query_key_parameters()``.
        shape: the model's own configuration, which checks it; a model may do without.
        network: the model's class, ``"module:name"``, since its module imports torch.
    """

    takes: ClassVar[Literal["text", "images"]]
    has_heads: ClassVar[bool] = False
    shape: ClassVar[Callable[..., Any]] = dict
    network: ClassVar[str]

    @model_validator(mode="after")
    def _possible(self) -> ModelSpec:
        self.config()  # raises
        return self

    def config(self, **of_data: int) -> Any:
        """Return the model's own configuration, or refuse a shape that cannot work."""
        return self.shape(**self.model_dump(exclude={"kind"}) | of_data)

    def build(self, generator: Generator | None = None, /, **of_data: int) -> Network:
        """Return the model, on the CPU.

        Args:
            generator: of the initial parameters; torch's global one by default.
            of_data: ``vocab_size`` for text; ``image_size, channels, n_classes`` for images.
        """
        network: Network = resolve_name(self.network)(self.config(**of_data), generator)
        return network


class TextModelSpec(ModelSpec):
    """A model of token sequences."""

    takes = "text"
    block_size: int = Field(ge=1)


class ImageModelSpec(ModelSpec):
    """A classifier of images."""

    takes = "images"


class GPTSpec(TextModelSpec):
    """Architecture of the decoder-only transformer: fields of ``GPTConfig``, with its defaults."""

    has_heads = True
    shape, network = GPTConfig, "adamct.models.gpt:GPT"
    kind: Literal["gpt"]
    n_layer: int
    n_head: int
    d_model: int
    dropout: float
    bias: bool = GPTConfig.bias
    tied: bool = GPTConfig.tied
    qk_norm: bool = GPTConfig.qk_norm


class CNNSpec(ImageModelSpec):
    """Architecture of the CNN: fields of ``CNNConfig``, with its defaults."""

    shape, network = CNNConfig, "adamct.models.cnn:CNN"
    kind: Literal["cnn"]
    width: float = CNNConfig.width
    batch_norm: bool = CNNConfig.batch_norm


Architecture = Annotated[GPTSpec | CNNSpec, Field(discriminator="kind")]
