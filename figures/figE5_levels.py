"""Figure E5: the max-update of every level of k-Adam, and the exact bound of that level."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from adamct.plotting.style import EXACT, TEXT_WIDTH, plain_log
from adamct.records import Records
from adamct.theory import discrete_max_update_bound

READS = ("max_update_levels",)
CAPTION = """
Theorem 3, level by level: the max-update of every level of k-Adam against the step, on logarithmic
axes, a panel for each strategy and k. Dashed is the exact bound Dₙ for the levels' (βᵢ, γᵢ), which
are the same for all levels of a panel; under "scaled" it is 1 within a percent, and the max-update
lies on it. The pairs come from (β, γ) = (0.999, 0.9); η = 10⁻³ is constant and there is no weight
decay. The guard, which would clamp every level to its bound, is off.
"""
ALT = (
    "A grid of panels, one per strategy and number of levels: the max-update of each level "
    "against the step, below a dashed bound."
)


def draw(records: Records) -> Figure:
    """Draw, a panel per strategy and k, ‖u_n^(i)‖∞ against n for each level i (Theorem 3)."""
    own = records.of(READS[0])
    strategies = list(dict.fromkeys(own.runs.strategy))
    ks = sorted(set(own.runs.k))
    figure = Figure(figsize=(TEXT_WIDTH, 1.7 * len(ks) + 0.5))
    grid = figure.subplots(len(ks), len(strategies), sharex=True, sharey=True, squeeze=False)
    runs: Any = own.runs.itertuples()
    for run in runs:
        axes = grid[ks.index(run.k)][strategies.index(run.strategy)]
        pairs = set()
        for level in range(1, run.k + 1):
            n, values = own.series(run.run_id, f"max_update_{level}")
            axes.plot(n + 1, values, linewidth=0.8)
            pairs.add((getattr(run, f"beta_{level}"), getattr(run, f"gamma_{level}")))
        for beta, gamma in sorted(pairs):
            bound = discrete_max_update_bound(n, beta, gamma)
            axes.plot(n + 1, bound, linewidth=0.8, **EXACT)
        axes.set(xscale="log", yscale="log")
        axes.set_title(f"{run.strategy.replace('_', ' ')}, $k={run.k}$", loc="center", fontsize=8)
    for axes in grid[-1]:
        axes.set_xlabel("step $n+1$")
    for row in grid:
        row[0].set_ylabel(r"$\|u^{(i)}_n\|_\infty$")
    plain_log(grid[0][0].xaxis, grid[0][0].yaxis)
    colours = [f"C{i}" for i in range(max(ks))]
    handles = [Line2D([], [], color=c, label=f"level {i}") for i, c in enumerate(colours, start=1)]
    handles.append(Line2D([], [], label="$D_n$ of the levels", **EXACT))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure
