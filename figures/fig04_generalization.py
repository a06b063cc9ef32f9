"""Figure 4: the test loss along the whole normal curve through (0.999, 0.9)."""

from __future__ import annotations

from matplotlib.figure import Figure

from adamct.plotting.loss_panels import generalization
from adamct.records import Records

READS = ("generalization_normal_curve",)
CAPTION = """
Test loss along the normal curve through (0.999, 0.9), over the whole of it up to β = 0.999, with
warm-up and cosine decay from η = 10⁻³. (a) Test loss against the step, coloured by C; where there
are several seeds a line is their mean and a band their range. (b) The best test loss within the
first third of training (open) and within all of it (filled), against C; bars are the range over
seeds. (c) Where the points lie; on these axes C = 0 (dotted) all but coincides with γ² = β
(dashed). The axes of (a) span the runs in B₊; triangles mark what lies beyond.
"""
ALT = (
    "Top: test-loss curves coloured from red, C below zero, to blue, C above. Bottom: best test "
    "loss against C, early and overall, and the points in the (β, γ) plane."
)


def draw(records: Records) -> Figure:
    """Draw (a) the test loss against n, (b) the best of it against C, (c) the points."""
    return generalization(records.of(*READS))
