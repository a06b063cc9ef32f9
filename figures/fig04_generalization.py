"""Figure 4: the test loss along the whole normal curve through (0.999, 0.9)."""

from __future__ import annotations

from matplotlib.figure import Figure

from adamct.plotting.loss_panels import generalization
from adamct.records import Records

READS = (
    "generalization_normal_curve",
    "generalization_fixed_gamma",
    "generalization_level_curve",
)
CAPTION = """
Test loss along the normal curve through (0.999, 0.9), over the whole of it up to β = 0.999, with
warm-up and cosine decay from η = 10⁻³. Lines and markers are means over seeds, bands and bars their
95 % intervals (t); with fewer than three seeds there are none, and (a) has a thin line a seed. (a)
Test loss against the step. (b) The best test loss within the first third of training (open) and
within all of it (filled), against C. (c) The mean test loss over the first third, which measures
the speed: along the curve, on which γ falls as C rises; at γ = 0.9, where C rises with β alone
(diamonds); and at one C, where γ goes from 0.44 to 0.9 (squares). (d) Where the curve lies, with C
= 0 (dotted) and γ² = β (dashed). Verdicts compare runs of one seed, and can be sharper than the
bars. At laptop scale the text is documentation of Python, not C4.
"""
ALT = (
    "Top: test-loss curves coloured from red, C below zero, to blue, C above. Bottom: best test "
    "loss against C, early and overall; mean early loss against C, on the curve and at a fixed γ "
    "or C; and the points in the (β, γ) plane."
)


def draw(records: Records) -> Figure:
    """Draw the test loss against n, the best of it and its early mean against C, the points."""
    curve, fixed_gamma, fixed_C = map(records.of, READS)
    controls = {r"at $\gamma=0.9$": fixed_gamma, "at one $C$": fixed_C}
    return generalization(curve, controls=controls)
