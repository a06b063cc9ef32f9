"""The transformer against a loop-by-loop reference, its invariances and its initialization."""

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy.special import erf, log_softmax, softmax

from adamct.models import GPT, GPTConfig

SMALL = GPTConfig(vocab_size=29, block_size=12, n_layer=2, n_head=4, d_model=16, dropout=0.0)


def small(**changes: object) -> GPT:
    """A small model in float64, its gains and biases moved off their initial 1 and 0."""
    generator = torch.Generator().manual_seed(0)
    model = GPT(dataclasses.replace(SMALL, **changes), generator).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model


def batch(n_time: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    windows = torch.randint(SMALL.vocab_size, (3, n_time + 1), generator=generator)
    return windows[:, :-1], windows[:, 1:]


def reference_logits(model: GPT, tokens: np.ndarray) -> np.ndarray:
    """One sequence through the architecture, head by head and position by position."""
    p = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    n_head, d_head = model.config.n_head, model.config.d_head
    h = p["token_embedding.weight"][tokens] + p["position_embedding.weight"][: len(tokens)]

    def norm(name: str, x: np.ndarray, eps: float = 1e-5) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        x = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps)
        return x * p[f"{name}.weight"] + p.get(f"{name}.bias", 0.0)

    def linear(name: str, x: np.ndarray) -> np.ndarray:
        return x @ p[f"{name}.weight"].T + p.get(f"{name}.bias", 0.0)

    for layer in range(model.config.n_layer):
        at, mlp = f"blocks.{layer}.attention", f"blocks.{layer}.mlp"
        x = norm(f"{at}_norm", h)
        attended = np.zeros_like(h)
        for head in range(n_head):
            rows = slice(head * d_head, (head + 1) * d_head)
            q, k = (x @ p[f"{at}.{role}"][head].T for role in ("query", "key"))
            if model.config.bias:
                q, k = q + p[f"{at}.query_bias"][head], k + p[f"{at}.key_bias"][head]
            if model.config.qk_norm:
                q, k = norm(f"{at}.query_norm", q, 0.0), norm(f"{at}.key_norm", k, 0.0)
            v = linear(f"{at}.value", x)[:, rows]
            for t in range(len(tokens)):
                weights = softmax(k[: t + 1] @ q[t] / math.sqrt(d_head))
                attended[t, rows] = weights @ v[: t + 1]
        h = h + linear(f"{at}.output", attended)
        hidden = linear(f"{mlp}.hidden", norm(f"{mlp}_norm", h))
        h = h + linear(f"{mlp}.output", hidden * (1 + erf(hidden / math.sqrt(2))) / 2)
    return norm("norm", h) @ p["head.weight"].T


@pytest.mark.parametrize("changes", [{}, {"bias": True}, {"qk_norm": True}, {"tied": False}])
def test_logits_and_loss_equal_the_reference(changes):
    model = small(**changes)
    tokens, targets = batch(n_time=9)  # shorter than the longest
    expected = np.stack([reference_logits(model, row) for row in tokens.numpy()])
    torch.testing.assert_close(model(tokens).detach().numpy(), expected, rtol=0, atol=1e-12)
    log_p = np.take_along_axis(log_softmax(expected, -1), targets.numpy()[..., None], -1)
    assert model.loss(tokens, targets).item() == pytest.approx(-log_p.mean(), abs=1e-13)


def test_parameter_counts(monkeypatch):
    monkeypatch.setattr(GPT, "_initialize", lambda *_: None)  # takes seconds, and is not counted

    def count(model: GPT) -> int:
        return sum(parameter.numel() for parameter in model.parameters())

    model = GPT(GPTConfig())
    assert count(model) == 30_018_816
    matrices = dict(model.query_key_parameters())  # of 72 heads
    assert [p.shape for p in matrices.values()] == 12 * [(6, 64, 384)]
    assert count(GPT(GPTConfig(qk_norm=True))) == 30_018_816 + 6 * 2 * 64
    # GPT-2's smallest model, as published, has biases and 12 layers of width 768.
    gpt2 = GPTConfig(block_size=1024, n_layer=12, n_head=12, d_model=768, bias=True)
    assert count(GPT(gpt2)) == 124_439_808


@pytest.mark.parametrize("qk_norm", [False, True])
def test_no_logit_depends_on_a_later_input(qk_norm):
    model = small(dropout=0.3, qk_norm=qk_norm)
    tokens, _ = batch()
    inputs: list[torch.Tensor] = []

    def expose(_: object, arguments: tuple[torch.Tensor]) -> torch.Tensor:
        inputs.append(arguments[0].detach().requires_grad_())
        return inputs[-1]

    model.blocks[0].register_forward_pre_hook(expose)
    logits = model(tokens)
    for t in range(tokens.shape[1]):
        weights = torch.randn(SMALL.vocab_size, generator=torch.Generator().manual_seed(t))
        target = (logits[:, t] @ weights.double()).sum()
        [gradient] = torch.autograd.grad(target, inputs, retain_graph=True)
        assert torch.all(gradient[:, t + 1 :] == 0)
        assert torch.all(gradient[:, : t + 1].abs().amax(-1) > 0)


def test_dropout_follows_the_global_generator_and_evaluation_has_none():
    model = small(dropout=0.3)
    tokens, targets = batch()

    def loss(seed: int) -> float:
        torch.manual_seed(seed)
        return model.loss(tokens, targets).item()

    assert loss(0) == loss(0)
    assert loss(0) != loss(1)
    model.eval()
    assert loss(0) == loss(1) == small().loss(tokens, targets).item()


def alignment(model: GPT) -> list[float]:
    """|⟨W, g_W⟩| / (‖W‖ ‖g_W‖) for every head's query and key matrix."""
    model.zero_grad()
    model.loss(*batch()).backward()
    heads = ((p.detach(), p.grad) for _, p in model.query_key_parameters())
    pairs = [pair for p, g in heads for pair in zip(p, g, strict=True)]
    return [abs(float((w * g).sum() / (w.norm() * g.norm()))) for w, g in pairs]


@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e4])
def test_gradient_is_orthogonal_to_each_head_matrix_under_qk_norm(scale):
    model = small(qk_norm=True)
    for _, parameter in model.query_key_parameters():
        parameter.data *= scale
    values = alignment(model)
    assert len(values) == 2 * 2 * 4
    assert max(values) < 1e-10
    assert max(alignment(model.float())) < 1e-5
    without = alignment(small(qk_norm=False))
    assert np.median(without) > 1e-2
    assert min(without) > 1e-5


@pytest.mark.parametrize("qk_norm", [True, False])
def test_loss_ignores_the_scale_of_each_head_matrix_under_qk_norm(qk_norm):
    model = small(qk_norm=qk_norm)
    before = model.loss(*batch()).item()
    changes = []
    for head in (W for _, p in model.query_key_parameters() for W in p.data):
        original = head.clone()
        head *= 3.7
        changes.append(abs(model.loss(*batch()).item() / before - 1))
        head.copy_(original)
    assert max(changes) < 1e-12 if qk_norm else min(changes) > 1e-6


@pytest.mark.parametrize("changes", [{}, {"qk_norm": True}, {"tied": False}, {"bias": True}])
def test_one_seed_gives_all_variants_the_same_matrices(changes):
    state = torch.get_rng_state()
    plain, other = (GPT(SMALL, torch.Generator().manual_seed(seed)) for seed in (0, 1))
    variant = GPT(dataclasses.replace(SMALL, **changes), torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), state)
    theirs = dict(variant.named_parameters())
    assert all(torch.equal(value, theirs[name]) for name, value in plain.named_parameters())
    assert not torch.equal(plain.token_embedding.weight, other.token_embedding.weight)


def test_initial_distribution():
    config = GPTConfig(vocab_size=500, block_size=100, n_layer=8, n_head=4, d_model=64, bias=True)
    for name, parameter in GPT(config, torch.Generator().manual_seed(0)).named_parameters():
        if name.endswith("bias"):
            assert torch.all(parameter == 0), name
        elif parameter.dim() == 1:
            assert torch.all(parameter == 1), name
        else:
            std = 0.02 / 4 if name.endswith("output.weight") else 0.02  # 4 = √(2 n_layer)
            tolerance = 5 * std / math.sqrt(parameter.numel())
            assert abs(parameter.mean().item()) < tolerance, name
            assert abs(parameter.std().item() - std) < tolerance, name


def test_tied_embeddings_stay_tied_through_a_copy_and_a_cast():
    model = copy.deepcopy(GPT(SMALL)).double()
    assert model.head.weight is model.token_embedding.weight
    assert GPT(dataclasses.replace(SMALL, tied=False)).head.weight.shape == (29, 16)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d_model": 15}, "d_model = 15 is not a multiple of n_head = 4"),
        ({"n_layer": 0}, "n_layer = 0, expected at least 1"),
        ({"vocab_size": -1}, "vocab_size = -1, expected at least 1"),
        ({"dropout": 1.0}, r"dropout is 1.0, but must lie in \[0, 1\)"),
        ({"qk_norm": True, "bias": True}, "set bias=False"),
        ({"qk_norm": True, "d_model": 4}, "needs d_model / n_head >= 2, got 1"),
    ],
)
def test_impossible_shapes_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **changes)


def test_a_sequence_longer_than_the_block_is_refused():
    with pytest.raises(ValueError, match="13 tokens exceeds block_size = 12"):
        GPT(SMALL)(torch.zeros(1, 13, dtype=torch.int64))
