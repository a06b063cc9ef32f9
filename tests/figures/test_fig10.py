"""Figure 10 says what the module is, whatever that is."""

from pathlib import Path

import torch
from torch import nn

from adamct.models import CNN
from adamct.plotting.registry import import_file
from adamct.plotting.style import style
from adamct.records import join

FIGURE = import_file(Path(__file__).parents[2] / "figures" / "fig10_cnn.py")


def title():
    with style():
        return FIGURE.draw(join([])).axes[0].get_title(loc="left")


def changed(config):
    """Return the network with 5 × 5 kernels and another nonlinearity."""
    model = CNN(config)
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Conv2d):
            module.kernel_size, module.padding = (5, 5), (2, 2)
            module.weight = nn.Parameter(torch.empty(*module.weight.shape[:2], 5, 5))
        if isinstance(module, nn.ReLU):
            model.set_submodule(name, nn.GELU())
    return model


def test_the_title_follows_the_module(monkeypatch):
    words = "3 × 3 kernels with padding 1, ReLU, 2 × 2 max pooling"
    assert title() == f"5,851,338 parameters; {words}"
    monkeypatch.setattr(FIGURE, "CNN", changed)
    convolutions = 3 * 32 + 32 * 64 + 64 * 128 + 128 * 128 + 128 * 256 + 256 * 256
    words = "5 × 5 kernels with padding 2, GELU, 2 × 2 max pooling"
    assert title() == f"{5_851_338 + (25 - 9) * convolutions:,} parameters; {words}"
