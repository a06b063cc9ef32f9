"""The language model of Appendix H: a decoder-only transformer of about 30M parameters.

One block maps x (batch, time, d_model) to

    x ← x + W_O · concat_h softmax(q_h k_hᵀ / √d_head, causal) v_h,   q_h = W_Q[h] LN(x), …
    x ← x + W_2 · gelu(W_1 LN(x)),

and the logits are W_E LN(x), with W_E the token embedding when the two are tied. W_Q and W_K
have shape (n_head, d_head, d_model): one head's matrix is a thing of its own, because scale
invariance (Section 4, Theorem 2) holds head by head. Under qk-norm, q_h and k_h pass through a
layer norm over d_head, so that the loss does not change when W_Q[h] or W_K[h] is rescaled, and
⟨W, ∂loss/∂W⟩ = 0 for each of these matrices.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import skip_init

from adamct.models.configs import GPTConfig
from adamct.models.cross_entropy import cross_entropy
from adamct.models.network import Network

INIT_STD = 0.02
# Layer norm divides by √(var + eps), and any eps > 0 breaks the scale invariance by eps / var.
# This one lies 18 orders of magnitude below the variances met (0.01 and more), beyond even
# float64's rounding; unlike 0, it keeps 0/0 out, and float32 can hold it.
QK_NORM_EPS = 1e-20

# Logits: more are not held at once. 2,048 tokens of GPT-2's vocabulary, 0.5 GB in float32.
LOGITS = 2**27


class Attention(nn.Module):
    """Causal self-attention whose W_Q and W_K have shape (n_head, d_head, d_model)."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        d, h, d_head, bias = config.d_model, config.n_head, config.d_head, config.bias
        self.query = nn.Parameter(torch.empty(h, d_head, d))
        self.key = nn.Parameter(torch.empty(h, d_head, d))
        self.query_bias = nn.Parameter(torch.empty(h, d_head)) if bias else None
        self.key_bias = nn.Parameter(torch.empty(h, d_head)) if bias else None
        self.value = skip_init(nn.Linear, d, d, bias=bias)
        self.output = skip_init(nn.Linear, d, d, bias=bias)
        self.query_norm, self.key_norm = (
            nn.LayerNorm(d_head, eps=QK_NORM_EPS, bias=False) if config.qk_norm else nn.Identity()
            for _ in range(2)
        )
        self.n_head, self.dropout = h, config.dropout

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, d_model) to the same shape; position t sees positions up to t."""
        # One matrix product instead of three; (batch, time, n_head, d_head) each.
        weight = torch.cat([self.query.flatten(0, 1), self.key.flatten(0, 1), self.value.weight])
        bias = self._biases()
        q, k, v = F.linear(x, weight, bias).unflatten(-1, (3, self.n_head, -1)).unbind(2)
        q, k = self.query_norm(q), self.key_norm(k)
        q, k, v = (heads.transpose(1, 2) for heads in (q, k, v))  # (batch, n_head, time, d_head)
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True)
        return self.output(y.transpose(1, 2).flatten(2))

    def _biases(self) -> Tensor | None:
        if self.query_bias is None or self.key_bias is None:
            return None
        return torch.cat([self.query_bias.flatten(), self.key_bias.flatten(), self.value.bias])


class MLP(nn.Module):
    """Two linear maps around a GELU, four times as wide as the residual stream."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        d = config.d_model
        self.hidden = skip_init(nn.Linear, d, 4 * d, bias=config.bias)
        self.output = skip_init(nn.Linear, 4 * d, d, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, d_model) to the same shape, position by position."""
        return self.output(F.gelu(self.hidden(x)))


class Block(nn.Module):
    """Attention and MLP, each behind a layer norm and beside a residual connection."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.d_model, bias=config.bias)
        self.attention = Attention(config)
        self.mlp_norm = nn.LayerNorm(config.d_model, bias=config.bias)
        self.mlp = MLP(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, d_model) to the same shape."""
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


class GPT(Network):
    """Decoder-only transformer with pre-norm blocks and learned positions (Appendix H).

    Weights start as N(0, 0.02²), those that write into the residual stream (W_O and W_2) as
    N(0, 0.02² / (2 n_layer)), biases as 0 and gains as 1. They are drawn on the CPU, in the order
    of ``named_parameters()``, so one seed gives the same model whatever device it then moves to,
    and the same matrices with and without qk-norm.

    Dropout draws from torch's global generator: whoever trains seeds it.

    Args:
        config: the shape.
        generator: a CPU generator for the initial weights; torch's global one by default.

    >>> config = GPTConfig(vocab_size=11, block_size=8, n_layer=1, n_head=2, d_model=4, dropout=0)
    >>> model = GPT(config, torch.Generator().manual_seed(0))
    >>> tokens = torch.zeros(3, 8, dtype=torch.int64)
    >>> model(tokens).shape
    torch.Size([3, 8, 11])
    >>> [name for name, _ in model.query_key_parameters()]
    ['blocks.0.attention.query', 'blocks.0.attention.key']
    """

    def __init__(self, config: GPTConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = skip_init(nn.Embedding, config.vocab_size, config.d_model)
        self.position_embedding = skip_init(nn.Embedding, config.block_size, config.d_model)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.norm = nn.LayerNorm(config.d_model, bias=config.bias)
        self.head = skip_init(nn.Linear, config.d_model, config.vocab_size, bias=False)
        if config.tied:
            self.head.weight = self.token_embedding.weight
        self._initialize(generator)

    @torch.no_grad()
    def _initialize(self, generator: torch.Generator | None) -> None:
        residual_std = INIT_STD / math.sqrt(2 * self.config.n_layer)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            elif parameter.dim() > 1:  # gains of layer norms are vectors, and 1 already
                std = residual_std if name.endswith("output.weight") else INIT_STD
                parameter.normal_(0.0, std, generator=generator)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (batch, time, vocab_size) of the token after each of ``tokens`` (batch, time)."""
        return self.head(self.features(tokens))

    def loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """As :meth:`Network.loss`; where there are many logits, never holding all of them."""
        if inputs.numel() * self.config.vocab_size <= LOGITS:
            return super().loss(inputs, targets)
        x = self.features(inputs).flatten(0, 1)
        return cross_entropy(x, self.head.weight, targets.flatten(), LOGITS)

    def features(self, tokens: Tensor) -> Tensor:
        """Return what the output matrix makes logits of, (batch, time, d_model)."""
        n_time = tokens.shape[1]
        if n_time > self.config.block_size:
            raise ValueError(
                f"a sequence of {n_time} tokens exceeds block_size = {self.config.block_size}: "
                "shorten it, or build the model with a larger block_size"
            )
        x = self.dropout(self.token_embedding(tokens) + self.position_embedding.weight[:n_time])
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def query_key_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """W_Q and W_K of every layer, each (n_head, d_head, d_model), by name.

        Row h of the first dimension is one head's matrix, the weight that qk-norm makes
        scale-invariant. There are 2 n_layer n_head, 72 at paper scale. The paper's "32 query/key
        matrices" fits neither these nor the 12 whole matrices; per head is where the invariance
        holds.
        """
        for name, parameter in self.named_parameters():
            if name.endswith(("attention.query", "attention.key")):
                yield name, parameter
