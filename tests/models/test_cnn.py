"""The CNN against a loop over channels, torch's own initialization, and its layer table."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.signal import correlate
from scipy.special import log_softmax
from torch import nn

from adamct.models import CNN, CNNConfig


def small(batch_norm: bool = False) -> CNN:
    # 19 pixels: 19 → 9 → 4 → 2, so that every pooling but the last two has a row to drop.
    config = CNNConfig(19, 2, 3, 1 / 32, batch_norm=batch_norm)
    return CNN(config, torch.Generator().manual_seed(0)).double()


def reference_logits(model: CNN, images: np.ndarray) -> np.ndarray:
    p = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    x = images
    for block in (1, 2, 3):
        for number in (1, 2):
            name = f"block{block}.conv{number}"
            padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
            x = np.stack(
                [[correlate(image, w, "valid")[0] for w in p[f"{name}.weight"]] for image in padded]
            )
            if model.config.batch_norm:
                centred = x - x.mean(axis=(0, 2, 3), keepdims=True)
                x = centred / np.sqrt((centred**2).mean(axis=(0, 2, 3), keepdims=True) + 1e-5)
            else:
                x = x + p[f"{name}.bias"][:, None, None]
            x = np.maximum(x, 0)
        size = x.shape[-1] // 2
        x = x[..., : 2 * size, : 2 * size].reshape(*x.shape[:2], size, 2, size, 2).max((3, 5))
    x = x.reshape(len(x), -1)
    for number in (1, 2, 3):
        x = x @ p[f"head.linear{number}.weight"].T + p[f"head.linear{number}.bias"]
        if number < 3:
            x = np.maximum(x, 0)
    return x


@pytest.mark.parametrize("batch_norm", [False, True])
def test_logits_and_loss_equal_the_reference(batch_norm):
    model = small(batch_norm)
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(4, 2, 19, 19, generator=generator, dtype=torch.float64)
    labels = torch.randint(3, (4,), generator=generator)
    expected = reference_logits(model, images.numpy())
    np.testing.assert_allclose(model(images).detach().numpy(), expected, rtol=0, atol=1e-12)
    log_p = log_softmax(expected, axis=1)[np.arange(len(labels)), labels.numpy()]
    assert model.loss(images, labels).item() == pytest.approx(-log_p.mean(), abs=1e-12)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_initialization_is_torchs_default_from_the_given_generator(batch_norm):
    torch.manual_seed(5)
    pairs = pairwise([1, 8, 16, 32, 32, 64, 64])
    layers = [nn.Conv2d(n, m, 3, padding=1, bias=not batch_norm) for n, m in pairs]
    layers += [nn.Linear(n, m) for n, m in pairwise([64, 256, 128, 10])]
    expected = nn.Sequential(*layers).parameters()

    state = torch.random.get_rng_state()
    config = CNNConfig(image_size=8, channels=1, width=0.25, batch_norm=batch_norm)
    model = CNN(config, torch.Generator().manual_seed(5))
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(5)
    by_default = CNN(config)  # draws from the global generator
    assert all(map(torch.equal, model.parameters(), by_default.parameters()))
    drawn = [p for name, p in model.named_parameters() if "norm" not in name]
    assert all(torch.equal(p, q) for p, q in zip(drawn, expected, strict=True))
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == (6 if batch_norm else 0)
    for norm in norms:
        assert torch.all(norm.weight == 1)
        assert torch.all(norm.bias == 0)
        assert torch.all(norm.running_mean == 0)
        assert torch.all(norm.running_var == 1)


def test_layer_table_of_figure_10():
    rows = CNN(CNNConfig()).layer_table()
    weighty = [(row.kind, row.output_shape, row.n_parameters) for row in rows if row.n_parameters]
    convolutions = [(3, 32, 32), (32, 64, 32), (64, 128, 16), (128, 128, 16), (128, 256, 8)]
    convolutions.append((256, 256, 8))
    linear = [(4096, 1024), (1024, 512), (512, 10)]
    assert weighty == [
        *(("Conv2d", (m, size, size), 9 * n * m + m) for n, m, size in convolutions),
        *(("Linear", (m,), n * m + m) for n, m in linear),
    ]
    block = ["Conv2d", "ReLU", "Conv2d", "ReLU", "MaxPool2d"]
    head = ["Flatten", "Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert [row.kind for row in rows] == 3 * block + head
    pooled = [row.output_shape for row in rows if row.kind == "MaxPool2d"]
    assert pooled == [(64, 16, 16), (128, 8, 8), (256, 4, 4)]


@pytest.mark.parametrize("batch_norm", [False, True])
def test_layer_table_shows_the_live_module_and_leaves_no_trace(batch_norm):
    model = small(batch_norm)
    model.head.linear3 = nn.Linear(16, 7, dtype=torch.float64)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    rows = model.layer_table()

    modules = dict(model.named_modules())
    for name, kind, _, n_parameters in rows:
        assert type(modules[name]).__name__ == kind
        assert sum(p.numel() for p in modules[name].parameters()) == n_parameters
    assert rows[-1].output_shape == (7,)
    assert sum(row.n_parameters for row in rows) == sum(p.numel() for p in model.parameters())

    assert model.training
    assert all(not module._forward_hooks for module in modules.values())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("image_size", 7, "at least 8"),
        ("channels", 0, "at least 1"),
        ("n_classes", 1, "at least 2"),
        *(("width", width, ".* of 1/32") for width in (0.0, -1.0, 0.01, math.nan, math.inf)),
    ],
)
def test_impossible_configurations_are_refused(name, value, expected):
    with pytest.raises(ValueError, match=f"{name} = {value}, expected {expected}"):
        CNNConfig(**{name: value})


@pytest.mark.parametrize("shape", [(4, 1, 19, 19), (4, 2, 19, 18), (2, 19, 19)])
def test_images_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(batch, 2, 19, 19\); set CNNConfig's"):
        small()(torch.zeros(shape, dtype=torch.float64))
