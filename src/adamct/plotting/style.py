"""One look for every figure, on paper and on screen."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

# Matplotlib's own fonts carry dates that its PDF writer complains about.
logging.getLogger("fontTools").setLevel(logging.ERROR)

TEXT_WIDTH = 7.0  # inches; a page of two columns

# Petroff's cycle of eight, told apart by most eyes (arXiv:2107.02270). Matplotlib has it as
# "petroff8" from 3.10 on only.
CYCLE = (
    *("#1845fb", "#ff5e02", "#c91f16", "#c849a9"),
    *("#adad7d", "#86c8dd", "#578dff", "#656364"),
)

RC: Any = {
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "savefig.dpi": 220,
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.prop_cycle": cycler(color=CYCLE),
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

# What tells the runs of a figure apart, in a table's column and in words.
Coordinate = Literal["C", "beta"]
LABELS: dict[Coordinate, str] = {"C": r"$C(\beta,\gamma)$", "beta": r"$\beta$"}

# The theories have one colour and one dash each, in every figure.
PAPER: dict[str, Any] = {"color": "#555555", "linestyle": ":"}
EXACT: dict[str, Any] = {"color": "#1b1b1b", "linestyle": "--"}


@contextmanager
def style() -> Iterator[None]:
    """Apply the look inside the block only."""
    with mpl.rc_context(RC):
        yield


# Blue where C > 0, through grey at C = 0, to red where C < 0; dark enough to read as lines.
REDS = ((0.0, "#7f0d1d"), (0.25, "#d1495b"), (0.47, "#e8a598"))
BLUES = ((0.53, "#9cc3dd"), (0.75, "#2f7fb8"), (1.0, "#0b2f5b"))
STABILITY = LinearSegmentedColormap.from_list("stability", [*REDS, (0.5, "#b9b9b9"), *BLUES])


def colours_by(column: Coordinate, runs: pd.DataFrame) -> ScalarMappable:
    """Map a coordinate of the runs to colours.

    C has 0 at the middle whatever the range; β, where C is the same for all, goes from dark to
    light towards 1.
    """
    lowest, highest = float(runs[column].min()), float(runs[column].max())
    if column == "C":
        return ScalarMappable(TwoSlopeNorm(0.0, min(lowest, -1e-9), max(highest, 1e-9)), STABILITY)
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.72, 256))
    norm = Normalize(lowest, max(highest, lowest + 1e-9))
    return ScalarMappable(norm, LinearSegmentedColormap.from_list("beta", colours))


def colourbar(
    figure: Figure | SubFigure, axes: Axes | Sequence[Axes], by: Coordinate, runs: pd.DataFrame
) -> None:
    """Add the bar of ``colours_by``, with its numbers evenly spaced on both sides of C = 0."""
    bar = figure.colorbar(colours_by(by, runs), ax=axes, label=LABELS[by], pad=0.01, aspect=30)
    bar.ax.set_yscale("linear")


def growth_colours(
    lowest: float, highest: float, *, log: bool = False, unknown: str = "#9a9a9a"
) -> ScalarMappable:
    """Map growth to the reds of the unstable region, and no growth to near white."""
    reds = ["#faf7f5", "#f3d3cb", "#e8a598", "#d1495b", "#7f0d1d"]
    colormap = LinearSegmentedColormap.from_list("growth", reds)
    norm = LogNorm(lowest, highest) if log else Normalize(lowest, highest)
    return ScalarMappable(norm, colormap.with_extremes(bad=unknown, under=reds[0]))


def plain_numbers() -> FuncFormatter:
    """Label a logarithmic axis with plain numbers: 0.001, 0.1, 10."""
    return FuncFormatter(lambda value, _: f"{value:g}".replace("-", "\N{MINUS SIGN}"))


def plain_log(*axes: Axis) -> None:
    """Label logarithmic axes with plain numbers; with 2 and 5 too, where decades are few."""
    for axis in axes:
        low, high = sorted(axis.get_view_interval())
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 50 else (1,)))
        axis.set_major_formatter(plain_numbers())
        axis.set_minor_formatter(NullFormatter())


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem``.png and ``stem``.pdf, the PDF byte-identical from run to run."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [stem.with_suffix(".png"), stem.with_suffix(".pdf")]
    figure.savefig(paths[0])
    # Laid out once: the two look the same, and it is slow. With no engine at all, which a figure
    # gets where the style asks for none, savefig does not draw twice.
    with mpl.rc_context({"figure.constrained_layout.use": False}):
        figure.set_layout_engine(None)
    figure.savefig(paths[1], metadata={"CreationDate": None})
    return paths
