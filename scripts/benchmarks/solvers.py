"""The schemes that solve Equation (4): error against gradients, in float64."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from adamct.continuous import SCHEMES, solve
from adamct.data import open_corpus
from adamct.data.batches import text_batch
from adamct.models import GPT, GPTConfig


def run(args: argparse.Namespace) -> None:
    """Compare the schemes that solve Equation (4): error against gradients, in float64."""
    torch.set_num_threads(1)
    corpus = open_corpus("pydoc_topics", source=None, prepared=Path("data"))
    config = GPTConfig(corpus.vocab_size, args.block_size, 2, 2, args.width, dropout=0.0)
    model = GPT(config, torch.Generator().manual_seed(0)).double()
    params = {name: p.detach().clone() for name, p in model.named_parameters()}
    size = {"batch_size": 4, "block_size": args.block_size}
    batches = [text_batch(corpus.train, seed=0, step=n, **size) for n in range(args.steps)]

    def loss(params: dict[str, torch.Tensor], batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        logits = torch.func.functional_call(model, params, batch[:1])
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[1].flatten())

    def path(scheme: str, K: int, psi0: str) -> torch.Tensor:
        trajectory = solve(
            loss,
            params,
            batches,
            lr=1e-3,
            beta=0.999,
            gamma=0.9,
            scheme=scheme,
            n_substeps=K,
            psi0=psi0,
        )
        return trajectory.stack()

    def error(found: torch.Tensor, reference: torch.Tensor) -> float:
        moved = (reference - reference[0])[1:].norm(dim=1)
        return float(((found - reference)[1:].norm(dim=1) / moved).mean())

    cases = [("euler", K) for K in (25, 50, 100, 200)]
    cases += [("exponential", K) for K in (1, 2, 4, 8)]
    errors = {}
    for psi0 in ("rest", "sign"):
        paths = {case: path(*case, psi0) for case in cases}
        reference = 2 * paths["euler", 200] - paths["euler", 100]  # Richardson: Euler's order is 1
        errors[psi0] = {case: error(found, reference) for case, found in paths.items()}
    n_parameters = sum(p.numel() for p in params.values())
    print(f"GPT of {n_parameters:,} parameters, lr 1e-3, (0.999, 0.9). Error of the displacement,")
    print(f"mean over {args.steps} steps, against 2 Euler(K = 200) - Euler(K = 100):")
    print(f"  {'scheme':<13}{'K':>4}{'gradients a step':>18}{'psi0 rest':>12}{'psi0 sign':>12}")
    for scheme, K in cases:
        rest, sign = (errors[psi0][scheme, K] for psi0 in errors)
        cost = K * SCHEMES[scheme].gradients
        print(f"  {scheme:<13}{K:>4}{cost:>18}{rest:>12.1e}{sign:>12.1e}")
