"""The loss of a large vocabulary, against torch's own on all logits at once."""

import pytest
import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from adamct.models import GPT, GPTConfig, gpt
from adamct.models.cross_entropy import cross_entropy
from adamct.models.network import Network


def drawn(n=21, d=5, n_classes=131, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(m, d, generator=generator, dtype=dtype) for m in (n, n_classes))
    targets = torch.randint(n_classes, (n,), generator=generator)
    return x.requires_grad_(), weight.requires_grad_(), targets


def with_gradients(loss, *at):
    return loss.detach(), *torch.autograd.grad(3 * loss, at)  # as where it is a part of a loss


@pytest.mark.parametrize("at_once", [1, 192, 2 * 192 + 1, 8 * 192, 10**9])
@pytest.mark.parametrize("n_classes", [131, 128, 3])
def test_it_is_the_plain_loss_with_its_gradients(at_once, n_classes):
    for dtype, tolerance in ((torch.float64, 1e-14), (torch.float32, 2e-6)):
        x, weight, targets = drawn(n_classes=n_classes, dtype=dtype)
        ours = with_gradients(cross_entropy(x, weight, targets, at_once), x, weight)
        plain = with_gradients(F.cross_entropy(F.linear(x, weight), targets), x, weight)
        for found, expected in zip(ours, plain, strict=True):
            torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
        with torch.no_grad():
            assert cross_entropy(x, weight, targets, at_once).equal(ours[0])


def test_gradcheck_and_no_second_derivatives():
    x, weight, targets = drawn(n=7, n_classes=9)
    assert torch.autograd.gradcheck(lambda *at: cross_entropy(*at, targets, 128), (x, weight))
    loss = weight.sum() * cross_entropy(x, weight, targets, 512)
    (of_x,) = torch.autograd.grad(loss, x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        of_x.sum().backward()


def test_logits_far_beyond_what_exp_takes():
    x, weight, targets = drawn(dtype=torch.float32)
    values = with_gradients(cross_entropy(1e4 * x, weight, targets, 512), x, weight)
    expected = F.cross_entropy(F.linear(1e4 * x, weight), targets)
    torch.testing.assert_close(values[0], expected.detach())
    assert all(value.isfinite().all() for value in values)


def test_under_autocast_products_are_bfloat16_and_nothing_else_is():
    x, weight, targets = drawn(dtype=torch.float32)
    exact = with_gradients(cross_entropy(x, weight, targets, 512), x, weight)
    with torch.autocast("cpu", torch.bfloat16):
        ours = with_gradients(cross_entropy(x, weight, targets, 512), x, weight)
        logits = F.linear(x, weight)
        plain = with_gradients(F.cross_entropy(logits, targets), x, weight)
    assert logits.dtype == torch.bfloat16
    assert {value.dtype for value in ours} == {torch.float32}
    torch.testing.assert_close(ours[0], plain[0], rtol=1e-6, atol=0)
    for found, like, expected in zip(ours, plain, exact, strict=True):
        error = (found - expected).norm() / expected.norm()
        assert 0 < error < 1.2 * (like - expected).norm() / expected.norm()


def test_torch_func_differentiates_it():
    x, weight, targets = drawn()
    found = torch.func.grad(cross_entropy, argnums=(0, 1))(x, weight, targets, 512)
    expected = torch.autograd.grad(cross_entropy(x, weight, targets, 512), (x, weight))
    assert all(map(torch.equal, found, expected))


class Largest(TorchFunctionMode):
    """Note the number of elements of the largest tensor that is made."""

    size = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **kwargs or {})
        if torch.is_tensor(result):
            self.size = max(self.size, result.numel())
        return result


@pytest.mark.parametrize("tied", [True, False])
def test_a_gpt_forms_few_logits_at_a_time_and_its_loss_stays(tied, monkeypatch):
    config = GPTConfig(900, block_size=32, n_layer=1, n_head=2, d_model=8, dropout=0, tied=tied)
    model = GPT(config, torch.Generator().manual_seed(0))
    windows = torch.randint(900, (8, 33), generator=torch.Generator().manual_seed(1))
    batch = windows[:, :-1], windows[:, 1:]
    n_logits = 8 * 32 * 900
    assert n_logits < gpt.LOGITS  # the plain path, bit for bit
    plain = with_gradients(model.loss(*batch), *model.parameters())
    assert plain[0].equal(Network.loss(model, *batch))
    monkeypatch.setattr(gpt, "LOGITS", n_logits // 8)
    with Largest() as largest:
        loss = model.loss(*batch)
        loss.backward()
    assert largest.size < n_logits / 4
    torch.testing.assert_close(loss.detach(), plain[0])
    for parameter, expected in zip(model.parameters(), plain[1:], strict=True):
        torch.testing.assert_close(3 * parameter.grad, expected, rtol=1e-4, atol=1e-7)
