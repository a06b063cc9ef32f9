"""Prepare the data that runs share, once; and verify it.

    python scripts/prepare_data.py c4 --source DIR    # from c4/en/*.json.gz in DIR, or the hub
    python scripts/prepare_data.py cifar10            # from cifar10/*.parquet in DIR, or the hub
    python scripts/prepare_data.py verify

Stop it at any time: the same command goes on from there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from adamct.data.c4 import TRAIN_TOKENS, VALIDATION_TOKENS, prepare_c4
from adamct.data.locations import DataError, default_prepared, default_source
from adamct.data.tokens import Manifest, verify_tokens
from adamct.files import FileError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 on success."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "cifar10":
            return _cifar10(options)
        if options.command == "c4":
            manifest = prepare_c4(
                options.source,
                options.prepared,
                train_tokens=options.train_tokens,
                validation_tokens=options.validation_tokens,
            )
        else:
            manifest = verify_tokens(options.prepared / "c4")
    except (DataError, FileError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    _report(options.prepared / "c4", manifest)
    return 0


def _cifar10(options: argparse.Namespace) -> int:
    from adamct.data.image_cifar10 import prepare_cifar10  # loads torch: not for --help

    images = prepare_cifar10(options.source, options.prepared, origin=options.origin)
    print(f"CIFAR-10: {len(images.train.labels):,} train and {len(images.test.labels):,} test")
    print(f"  sha256 {images.sha256}")
    return 0


def _report(folder: Path, manifest: Manifest) -> None:
    print(f"{folder}: prepared and verified")
    for split, record in manifest.splits.items():
        asked = manifest.request.tokens[split]
        short = f" (all there are; {asked:,} asked)" if record.tokens < asked else ""
        print(
            f"  {split}: {record.tokens:,} tokens{short}, {record.documents:,} documents, "
            f"sha256 {record.sha256}"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--prepared",
        type=Path,
        default=default_prepared(),
        metavar="DIR",
        help="folder of prepared data (default: $ADAMCT_CACHE, or data/ in the project)",
    )
    raw = argparse.ArgumentParser(add_help=False)
    raw.add_argument(
        "--source",
        type=Path,
        default=default_source(),
        metavar="DIR",
        help="folder of raw data, never written (default: $ADAMCT_DATA, or none)",
    )
    c4 = commands.add_parser(
        "c4",
        parents=[common, raw],
        help="tokenize C4 with GPT-2's encoding",
        description="Tokenize C4 into PREPARED/c4. Raw files are read from SOURCE/c4/en where "
        "that exists, else from the Hugging Face hub.",
    )
    for split, count in (("train", TRAIN_TOKENS), ("validation", VALIDATION_TOKENS)):
        c4.add_argument(
            f"--{split}-tokens",
            type=_token_count,
            default=count,
            metavar="N",
            help=f"tokens to take for the {split} split, up to whole documents; all there are "
            f"where there are fewer (default: {count:,})",
        )
    cifar10 = commands.add_parser(
        "cifar10",
        parents=[common, raw],
        help="decode CIFAR-10's pictures",
        description="Decode CIFAR-10 into PREPARED, from SOURCE/cifar10 where that exists, else "
        "downloaded.",
    )
    cifar10.add_argument(
        "--origin",
        choices=("hub", "torchvision"),
        default="hub",
        help="where to download from (default: hub; torchvision's host can take an hour)",
    )
    commands.add_parser(
        "verify",
        parents=[common],
        help="compare every byte of the prepared data with its hash",
        description="Compare every byte of PREPARED/c4 with the hashes in its manifest.",
    )
    return parser


def _token_count(text: str) -> int:
    value = int(text.replace(",", ""))
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number of tokens")
    return value


if __name__ == "__main__":
    sys.exit(main())
