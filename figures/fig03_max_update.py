"""Figure 3: the max-update against both bounds, and its growth rate against both theories."""

from __future__ import annotations

from matplotlib.figure import Figure

from adamct.plotting import panels
from adamct.plotting.style import TEXT_WIDTH
from adamct.records import Records

READS = ("max_update_normal_curve",)


def draw(records: Records) -> Figure:
    """Draw (a) ‖u_n‖∞ against n, (b) its slope at n = 1000 against C, (c) the points."""
    own = records.of(READS[0])
    figure = Figure(figsize=(TEXT_WIDTH, 5.4))
    grid = figure.add_gridspec(2, 2, height_ratios=(1.25, 1), width_ratios=(1.5, 1))
    curves = figure.add_subplot(grid[0, :])
    panels.max_update_curves(curves, own, bounds_every=4)
    curves.set_title("(a) max-update and its bounds", loc="left")
    slopes = figure.add_subplot(grid[1, 0])
    panels.slopes_against_C(slopes, own, at=panels.slope_step(own))
    slopes.set_title("(b) growth rate", loc="left")
    chosen = figure.add_subplot(grid[1, 1])
    panels.points(chosen, own)
    chosen.set_title("(c) the points", loc="left")
    return figure
