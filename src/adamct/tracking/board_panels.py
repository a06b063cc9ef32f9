"""What a dashboard shows, as plain data: sections of panels, a filter, a colour.

A *key* names a value of a run that does not change with the step, as W&B's tables do:
``config:beta``, ``summary:C``, ``run:group``. Metrics of the history go by their bare names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from adamct.tracking.names import STEP

# What tells the runs of a dashboard apart, as in the figure that it belongs to.
Colour = Literal["C", "beta", "strategy"]
Range = tuple[float | None, float | None]


@dataclass(frozen=True)
class Curves:
    """Lines against the step: one a run and metric.

    Attributes:
        title: above the panel.
        y: metrics of the history.
        formula: drawn instead of metrics, in W&B's notation: ``${lr} * ${max_update}``.
        vector: a vector of the history, drawn instead, a line a component.
        log_x: logarithmic axis of steps.
        log_y: logarithmic axis of values.
    """

    title: str
    y: tuple[str, ...] = ()
    formula: str | None = None
    vector: str | None = None
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True)
class Scatter:
    """A point a run: one key against another.

    Attributes:
        title: above the panel.
        x: key of the abscissa.
        y: key of the ordinate.
        log_x: logarithmic abscissa.
        log_y: logarithmic ordinate.
        range_y: ends of the ordinate, ``None`` where W&B may choose.
        best: also draw the highest or the lowest value up to each abscissa.
    """

    title: str
    x: str
    y: str
    log_x: bool = False
    log_y: bool = False
    range_y: Range = (None, None)
    best: Literal["highest", "lowest"] | None = None


@dataclass(frozen=True)
class Bars:
    """The best value of a metric in each group of runs, with the range of the group.

    Attributes:
        title: above the panel.
        metric: of the summary.
        group_by: name of a value of the config.
        best: which of a group is drawn.
    """

    title: str
    metric: str
    group_by: str
    best: Literal["max", "min"]


@dataclass(frozen=True)
class Grid:
    """Parallel axes, a line a run: how a grid of hyperparameters leads to its scores.

    Attributes:
        title: above the panel.
        columns: keys, left to right; the last one colours the lines.
        log: the columns on logarithmic axes.
    """

    title: str
    columns: tuple[str, ...]
    log: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pictures:
    """Pictures that runs have logged."""

    title: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table that runs have logged."""

    key: str


@dataclass(frozen=True)
class Text:
    """Markdown."""

    markdown: str


Panel = Curves | Scatter | Bars | Grid | Pictures | Table | Text


@dataclass(frozen=True)
class Section:
    """Panels under a heading, in rows of ``columns``."""

    title: str
    panels: tuple[Panel, ...]
    columns: int = 2


@dataclass(frozen=True)
class Condition:
    """What a run must fulfil: a key, compared with a value."""

    key: str
    op: Literal["==", ">=", "<=", "in"]
    value: str | float | tuple[str, ...]


@dataclass(frozen=True)
class Dashboard:
    """One saved view of a project's runs.

    Attributes:
        figure: the figure's short name: ``"fig3"``.
        scale: ``"smoke"``, ``"laptop"`` or ``"paper"``.
        title: what the figure shows, in a line.
        runs: the filter: a run is shown if it fulfils every condition of one of these.
        colour: what colours the runs; ``None`` leaves it to W&B.
        columns: keys pinned in the table of runs.
        sections: from the top.
        step: the axis of all curves.
    """

    figure: str
    scale: str
    title: str
    runs: tuple[tuple[Condition, ...], ...]
    colour: Colour | None
    columns: tuple[str, ...]
    sections: tuple[Section, ...]
    step: str = STEP

    @property
    def name(self) -> str:
        """Name in W&B's list of views, which takes no mathematical signs."""
        return f"Figure {self.figure.removeprefix('fig')}, {self.scale} scale"

    @property
    def view(self) -> str:
        """Name of the view in its address, the same for every save: ``…/adamct?nw=<view>``.

        Letters and digits alone, as in the names that W&B itself makes up.
        """
        return f"adamct{self.figure}{self.scale}".lower()
