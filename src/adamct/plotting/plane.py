"""The (β, γ) plane: both boundaries, the strip between them, and pairs in common use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from adamct.plotting.style import EXACT, PAPER, plain_numbers
from adamct.theory import level_curve
from adamct.theory.domain import Values

# (β, γ), that is torch's (betas[1], betas[0]), and who uses it. The last is Adam's pair handed to
# torch in the paper's order.
PAIRS = (
    (0.999, 0.9, "Adam, AdamW"),
    (0.99, 0.9, "nanoGPT, characters"),
    (0.98, 0.9, "Transformer, fairseq"),
    (0.95, 0.9, "GPT-3, LLaMA"),
    (0.999, 0.5, "DCGAN"),
    (0.9, 0.999, "Adam's pair, swapped"),
)

STABLE: dict[str, Any] = {"facecolor": "#e4eff7", "edgecolor": "none"}
STRIP: dict[str, Any] = {"facecolor": "#f2c14e", "edgecolor": "none", "alpha": 0.55}


def boundaries(axes: Axes, beta: ArrayLike, *, distances: bool = False) -> None:
    """Draw C = 0 (dotted) and γ² = β (dashed) over the given β.

    Args:
        axes: where.
        beta: shape (points,).
        distances: the axes show 1 − β and 1 − γ.
    """
    x, paper, exact = _both(np.asarray(beta), distances)
    axes.plot(x, paper, label="$C=0$", **PAPER)
    axes.plot(x, exact, label=r"$\gamma^2=\beta$", **EXACT)


def strip(axes: Axes, beta: ArrayLike, *, distances: bool = False) -> None:
    """Shade the strip C < 0, γ² < β, where the paper sees growth and the exact theory none."""
    x, paper, exact = _both(np.asarray(beta), distances)
    label = r"strip: $C<0$ but $\gamma^2<\beta$"
    axes.fill_between(x, paper, exact, zorder=1, label=label, **STRIP)


def _both(beta: np.ndarray, distances: bool) -> tuple[np.ndarray, ...]:
    """Return β, and γ on C = 0 and on γ² = β; or their distances from 1."""
    places = beta, np.asarray(level_curve(0.0).gamma(beta)), np.sqrt(beta)
    return tuple(1 - place for place in places) if distances else places


def near_one(axes: Axes, closest: float = 1e-4) -> None:
    """Give the plane logarithmic axes in 1 − β and 1 − γ, with (1, 1) at the upper right."""
    axes.set(xscale="log", yscale="log", xlim=(1, closest), ylim=(1, closest))
    axes.xaxis.set_major_formatter(plain_numbers())
    axes.yaxis.set_major_formatter(plain_numbers())
    axes.set(xlabel=r"$1-\beta$", ylabel=r"$1-\gamma$")


def common_pairs(axes: Axes) -> list[Line2D]:
    """Number the pairs in common use, on axes of 1 − β and 1 − γ; return a legend's handles.

    The first of these says in which order a pair is named.
    """
    heading = r"$(\beta,\gamma)$; torch's betas are $(\gamma,\beta)$"
    handles = [Line2D([], [], linestyle="", label=heading)]
    for number, (beta, gamma, user) in enumerate(PAIRS, start=1):
        at = (1 - beta, 1 - gamma)
        circle: dict[str, Any] = {"markersize": 7.5, "color": "white", "markeredgecolor": "black"}
        axes.plot(*at, "o", markeredgewidth=0.5, zorder=5, **circle)
        digit: dict[str, Any] = {"marker": f"${number}$", "color": "black", "markeredgewidth": 0.1}
        axes.plot(*at, markersize=4, zorder=6, **digit)
        label = f"({beta}, {gamma})  {user}"
        handles.append(Line2D([], [], linestyle="", markersize=5, label=label, **digit))
    return handles


def heat_map(axes: Axes, runs: pd.DataFrame, column: str, colours: ScalarMappable) -> None:
    """Fill one rectangle a run with a column of the runs, on axes of 1 − β and 1 − γ."""
    table = runs.pivot_table(index="gamma", columns="beta", values=column, dropna=False)
    x, y = (_edges(1 - labels.to_numpy(float)) for labels in (table.columns, table.index))
    _fill(axes, x, y, table.to_numpy(float), colours)
    axes.plot(1 - runs.beta, 1 - runs.gamma, ".", color="0.45", markersize=1.2, markeredgewidth=0)


def everywhere(axes: Axes, rate: Callable[..., Values], colours: ScalarMappable) -> None:
    """Fill the plane with a rate (β, γ) → per step, on axes of 1 − β and 1 − γ."""
    far = np.geomspace(1e-4, 0.999, 300)
    _fill(axes, far, far, np.asarray(rate(1 - far, 1 - far[:, None])), colours)


def _fill(
    axes: Axes, x: np.ndarray, y: np.ndarray, values: np.ndarray, colours: ScalarMappable
) -> None:
    # On a logarithmic scale zero and less would count as unknown; both are no growth.
    shown = np.ma.maximum(np.ma.masked_invalid(values), 1e-9)
    look: dict[str, Any] = {"cmap": colours.cmap, "norm": colours.norm, "rasterized": True}
    axes.pcolormesh(x, y, shown, **look)


def _edges(centres: np.ndarray) -> np.ndarray:
    # The borders between rectangles, half way on a logarithmic axis.
    log = np.log(centres)
    inner = (log[1:] + log[:-1]) / 2
    outer = 2 * log[0] - inner[0], 2 * log[-1] - inner[-1]
    return np.exp(np.concatenate([outer[:1], inner, outer[1:]]))
