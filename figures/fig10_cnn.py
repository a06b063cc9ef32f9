"""Figure 10: the convolutional network of Figure 6, drawn from the module itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from torch import nn

from adamct.models import CNN, CNNConfig
from adamct.models.cnn import Layer
from adamct.plotting.style import TEXT_WIDTH
from adamct.records import Records

READS = ()
CAPTION = """
The convolutional network of Figures 6 and 15 at full width, read off the module that is trained;
the arrows lead from the image to the ten classes, over two rows. A block of images is as tall as
they are, and its width goes with the square root of its channels; the height of a linear layer
goes with the logarithm of its outputs. A thin strip is the nonlinearity that follows. Under a layer
stand its name, the shape of its output and its number of parameters; over the arrow into the first
linear layer, how many numbers go in. The paper shows its network in a picture
only; the choices made here are in the list of ambiguities.
"""
ALT = (
    "Two rows of coloured blocks joined by arrows, one per layer: three pairs of convolutions with "
    "ReLU, each ending in max pooling, then three linear layers, with shapes and parameter counts."
)
# Of each kind of module: its name and its colour. Others are strips with the name of their class.
KINDS = {
    "Image": ("image", "#d9d9d9"),
    "Conv2d": ("convolution", "#2f7fb8"),
    "MaxPool2d": ("max pooling", "#d1495b"),
    "Linear": ("linear", "#e0a458"),
    "BatchNorm2d": ("batch norm", "#8fb8a8"),
}
STRIP = "#3c3c3c"
BLOCKS = ("Image", "Conv2d", "MaxPool2d", "Linear")
COLUMNS, ROW, THIN = 7, 2.15, 0.06  # in units of a column's width
ARROW: dict[str, Any] = {"arrowstyle": "-|>", "color": "0.35", "linewidth": 0.8, "shrinkA": 0}


def draw(records: Records) -> Figure:
    """Draw each layer that has weights or pools, what follows it as a strip, and the way through.

    A column is 1 wide; images of 32 pixels are 0.9 tall, 256 channels 0.5 wide.
    """
    model = CNN(CNNConfig())
    image = (model.config.channels, model.config.image_size, model.config.image_size)
    layers = [Layer("image", "Image", image, 0), *model.layer_table()]
    figure = Figure(figsize=(TEXT_WIDTH, 3.9))
    axes = figure.add_subplot()
    column, end, part = -1, (0.0, 0.0), ""
    for layer in layers:
        if layer.kind in BLOCKS:
            column += 1
            x, y = column % COLUMNS, -ROW * (column // COLUMNS)
            if column:
                _lead(axes, end, (x, y))
            end = _block(axes, layer, x, y)
            if layer.name.partition(".")[0] != part and layer.kind != "Image":
                part = layer.name.partition(".")[0]
                axes.text(x, y + 0.68, part, fontsize=8, fontweight="bold")
        elif layer.kind == "Flatten":
            axes.text(end[0] + 0.1, y + 0.07, f"{layer.output_shape[0]:,}", fontsize=7)
        else:
            colour = KINDS.get(layer.kind, ("", STRIP))[1]
            height = _size(layer)[1]
            axes.add_patch(Rectangle((end[0], y - height / 2), THIN, height, color=colour, lw=0))
            end = end[0] + THIN, y
    kinds = dict.fromkeys(layer.kind for layer in layers if layer.kind != "Flatten")
    looks = [KINDS.get(kind, (kind, STRIP)) for kind in kinds]
    handles = [Patch(color=colour, label=name) for name, colour in looks]
    axes.legend(handles=handles, ncol=len(handles), loc="lower left", borderpad=0)
    total = sum(layer.n_parameters for layer in layers)
    operations = (_operation(model.get_submodule(layer.name)) for layer in layers[1:])
    said = ", ".join(dict.fromkeys(filter(None, operations)))
    axes.set(title=f"{total:,} parameters; {said}", xlim=(-0.35, COLUMNS), ylim=(-ROW - 1.45, 0.9))
    axes.axis("off")
    return figure


def _size(layer: Layer) -> tuple[float, float]:
    """Return the width and the height of a layer's output as it is drawn."""
    channels, *pixels = layer.output_shape
    if pixels:
        return float(np.sqrt(channels) / 32), 0.9 * pixels[0] / 32
    return 0.14, 0.085 * float(np.log2(channels))


def _block(axes: Axes, layer: Layer, x: float, y: float) -> tuple[float, float]:
    """Draw a layer with what stands under it; return where its right side is."""
    width, height = _size(layer)
    axes.add_patch(Rectangle((x, y - height / 2), width, height, color=KINDS[layer.kind][1], lw=0))
    text = f"{layer.name.rpartition('.')[2]}\n{' × '.join(map(str, layer.output_shape))}"
    if layer.n_parameters:
        text += f"\n{layer.n_parameters:,}"
    axes.text(x, y - 0.53, text, va="top", fontsize=7, linespacing=1.25)
    return x + width, y


def _lead(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw the arrow from a layer to the next; where a row ends, out of it and into the next."""
    gap = 0.05
    if start[1] == end[1]:
        ways = [((start[0] + gap, start[1]), (end[0] - gap, end[1]))]
    else:
        ways = [((start[0] + gap, start[1]), (COLUMNS, start[1])), ((-0.3, end[1]), (-gap, end[1]))]
    for tail, head in ways:
        axes.annotate("", head, tail, arrowprops={**ARROW, "shrinkB": 0}, annotation_clip=False)


def _operation(module: nn.Module) -> str:
    """Return what the block of a layer does not show; empty where that is all."""
    if isinstance(module, nn.Conv2d):
        height, width = module.kernel_size
        padding = module.padding if isinstance(module.padding, str) else module.padding[0]
        return f"{height} × {width} kernels with padding {padding}"
    if isinstance(module, nn.MaxPool2d):
        return f"{module.kernel_size} × {module.kernel_size} max pooling"
    return "" if isinstance(module, nn.Linear | nn.Flatten) else type(module).__name__
