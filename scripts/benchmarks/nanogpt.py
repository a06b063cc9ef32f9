"""The baseline of the benchmarks: a GPT and a training step as nanoGPT has them, in plain torch.

Written for comparison alone: one projection for q, k and v, one fused AdamW, nothing recorded.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """Attention and MLP behind layer norms, with residual connections."""

    def __init__(self, d: int, n_head: int, dropout: float) -> None:
        super().__init__()
        self.n_head, self.dropout = n_head, dropout
        self.norms = nn.ModuleList(nn.LayerNorm(d, bias=False) for _ in range(2))
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.out = nn.Linear(d, d, bias=False)
        self.up = nn.Linear(d, 4 * d, bias=False)
        self.down = nn.Linear(4 * d, d, bias=False)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, d) to the same shape."""
        batch, time, d = x.shape
        q, k, v = (
            part.view(batch, time, self.n_head, d // self.n_head).transpose(1, 2)
            for part in self.qkv(self.norms[0](x)).split(d, dim=2)
        )
        p = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=True)
        x = x + self.drop(self.out(y.transpose(1, 2).reshape(batch, time, d)))
        return x + self.drop(self.down(F.gelu(self.up(self.norms[1](x)))))


class NanoGPT(nn.Module):
    """Decoder-only transformer with learned positions and a tied head; returns the loss."""

    def __init__(
        self, vocab_size: int, block_size: int, n_layer: int, n_head: int, d: int, dropout: float
    ) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocab_size, d), nn.Embedding(block_size, d)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(d, n_head, dropout) for _ in range(n_layer))
        self.norm = nn.LayerNorm(d, bias=False)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Mean cross-entropy of y given x, both (batch, time)."""
        positions = torch.arange(x.shape[1], device=x.device)
        h = self.drop(self.tokens(x) + self.positions(positions))
        for block in self.blocks:
            h = block(h)
        logits = F.linear(self.norm(h), self.tokens.weight)
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), y.view(-1))


def training_step(
    model: nn.Module,
    tokens: np.ndarray,
    batch_size: int,
    block_size: int,
    *,
    fused: bool = True,
    autocast: torch.dtype | None = None,
) -> Callable[[], None]:
    """A step of plain training: random windows, forward, backward, AdamW.

    Args:
        model: a ``NanoGPT``, or it compiled.
        tokens: the corpus, uint16.
        batch_size: windows a step.
        block_size: tokens a window.
        fused: AdamW's ``fused``.
        autocast: dtype of the forward pass; ``None`` for the parameters' own.

    Returns:
        What takes one step.
    """
    device = next(model.parameters()).device
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=1e-3, betas=(0.9, 0.999), weight_decay=0.0, fused=fused
    )
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        starts = torch.randint(len(tokens) - block_size, (batch_size,), generator=generator)
        x, y = (
            torch.stack(
                [
                    torch.from_numpy(tokens[i + shift : i + shift + block_size].astype(np.int64))
                    for i in starts.tolist()
                ]
            ).to(device, non_blocking=True)
            for shift in (0, 1)
        )
        with torch.autocast(device.type, autocast, enabled=autocast is not None):
            loss = model(x, y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step
