"""Figure 2: level curves of C, the curves normal to them, and the boundaries of both theories."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure

from adamct.plotting import plane
from adamct.plotting.style import STABILITY, TEXT_WIDTH, plain_numbers
from adamct.records import Records
from adamct.theory import Curve, level_curve, normal_curve

READS = ()  # theory alone
CAPTION = """
Theory alone. Level curves of C(β, γ), coloured by C, and the curves that cross them at right
angles (dashed red, bold where experiments run along them). B₊, where Eq. (5) stays bounded, is
shaded blue; the paper shades it red. The dotted line C = 0 is the paper's boundary, the dashed
line γ² = β the exact one, and the yellow strip between them is where the two disagree. (b) shows
the corner near (1, 1) on logarithmic axes, where the two boundaries all but coincide, with the
defaults of common libraries.
"""
ALT = (
    "Two maps of the (β, γ) square, whole and near its corner (1, 1): level curves of C from "
    "red to blue, red dashed normal curves, and a narrow strip between the boundaries of the "
    "two theories."
)

LEVELS = (-5, -2, -1, -0.5, -0.2, 0.2, 0.5, 1, 2, 5, 10)
LEVELS_NEAR_ONE = (-0.1, -0.01, -0.001, 0.001, 0.01, 0.1, 1)
# A point on each normal curve → line width: the two of the experiments, and some more.
NORMAL_CURVES = {(0.999, 0.9): 1.4, (0.95, 0.9): 1.4}
NORMAL_CURVES |= {(0.3, 0.3): 0.6, (0.5, 0.5): 0.6, (0.7, 0.7): 0.6}
NORMAL: dict[str, Any] = {"color": "#d1342b", "linestyle": (0, (4, 2))}
COLOURS = ScalarMappable(SymLogNorm(1e-3, linscale=0.3, vmin=-10, vmax=10), STABILITY)


def draw(records: Records) -> Figure:
    """Draw (a) the unit square, and (b) its corner (1, 1), where practice lives."""
    figure = Figure(figsize=(TEXT_WIDTH, 4.4))
    square, corner = figure.subplots(1, 2)
    beta = np.linspace(1e-3, 1 - 1e-4, 1500)
    curves(square, beta, LEVELS, distances=False)
    square.set(xlim=(0, 1), ylim=(0, 1), xlabel=r"$\beta$", ylabel=r"$\gamma$", aspect="equal")
    square.set_title("(a) the unit square", pad=14)
    name_levels(square)
    curves(corner, 1 - np.geomspace(1e-4, 0.999, 1500), LEVELS_NEAR_ONE, distances=True)
    plane.near_one(corner)
    corner.set_aspect("equal")
    corner.set_title("(b) near (1, 1)", pad=14)
    ticks = [-10, -1, -0.1, -0.01, 0, 0.01, 0.1, 1, 10]
    bar = figure.colorbar(COLOURS, ax=(square, corner), ticks=ticks, pad=0.01, aspect=30)
    bar.ax.set_yticklabels([*map(plain_numbers(), ticks)])
    bar.ax.minorticks_off()
    bar.set_label(r"$C(\beta,\gamma)$")
    handles, _ = square.get_legend_handles_labels()
    handles += plane.common_pairs(corner)
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def curves(axes: Axes, beta: np.ndarray, levels: tuple[float, ...], *, distances: bool) -> None:
    """Draw B₊, the strip, both boundaries, level curves and normal curves."""

    def line(curve: Curve, **look: Any) -> None:
        # Steep ends need points that are dense in γ, flat ones in β.
        x = np.sort(np.concatenate([beta, np.asarray(curve.beta(beta))]))
        y = np.asarray(curve.gamma(x))
        inside = (x > 0) & (x < 1) & (y > 0) & (y < 1)
        x, y = x[inside], y[inside]
        axes.plot(*((1 - x, 1 - y) if distances else (x, y)), **look)

    zero = np.asarray(level_curve(0.0).gamma(beta))
    region = (1 - beta, 1.0, 1 - zero) if distances else (beta, 0.0, zero)
    axes.fill_between(*region, zorder=0, label="$B_+$: $C>0$", **plane.STABLE)
    plane.strip(axes, beta, distances=distances)
    axes.plot([], [], color=COLOURS.to_rgba(np.array(1)), label="level curves, by $C$")
    for c in levels:
        line(level_curve(c), color=COLOURS.to_rgba(np.array(c)), linewidth=1.1)
    for pair, width in NORMAL_CURVES.items():
        line(normal_curve(*pair), linewidth=width, **NORMAL)
    axes.plot([], [], linewidth=0.6, label="normal curves", **NORMAL)
    axes.plot([], [], linewidth=1.4, label="those of the experiments", **NORMAL)
    plane.boundaries(axes, beta, distances=distances)


def name_levels(axes: Axes) -> None:
    """Write each level's value where its curve leaves the square."""
    for c in LEVELS:
        if c > 0:  # at β = 1
            place: dict[str, Any] = {"xy": (1, 2 / (2 + c)), "xytext": (3, 0), "va": "center"}
        else:  # at γ = 1
            place = {"xy": (1 / (1 - c), 1), "xytext": (0, 3), "ha": "center"}
        look: dict[str, Any] = {"fontsize": 6.5, "color": COLOURS.to_rgba(np.array(c))}
        axes.annotate(plain_numbers()(c), textcoords="offset points", **place, **look)
