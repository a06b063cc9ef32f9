"""Figure 12: as Figure 4, along the normal curve through (0.95, 0.9)."""

from __future__ import annotations

from matplotlib.figure import Figure

from adamct.plotting.generalization import generalization
from adamct.plotting.style import TEXT_WIDTH
from adamct.records import Records

READS = ("generalization_normal_curve_095",)


def draw(records: Records) -> Figure:
    """Draw (a) the test loss against n, (b) the best of it against C, (c) the points."""
    figure = Figure(figsize=(TEXT_WIDTH, 5.4))
    generalization(figure, records.of(*READS))
    return figure
