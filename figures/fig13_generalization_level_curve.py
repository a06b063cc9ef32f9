"""Figure 13: as Figure 4, along the level curve of C(0.999, 0.9)."""

from __future__ import annotations

from matplotlib.figure import Figure

from adamct.plotting.generalization import generalization
from adamct.plotting.style import TEXT_WIDTH
from adamct.records import Records

READS = ("generalization_level_curve",)


def draw(records: Records) -> Figure:
    """Draw (a) the test loss against n, (b) the best of it against β, (c) the points.

    C is the same for all, so β tells the points apart: β → 0 leads to the origin.
    """
    figure = Figure(figsize=(TEXT_WIDTH, 5.4))
    generalization(figure, records.of(*READS), by="beta")
    return figure
