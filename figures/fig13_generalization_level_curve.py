"""Figure 13: as Figure 4, along the level curve of C(0.999, 0.9)."""

from __future__ import annotations

from matplotlib.figure import Figure

from adamct.plotting.loss_panels import generalization
from adamct.records import Records

READS = ("generalization_level_curve",)
CAPTION = """
Test loss along the level curve on which C equals C(0.999, 0.9), from β = 0.3 to 0.999, with warm-up
and cosine decay from η = 10⁻³. C is the same for all points, so colour and axis show β: a small β
is a point near the origin. Lines and markers are means over seeds, bands and bars their 95 %
intervals (t); with fewer than three seeds there are none, and (a) has a thin line a seed. (a) Test
loss against the step. (b) The best test loss within the first third of training (open) and within
all of it (filled), against β. (c) The mean test loss over the first third, which measures the
speed. (d) Where the points lie. Verdicts compare runs of one seed, and can be sharper than the
bars. At laptop scale the text is documentation of Python, not C4.
"""
ALT = (
    "Top: test-loss curves coloured by β. Bottom: best test loss against β, early and overall, "
    "mean early loss against β, and the points on a level curve in the (β, γ) plane."
)


def draw(records: Records) -> Figure:
    """Draw the test loss against n, the best of it and its early mean against β, the points.

    C is the same for all, so β tells the points apart: β → 0 leads to the origin.
    """
    return generalization(records.of(*READS), by="beta")
