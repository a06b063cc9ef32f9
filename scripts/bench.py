"""Measure what the project says about its own speed.

Examples:
    python scripts/bench.py images                 # batches of images against a DataLoader
    python scripts/bench.py images --threads 2
    python scripts/bench.py continuous             # the solvers of Equation (4), by gradients
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence


def bench_images(args: argparse.Namespace) -> None:
    """Compare ``image_batch`` with a DataLoader over torchvision's per-picture transforms."""
    import torch
    import torchvision.transforms as T
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    from adamct.data.batches import image_batch, steps_per_epoch
    from adamct.data.image_set import ImageSet, Split

    torch.set_num_threads(args.threads)
    generator = torch.Generator().manual_seed(0)

    def random_split(n: int) -> Split:
        shape = (n, 3, 32, 32)
        pixels = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
        return Split(pixels, torch.randint(10, (n,), generator=generator))

    images = ImageSet.from_splits("random", random_split(args.images), random_split(1), 10)
    n_steps = steps_per_epoch(args.images, args.batch_size)
    n_seen = n_steps * args.batch_size

    class Pictures(Dataset):
        transform = T.Compose(
            [
                T.RandomCrop(32, padding=4),
                T.RandomHorizontalFlip(),
                T.ToTensor(),
                T.Normalize(images.mean.tolist(), images.std.tolist()),
            ]
        )
        pixels = images.train.images.permute(0, 2, 3, 1).contiguous().numpy()
        labels = images.train.labels.tolist()

        def __len__(self) -> int:
            return len(self.labels)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]

    loader = DataLoader(
        Pictures(),
        batch_size=args.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=args.workers,
        persistent_workers=args.workers > 0,
    )

    def load_epoch() -> int:
        return sum(len(y) for _, y in loader)

    def batch_epochs() -> int:
        # Ten epochs, since one is over before a clock has seen it.
        for step in range(10 * n_steps):
            image_batch(
                images,
                batch_size=args.batch_size,
                seed=0,
                step=step,
                padding=4,
                flip=True,
            )
        return 10 * n_seen

    load_epoch(), batch_epochs()  # starts the workers, which persist, and warms both
    rounds = [(_per_second(load_epoch), _per_second(batch_epochs)) for _ in range(args.rounds)]
    loaded, batched = (statistics.median(rates) for rates in zip(*rounds, strict=True))
    print(f"{args.images} images of 3 x 32 x 32 in batches of {args.batch_size}, images/s,")
    print(f"median of {args.rounds} rounds in turn, {args.threads} torch threads:")
    print(f"  DataLoader, {args.workers} workers  {loaded:10,.0f}")
    print(f"  image_batch            {batched:10,.0f}")
    print(f"  ratio                  {batched / loaded:10.1f}")


def bench_continuous(args: argparse.Namespace) -> None:
    """Compare the schemes that solve Equation (4): error against gradients, in float64."""
    from pathlib import Path

    import torch

    from adamct.continuous import SCHEMES, solve
    from adamct.data import open_corpus
    from adamct.data.batches import text_batch
    from adamct.models import GPT, GPTConfig

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


def _per_second(work: Callable[[], int]) -> float:
    start = time.perf_counter()
    amount = work()
    return amount / (time.perf_counter() - start)


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and run one benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="BENCHMARK")

    images = commands.add_parser(
        "images",
        help=bench_images.__doc__,
        description=bench_images.__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    images.add_argument("--images", type=int, default=10_000, help="random ones, in an epoch")
    images.add_argument("--batch-size", type=int, default=512, help="images a batch")
    images.add_argument("--workers", type=int, default=2, help="processes of the DataLoader")
    images.add_argument("--threads", type=int, default=1, help="torch threads of this process")
    images.add_argument("--rounds", type=int, default=3, help="measurements of each, in turn")
    images.set_defaults(run=bench_images)

    continuous = commands.add_parser(
        "continuous",
        help=bench_continuous.__doc__,
        description=bench_continuous.__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    continuous.add_argument("--steps", type=int, default=10, help="steps of the optimizer")
    continuous.add_argument("--width", type=int, default=16, help="of the GPT")
    continuous.add_argument("--block-size", type=int, default=16, help="its context")
    continuous.set_defaults(run=bench_continuous)

    args = parser.parse_args(argv)
    args.run(args)


if __name__ == "__main__":
    main()
