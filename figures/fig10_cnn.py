"""Figure 10: the convolutional network of Figure 6, drawn from the module itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import nn

from adamct.models import CNN, CNNConfig
from adamct.plotting.style import TEXT_WIDTH
from adamct.records import Records

READS = ()
CAPTION = """
The convolutional network of Figures 6 and 15 at full width, read off the module that is trained:
blue blocks are convolutions, red ones max pooling, orange ones linear layers. A block of images
is as tall as they are, and its width goes with the square root of its channels; the height of a
linear layer goes with the logarithm of its outputs. Under a block stand its name, the shape of its
output and its number of parameters. The paper shows its network in a picture only; the choices made
here are in the list of ambiguities.
"""
ALT = (
    "A row of coloured blocks, one per layer: three pairs of convolutions, each ending in max "
    "pooling, then three linear layers, with shapes and parameter counts."
)
COLOURS = {"Conv2d": "#2f7fb8", "BatchNorm2d": "#8fb8a8"}
COLOURS |= {"MaxPool2d": "#d1495b", "Linear": "#e0a458"}
BELOW: dict[str, Any] = {"rotation": 90, "ha": "center", "va": "top", "fontsize": 6}
BELOW |= {"linespacing": 1.1}


def draw(records: Records) -> Figure:
    """Draw each layer that has weights or pools, as tall as its images and as wide as √channels.

    A linear layer is 4 log₂ of its outputs tall. Under each block stands the shape of its output
    and its number of parameters.
    """
    model = CNN(CNNConfig())
    layers = model.layer_table()
    figure = Figure(figsize=(TEXT_WIDTH, 2.9))
    axes = figure.add_subplot()
    x = 0.0
    for layer in (layer for layer in layers if layer.kind in COLOURS):
        channels, *size = layer.output_shape
        height = size[0] if size else 4 * np.log2(channels)
        width = np.sqrt(channels) / 2.5 if size else 3.0
        look: dict[str, Any] = {"color": COLOURS[layer.kind], "alpha": 0.85}
        axes.add_patch(Rectangle((x, -height / 2), width, height, **look))
        text = f"{layer.name}\n{' × '.join(map(str, layer.output_shape))}"
        if layer.n_parameters:
            text += f"\n{layer.n_parameters:,}"
        axes.text(x + width / 2, -25, text, **BELOW)
        x += max(width, 4.2) + 1.2
    total = sum(layer.n_parameters for layer in layers)
    operations = (_operation(model.get_submodule(layer.name)) for layer in layers)
    said = ", ".join(dict.fromkeys(filter(None, operations)))
    axes.set(title=f"{total:,} parameters; {said}", xlim=(-1, x), ylim=(-52, 26))
    axes.axis("off")
    return figure


def _operation(module: nn.Module) -> str:
    """Return what the block of a layer does not show; empty where that is all."""
    if isinstance(module, nn.Conv2d):
        height, width = module.kernel_size
        padding = module.padding if isinstance(module.padding, str) else module.padding[0]
        return f"{height} × {width} kernels with padding {padding}"
    if isinstance(module, nn.MaxPool2d):
        return f"{module.kernel_size} × {module.kernel_size} max pooling"
    return "" if isinstance(module, nn.Linear | nn.Flatten) else type(module).__name__
