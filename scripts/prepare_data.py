"""Prepare the data that runs share, once; or verify what is prepared.

    python scripts/prepare_data.py c4           # from c4/en/*.json.gz of the source, or the hub
    python scripts/prepare_data.py cifar10      # from cifar10/ of the source, or the hub
    python scripts/prepare_data.py cifar10 --archive  # as its authors publish it
    python scripts/prepare_data.py my_corpus    # any folder of the source, in either layout
    python scripts/prepare_data.py c4 --verify  # compare every byte with its hash

Stop it at any time: the same command goes on from there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from adamct.data import DataError, default_prepared, default_source
from adamct.data.catalogue import IMAGE_SETS
from adamct.data.corpora import plain_text
from adamct.data.preparation import prepare_corpus
from adamct.data.tokens import TRAIN_TOKENS, VALIDATION_TOKENS, Request, open_tokens
from adamct.runs.exits import exit_code


def main(arguments: list[str] | None = None) -> int:
    """Prepare or verify one data set; 0 on success."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.archive and (options.name != "cifar10" or options.verify):
        parser.error("--archive downloads cifar10 alone: leave it out, and prepare before --verify")
    return exit_code(lambda: _images(options) if _is_images(options) else _text(options))


def _is_images(options: argparse.Namespace) -> bool:
    raw = (folder / options.name for folder in (options.source, options.prepared) if folder)
    return (
        options.name in IMAGE_SETS
        or any(any(folder.rglob("*.parquet")) for folder in raw)
        or any(options.prepared.glob(f"{options.name}.images.pt"))
        or any(options.prepared.glob(f"{options.name}-????????.images.pt"))
    )


def _images(options: argparse.Namespace) -> int:
    from adamct.data.image_files import Columns, download_archive  # loads torch: not for --help
    from adamct.data.images import kept_path, open_images

    columns = Columns(options.image_column, options.label_column, options.n_classes)
    kept = kept_path(options.name, options.prepared, columns)
    if options.verify and options.name != "digits" and not kept.is_file():
        raise DataError(f"{kept} is not there to be verified: prepare it without --verify")
    if options.archive:
        download_archive(options.prepared)
    images = open_images(
        options.name,
        source=None if options.verify else options.source,
        prepared=options.prepared,
        columns=columns,
        may_download=not options.verify,
    )
    print(f"{options.name}: {len(images.train):,} train and {len(images.test):,} test images")
    print(f"  sha256 {images.sha256}")
    return 0


def _text(options: argparse.Namespace) -> int:
    folder = options.prepared / options.name
    if plain_text(options.name, options.source):
        print(f"{options.name} is a plain text: it is read as it is, and needs no preparation")
        return 0
    if options.verify:
        manifest, _ = open_tokens(folder, verify=True)
    else:
        manifest = prepare_corpus(
            options.name,
            options.source,
            options.prepared,
            Request(
                tokens={"train": options.train_tokens, "validation": options.validation_tokens},
                text_column=options.text_column,
            ),
        )
    print(f"{folder}: prepared and verified")
    for split, record in manifest.splits.items():
        asked = manifest.request.tokens[split]
        short = f" (all there are; {asked:,} asked)" if record.tokens < asked else ""
        print(
            f"  {split}: {record.tokens:,} tokens{short}, {record.documents:,} documents, "
            f"sha256 {record.sha256}"
        )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("name", help="the data set: c4, cifar10, or the name of its folder in the source")
    add("--verify", action="store_true", help="compare what is prepared with its hashes, only")
    for option, default, meaning in (
        ("--source", default_source(), "raw data, never written (default: $ADAMCT_DATA, or none)"),
        ("--prepared", default_prepared(), "prepared data (default: $ADAMCT_CACHE, or data/)"),
    ):
        add(option, type=Path, default=default, metavar="DIR", help=f"folder of {meaning}")
    text = parser.add_argument_group("a text corpus")
    for split, count in (("train", TRAIN_TOKENS), ("validation", VALIDATION_TOKENS)):
        text.add_argument(
            f"--{split}-tokens",
            type=_count,
            default=count,
            metavar="N",
            help=f"tokens to take for the {split} split, up to whole documents; all there are "
            f"where there are fewer (default: {count:,})",
        )
    text.add_argument("--text-column", default="text", metavar="KEY", help="default: text")
    images = parser.add_argument_group("a set of images")
    images.add_argument("--image-column", default="img", metavar="NAME", help="default: img")
    images.add_argument("--label-column", default="label", metavar="NAME", help="default: label")
    images.add_argument("--n-classes", type=_count, metavar="N", help="default: as labels show")
    images.add_argument(
        "--archive",
        action="store_true",
        help="download CIFAR-10 as its authors publish it, by torchvision, not from the hub; raw "
        "data of the source come first",
    )
    return parser


def _count(text: str) -> int:
    value = int(text.replace(",", ""))
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


if __name__ == "__main__":
    sys.exit(main())
