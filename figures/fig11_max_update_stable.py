"""Figure 11: Figure 3(a) for the points in B₊ alone, where both theories bound the max-update."""

from __future__ import annotations

from matplotlib.figure import Figure

from adamct.plotting import panels
from adamct.plotting.style import TEXT_WIDTH
from adamct.records import Records

READS = ("max_update_normal_curve",)
CAPTION = """
The curves of Figure 3(a) with C > 0 only, on an axis of their own: the max-update at every step,
coloured by C, with Eq. (5) (dotted) and the exact bound Dₙ (dashed) for every fourth point. Here
both theories bound it for all time. The setting is that of Figure 3: the normal curve through
(0.999, 0.9), a constant η = 10⁻³, no weight decay.
"""
ALT = (
    "Max-update against the step for the points in the stable region, in shades of blue, below "
    "dotted and dashed curves of the two bounds."
)


def draw(records: Records) -> Figure:
    """Draw ‖u_n‖∞ against n for C > 0, with Eq. (5) and D_n."""
    figure = Figure(figsize=(TEXT_WIDTH, 3.4))
    axes = figure.add_subplot()
    own = records.of(READS[0])
    panels.max_update_curves(axes, own.where(own.runs[own.runs.C > 0]))
    axes.set_title("max-update in $\\mathcal{B}_+$ and its bounds")
    return figure
