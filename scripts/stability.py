"""Say whether Adam is stable at a pair of betas, by both theories, and how far it is from not.

Examples:
    python scripts/stability.py 0.9 0.999                  # betas as torch's Adam takes them
    python scripts/stability.py --paper-order 0.999 0.9    # the same, as the paper's (β, γ)
    python scripts/stability.py 0.99 0.9 --steps 1000      # and the bound at step n = 1000
    python scripts/stability.py 0.69 0.5 --picture pair.png
    python scripts/stability.py 0.9 0.999 --json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from adamct.files import ExpectedError, writing
from adamct.runs.exits import exit_code
from adamct.theory import discrete_max_update_bound
from adamct.theory.diagnosis import PairDiagnosis, align, diagnose

PICTURES = (".png", ".pdf", ".svg")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, print, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "pair",
        nargs=2,
        type=float,
        metavar="BETA",
        help="beta1 and beta2 in torch's order, each in [0, 1)",
    )
    parser.add_argument(
        "--paper-order",
        action="store_true",
        help="read the pair as the paper's (β, γ), which is torch's (beta2, beta1)",
    )
    parser.add_argument("--steps", type=int, metavar="N", help="give the bound D_n at n = N, too")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw where the pair lies")
    parser.add_argument("--json", action="store_true", help="print JSON; null is infinite")
    arguments = parser.parse_args(argv)

    gamma, beta = reversed(arguments.pair) if arguments.paper_order else arguments.pair
    try:
        diagnosis = diagnose(beta, gamma)
    except ValueError as error:
        parser.error(str(error))
    n, picture = arguments.steps, arguments.picture
    if n is not None and n < 0:
        parser.error(f"--steps {n} is no step index; expected a whole number n >= 0")
    if picture is not None and picture.suffix.lower() not in PICTURES:
        parser.error(f"--picture {picture}: expected a name ending in {', '.join(PICTURES)}")

    print(as_json(diagnosis, n) if arguments.json else as_text(diagnosis, n))
    if picture is None:
        return 0
    return exit_code(lambda: draw(diagnosis, picture))


def as_text(diagnosis: PairDiagnosis, n: int | None) -> str:
    """Return what a person reads."""
    rows = diagnosis.rows() + ([] if n is None else [diagnosis.bound_row(n)])
    lines = [f"{diagnosis.both_orders}", f"{diagnosis.verdict}.", "", align(rows, indent="  ")]
    if diagnosis.remedy:
        lines += ["", f"To be stable, {diagnosis.remedy}."]
        if diagnose(beta=diagnosis.gamma, gamma=diagnosis.beta).stable:
            swapped = f"betas=({diagnosis.beta!r}, {diagnosis.gamma!r})"
            lines += [f"In the other order, {swapped}, the same two are stable."]
    return "\n".join(lines)


def as_json(diagnosis: PairDiagnosis, n: int | None) -> str:
    """Return what a program reads."""
    values = diagnosis.as_dict()
    if n is not None:
        ln_D = discrete_max_update_bound(n, diagnosis.beta, diagnosis.gamma, log=True)
        values |= {"n": n, "log_D_n": ln_D if np.isfinite(ln_D) else None}
    return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)


def draw(diagnosis: PairDiagnosis, path: Path) -> int:
    """Draw the pair in the (β, γ) square, on axes that are logarithmic in 1 − β and 1 − γ.

    Raises:
        ExpectedError: without matplotlib.
        FileError: if the picture cannot be written.
    """
    try:
        from adamct.plotting.no_backend import matplotlib as mpl  # before what imports matplotlib
    except ImportError as error:
        raise ExpectedError("--picture needs matplotlib: install it, or leave it out") from error
    from adamct.plotting.plane import boundaries, near_one, strip
    from adamct.plotting.style import style

    at = 1 - diagnosis.beta, 1 - diagnosis.gamma
    closest = min(1e-4, *(x / 10 for x in at))
    β = 1 - np.geomspace(closest, 1, 400)
    with style(), mpl.rc_context({"svg.hashsalt": "adamct"}):
        figure = mpl.figure.Figure(figsize=(4.4, 3.9))
        axes = figure.add_subplot()
        strip(axes, β, distances=True)
        boundaries(axes, β, distances=True)
        axes.plot(*at, "o", color="black", markersize=5, clip_on=False, zorder=4)
        near_one(axes, closest)
        axes.set(
            xlabel=r"$1-\beta$, torch's $1-\mathtt{betas[1]}$",
            ylabel=r"$1-\gamma$, torch's $1-\mathtt{betas[0]}$",
            title=f"betas=({diagnosis.gamma!r}, {diagnosis.beta!r}): "
            + ("stable" if diagnosis.stable else "unstable"),
        )
        for x, y, side in ((0.04, 0.93, "unstable"), (0.5, 0.3, "stable")):
            axes.text(x, y, side, transform=axes.transAxes, color="0.4")
        figure.legend(loc="outside lower center", ncols=3)
        # Without dates, so that the same pair gives the same bytes.
        date = {".pdf": "CreationDate", ".svg": "Date"}.get(path.suffix.lower())
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, metadata={date: None} if date else None)
    print(f"drawn in {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
