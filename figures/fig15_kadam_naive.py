"""Figure 15: Figure 6 zoomed out, to show the naive strategy."""

from __future__ import annotations

from matplotlib.figure import Figure

from adamct.analysis.grids import best_points, run_scores
from adamct.plotting import sweep_panels
from adamct.records import Records

READS = ("kadam_cifar10",)
CAPTION = """
Figure 6 on an axis from 0 to 1, so that the naive strategy, which gives every level Adam's own (β,
γ), is in view: best test accuracy of k-Adam over the grid of learning rates and weight decays,
against k, on CIFAR-10 at paper scale and on scikit-learn's digits, 8 × 8 pixels, at the others. Red
is Adam, hollow points have their best setting at an end of the grid, bands are the range over
seeds. Decoupled weight decay on the left, coupled on the right.
"""
ALT = (
    "Two panels, decoupled and coupled weight decay: best test accuracy between 0 and 1 against "
    "k, a line per strategy."
)


def draw(records: Records) -> Figure:
    """Draw the best test accuracy against k over its whole range, the naive strategy included."""
    best = best_points(run_scores(records.of(READS[0]), "accuracy"))
    return sweep_panels.accuracy_by_decay(best, within=(0, 1))
