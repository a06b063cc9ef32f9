"""Figure 10 says what the module is, whatever that is."""

import importlib.util
from pathlib import Path

import torch
from torch import nn

from adamct.models import CNN
from adamct.records import join

PATH = Path(__file__).parents[2] / "figures" / "fig10_cnn.py"


def title():
    return FIGURE.draw(join([])).axes[0].get_title(loc="left")


SPEC = importlib.util.spec_from_file_location("fig10_cnn", PATH)
FIGURE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(FIGURE)


def test_the_title_follows_the_module(monkeypatch):
    assert title() == (
        "5,851,338 parameters; 3 × 3 kernels with padding 1, ReLU, 2 × 2 max pooling"
    )

    def changed(config):
        model = CNN(config)
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.kernel_size, module.padding = (5, 5), (2, 2)
                module.weight = nn.Parameter(torch.empty(*module.weight.shape[:2], 5, 5))
        for name, module in list(model.named_modules()):
            if isinstance(module, nn.ReLU):
                model.set_submodule(name, nn.GELU())
        return model

    monkeypatch.setattr(FIGURE, "CNN", changed)
    convolutions = 3 * 32 + 32 * 64 + 64 * 128 + 128 * 128 + 128 * 256 + 256 * 256
    n_parameters = 5_851_338 + (25 - 9) * convolutions
    assert title() == (
        f"{n_parameters:,} parameters; 5 × 5 kernels with padding 2, GELU, 2 × 2 max pooling"
    )
