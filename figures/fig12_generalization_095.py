"""Figure 12: as Figure 4, along the normal curve through (0.95, 0.9)."""

from __future__ import annotations

from matplotlib.figure import Figure

from adamct.plotting.loss_panels import generalization
from adamct.records import Records

READS = ("generalization_normal_curve_095",)
CAPTION = """
Figure 4 again, along the normal curve through (0.95, 0.9), up to β = 0.999, with the same warm-up
and cosine decay from η = 10⁻³. Lines and markers are means over seeds, bands and bars their 95 %
intervals (t); with fewer than three seeds there are none, and (a) has a thin line a seed. (a) Test
loss against the step; triangles mark runs that exceed their initial loss. (b) The best test loss
within the first third of training (open) and within all of it (filled), against C. (c) The mean
test loss over the first third, which measures the speed. (d) Where the points lie, with C = 0
(dotted) and γ² = β (dashed). At laptop scale the text is documentation of Python, not C4.
"""
ALT = (
    "Top: test-loss curves coloured by C. Bottom: best test loss against C, early and overall, "
    "mean early loss against C, and the points in the (β, γ) plane."
)


def draw(records: Records) -> Figure:
    """Draw the test loss against n, the best of it and its early mean against C, the points."""
    return generalization(records.of(*READS))
