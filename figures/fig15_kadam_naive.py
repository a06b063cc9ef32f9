"""Figure 15: Figure 6 zoomed out, to show the naive strategy."""

from __future__ import annotations

from matplotlib.figure import Figure

from adamct.plotting import sweep_panels
from adamct.records import Records

READS = ("kadam_cifar10", "kadam_cifar10_contenders")
CAPTION = """
Figure 6 on an axis from 0 to 1, so that two strategies are in view that Appendix O found bad: the
naive one, which gives every level Adam's own (β, γ), and their k-th roots, run with decoupled
weight decay alone. Best test accuracy of k-Adam against k, on CIFAR-10 at paper scale and on
scikit-learn's 8 × 8 digits at the others. Red is Adam, the dotted line chance: an accuracy near it
says that the runs were too short for the optimizer to learn at all, and orders nothing. Points are
means over seeds, bars 95 % intervals. Decoupled weight decay on the left, coupled on the right.
"""
ALT = (
    "Two panels, decoupled and coupled weight decay: best test accuracy between 0 and 1 against "
    "k, a line per strategy with intervals, and a dotted line at chance."
)


def draw(records: Records) -> Figure:
    """Draw the best test accuracy against k over its whole range, the naive strategy included."""
    return sweep_panels.accuracy_by_decay(records.of(*READS), whole=True)
