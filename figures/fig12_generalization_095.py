"""Figure 12: as Figure 4, along the normal curve through (0.95, 0.9)."""

from __future__ import annotations

from matplotlib.figure import Figure

from adamct.plotting.loss_panels import generalization
from adamct.records import Records

READS = ("generalization_normal_curve_095",)
CAPTION = """
Figure 4 again, along the normal curve through (0.95, 0.9), up to β = 0.999, with the same warm-up
and cosine decay from η = 10⁻³. (a) Test loss against the step, coloured by C. (b) The best test
loss within the first third of training (open) and within all of it (filled), against C. (c) Where
the points lie; on these axes C = 0 (dotted) all but coincides with γ² = β (dashed). Triangles in
(a) mark what lies beyond the axis.
"""
ALT = (
    "Top: test-loss curves coloured by C. Bottom: best test loss against C, early and overall, "
    "and the points in the (β, γ) plane."
)


def draw(records: Records) -> Figure:
    """Draw (a) the test loss against n, (b) the best of it against C, (c) the points."""
    return generalization(records.of(*READS))
