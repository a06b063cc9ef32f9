"""One look for every figure, on paper and on screen."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.figure import Figure

# Matplotlib's own fonts carry dates that its PDF writer complains about.
logging.getLogger("fontTools").setLevel(logging.ERROR)

TEXT_WIDTH = 7.0  # inches; a page of two columns

RC: Any = {
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "savefig.dpi": 220,
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.prop_cycle": cycler(color=mpl.color_sequences["petroff8"]),
    "lines.linewidth": 0.9,
    "lines.markersize": 3.2,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "mathtext.fontset": "cm",
    "pdf.fonttype": 42,  # TrueType: text in a PDF stays text
    "svg.fonttype": "none",
}

# The theories have one colour and one dash each, in every figure.
PAPER: dict[str, Any] = {"color": "#555555", "linestyle": ":"}
EXACT: dict[str, Any] = {"color": "#1b1b1b", "linestyle": "--"}


@contextmanager
def style() -> Iterator[None]:
    """Apply the look inside the block only."""
    with mpl.rc_context(RC):
        yield


def stability_colormap() -> Colormap:
    """Blue where C > 0, through grey at C = 0, to red where C < 0; dark enough to read as lines."""
    stops = [
        (0.0, "#7f0d1d"),
        (0.25, "#d1495b"),
        (0.47, "#e8a598"),
        (0.5, "#b9b9b9"),
        (0.53, "#9cc3dd"),
        (0.75, "#2f7fb8"),
        (1.0, "#0b2f5b"),
    ]
    return LinearSegmentedColormap.from_list("stability", stops)


def stability_colours(C: np.ndarray) -> ScalarMappable:
    """Map C to colours, with C = 0 at the middle whatever the range."""
    lowest, highest = min(float(C.min()), -1e-9), max(float(C.max()), 1e-9)
    return ScalarMappable(TwoSlopeNorm(0.0, lowest, highest), stability_colormap())


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem``.png and ``stem``.pdf, the PDF byte-identical from run to run."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [stem.with_suffix(".png"), stem.with_suffix(".pdf")]
    figure.savefig(paths[0])
    figure.savefig(paths[1], metadata={"CreationDate": None})
    return paths
