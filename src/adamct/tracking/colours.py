"""The figure's own colours for the runs of its dashboard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_hex

from adamct.config.execution import Point
from adamct.plotting.rankings import ADAM_COLOUR, COLOURS
from adamct.plotting.style import colours_by
from adamct.theory import stability_coefficient
from adamct.tracking.board_panels import Colour
from adamct.tracking.content import run_identity


def run_colours(points: Sequence[Point], by: Colour) -> dict[str, str]:
    """Return a colour, ``#rrggbb``, for every point's run in W&B.

    Args:
        points: of all experiments that the figure reads, since they share one range.
        by: what tells them apart: C or β over their range, or the strategy.

    Returns:
        Colours by the run's id in W&B.
    """
    if not points:
        return {}
    labels = [point.labels for point in points]
    if by == "strategy":
        colours = [ADAM_COLOUR if x["k"] == 1 else COLOURS[str(x["strategy"])] for x in labels]
    else:
        beta, gamma = (np.array([x[name] for x in labels], float) for name in ("beta", "gamma"))
        values = beta if by == "beta" else np.asarray(stability_coefficient(beta, gamma))
        colours = [to_hex(colour) for colour in colours_by(by, values).to_rgba(values)]
    return {run_identity(c).id: colour for c, colour in zip(points, colours, strict=True)}
