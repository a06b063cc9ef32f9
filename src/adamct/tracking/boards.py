"""A figure's layout → its dashboard at one scale: the filter, the sections, the words."""

from __future__ import annotations

from collections.abc import Sequence

from adamct.tracking import names as m
from adamct.tracking.board_panels import (
    Colour,
    Condition,
    Curves,
    Dashboard,
    Panel,
    Pictures,
    Section,
    Table,
    Text,
)
from adamct.tracking.layouts import LAYOUTS, STATUS, Layout

COLOUR_WORDS: dict[Colour | None, str] = {
    "C": "Colours follow C: blue where C > 0, grey at C = 0, red where C < 0.",
    "beta": "Colours follow beta: dark to light towards 1.",
    "strategy": "Colours follow the strategy, as in the figure; Adam (k = 1) is red.",
    None: "",
}


def dashboard(name: str, scale: str, *, title: str, reads: Sequence[str]) -> Dashboard:
    """Return the dashboard of a figure at one scale.

    Args:
        name: of the figure's file: ``"fig03_max_update"``.
        scale: ``"smoke"``, ``"laptop"`` or ``"paper"``.
        title: what the figure shows, in a line.
        reads: the experiments whose runs it shows.

    Raises:
        KeyError: for a figure without a layout.

    Example:
        >>> board = dashboard("fig03_max_update", "laptop", title="…", reads=["strip"])
        >>> board.figure, board.name, board.runs[0][0].value
        ('fig3', 'Figure 3, laptop scale', ('strip-laptop',))
    """
    figure = f"fig{name.split('_')[0].removeprefix('fig').lstrip('0')}"
    layout = LAYOUTS[figure]
    groups = tuple(m.run_group(experiment, scale) for experiment in reads)
    points = [(Condition("run:group", "in", groups), *only) for only in layout.only]
    own = (
        Condition("run:jobType", "==", m.FIGURE_JOB),
        Condition("run:group", "==", m.figure_group(scale)),
        Condition("run:name", "==", f"{name}-{scale}"),  # W&B's word for a run's id
    )
    words = Text(_words(figure, scale, title, reads, layout))
    result: tuple[Panel, ...] = (
        Pictures("The figure", (m.PICTURE,)),
        words,
        *map(Table, layout.tables),
    )
    sections = [Section("The figure and its claims", result)]
    if layout.panels:
        training = Section("Training", (Curves("Training loss", (m.TRAIN_LOSS,)),))
        sections = [Section("The runs", layout.panels), *sections, training]
    return Dashboard(
        figure=figure,
        scale=scale,
        title=title,
        runs=(*points, own) if reads else (own,),
        colour=layout.colour,
        columns=(*layout.columns, *STATUS) if reads else (),
        sections=tuple(sections),
    )


def _words(figure: str, scale: str, title: str, reads: Sequence[str], layout: Layout) -> str:
    drawn = {name for panel in layout.panels if isinstance(panel, Curves) for name in panel.y}
    dashes = [
        words
        for metric, words in (
            (m.PAPER_BOUND, "Dotted: Eq. (5), the paper's bound."),
            (m.EXACT_BOUND, "Dashed: D_n, the exact bound."),
        )
        if metric in drawn
    ]
    source = f"Runs of {', '.join(reads)}" if reads else "Drawn without runs"
    work = "trains what is missing, draws and logs it" if reads else "draws and logs it"
    lines = [
        f"**{title}**",
        f"{source}; `make {figure} SCALE={scale} TRACKER=wandb` {work}.",
        " ".join(filter(None, [COLOUR_WORDS[layout.colour], *dashes])),
    ]
    return "\n\n".join(filter(None, lines))
