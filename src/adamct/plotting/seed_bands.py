"""Curves over seeds: their mean with its 95 % t interval, or the seeds themselves where few."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from adamct.analysis.statistics import FEWEST, mean_and_ends


def over_seeds(
    axes: Axes, x: np.ndarray, curves: np.ndarray, *, log: bool = False, **look: Any
) -> None:
    """Draw the mean over seeds and its 95 % t interval at every x; fewer than three seeds as lines.

    Args:
        axes: where.
        x: shape (points,).
        curves: shape (points, seeds).
        log: take mean and interval of the logarithm, for an axis that is logarithmic.
        look: of the line, with its label and colour.
    """
    if curves.shape[1] < FEWEST:
        lines = axes.plot(x, curves, **{**look, "linewidth": 0.7})
        for line in lines[1:]:
            line.set_label("_")  # one entry in the legend
        return
    ends = np.exp(mean_and_ends(np.log(curves))) if log else mean_and_ends(curves)
    mean, low, high = ends
    (line,) = axes.plot(x, mean, **look)
    axes.fill_between(x, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
