"""A saved workspace of the W&B project for each figure, derived from what its experiments observe.

A workspace rather than a report: it follows the runs while they train, and is built without asking
the server anything.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import wandb
import wandb_workspaces.expr as expr
import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from adamct import files, theory
from adamct.config.sweep import GridPoint
from adamct.plotting.no_backend import matplotlib  # before what imports matplotlib
from adamct.plotting.registry import figure_number
from adamct.plotting.style import EXACT, PAPER, Coordinate, colours_by
from adamct.plotting.sweep_panels import ADAM_COLOUR, COLOURS
from adamct.records.columns import spec_columns
from adamct.tracking import names as m
from adamct.tracking.content import run_identity
from adamct.tracking.mode import TrackingError, answered

MAX_RUNS = 1000  # a panel of W&B shows ten unless told otherwise
SETTINGS = ("beta", "gamma", "k", "lr", "weight_decay")  # against which points are compared
LOGARITHMIC = ("lr", "weight_decay")
SCORES = {"Losses": "^(train|test|validation)_loss$", "Accuracies": "^(test|validation)_accuracy$"}
# By what is recorded: a value of the summary, and what it is set against beside the settings.
COMPARED = {
    m.MAX_UPDATE: (m.SLOPE_AT, [m.EXACT_SLOPE, m.PAPER_SLOPE]),
    m.TEST_LOSS: (m.BEST_TEST_LOSS, []),
    m.TEST_ACCURACY: (m.BEST_TEST_ACCURACY, []),
}
DASHES = {":": "dotted", "--": "dashed"}  # Matplotlib's line styles, in W&B's words
# What a panel says of itself, by the names that the kinds of panels have for it.
NAMING = (
    *("title", "y", "custom_expressions", "metric_regex"),
    *("media_keys", "markdown", "table_name"),
)
SHOWN_APART = (m.MAX_UPDATE, m.TRAIN_LOSS, m.TEST_LOSS, m.TEST_ACCURACY, *m.NOT_MIRRORED)


def workspace(
    name: str, scale: str, points: Sequence[GridPoint], *, title: str, entity: str, project: str
) -> ws.Workspace:
    """Build the workspace of a figure at one scale; nothing is sent.

    Args:
        name: of the figure's file: ``"fig03_max_update"``.
        scale: ``"smoke"``, ``"laptop"`` or ``"paper"``.
        points: of all experiments that the figure reads; none for one drawn without runs. Those
            composed without their data have no colours, since their ids are unknown.
        title: what the figure shows, in a line.
        entity: user or team that owns the project.
        project: where the runs are.

    Example:
        >>> built = workspace(
        ...     "fig02_level_curves", "smoke", [], title="…", entity="me", project="adamct"
        ... )
        >>> built.name, [section.name for section in built.sections]
        ('Figure 2, smoke scale', ['The figure and its claims'])
    """
    named = [point for point in points if point.spec.task.data.sha256]  # the others have no id yet
    group, run = expr.Metric("Group"), expr.Metric("ID")
    groups = sorted({m.at_scale(point.experiment, point.scale) for point in points})
    own = expr.And(group == m.at_scale(m.FIGURES, scale), run == m.at_scale(name, scale))
    sections = _sections(points, named)
    sections["The figure and its claims"] = [
        wr.MediaBrowser(media_keys=[m.FIGURE_IMAGE], num_columns=1),
        wr.MarkdownPanel(markdown=f"**{title}**"),
        wr.WeavePanelSummaryTable(table_name=m.CLAIMS_TABLE),
        wr.WeavePanelSummaryTable(table_name=m.NUMBERS_TABLE),
    ]
    return ws.Workspace(
        entity=entity,
        project=project,
        name=f"Figure {figure_number(name)}, {scale} scale",
        sections=[
            ws.Section(name=heading, panels=panels, is_open=True)
            for heading, panels in sections.items()
            if panels
        ],
        settings=ws.WorkspaceSettings(x_axis=m.STEP, max_runs=MAX_RUNS),
        runset_settings=ws.RunsetSettings(
            filters=expr.Or(*([group.isin(groups)] if groups else []), own),
            run_settings={
                run: ws.RunSettings(color=colour) for run, colour in run_colours(named).items()
            },
        ),
    )


def run_colours(points: Sequence[GridPoint]) -> dict[str, str]:
    """Return the colours of points, by their ids in W&B, on the scales that figures use.

    By strategy where several are compared, Adam in red; else by C, or by β where C is the same for
    all. None where nothing of this tells the points apart.
    """
    if not points:
        return {}
    runs = pd.DataFrame([point.labels for point in points], index=_ids(points))
    runs["C"] = theory.stability_coefficient(runs.beta, runs.gamma)
    if runs.strategy.nunique() > 1:
        by_strategy = runs.strategy.map(COLOURS).where(runs.k > 1, ADAM_COLOUR)
        return by_strategy.dropna().to_dict()
    for by in get_args(Coordinate):
        if 1e-9 < np.ptp(runs[by]) < np.inf:
            shades = colours_by(by, runs).to_rgba(runs[by].to_numpy())
            return dict(zip(runs.index, map(matplotlib.colors.to_hex, shades), strict=True))
    return {}


def as_text(built: ws.Workspace) -> str:
    """Return what a workspace shows as an outline: its runs; its sections; a line a panel.

    A line has the panel's title, and the metrics, formulas or patterns of metrics that it draws.
    """
    n_coloured = len(built.runset_settings.run_settings)
    lines = [built.name, f"  runs: {built.runset_settings.filters}; {n_coloured} with a colour"]
    for section in built.sections:
        lines.append(f"  {section.name}")
        for panel in section.panels:
            parts = [part for name in NAMING if (part := getattr(panel, name, None))]
            words = [", ".join(part) if isinstance(part, list) else part for part in parts]
            lines.append("    " + ": ".join(word for word in words if isinstance(word, str)))
    return "\n".join(lines)


def save(built: ws.Workspace, notes: Path) -> str:
    """Create a workspace on the server, or update the one that an earlier call saved.

    What was changed in W&B since is replaced; a copy ("Save as a new view") stays.

    Args:
        built: what to save.
        notes: a file of the addresses of saved workspaces, which this call adds to.

    Returns:
        Its address.

    Raises:
        TrackingError: if the server refuses, or cannot be reached.
        FileError: if the note cannot be written.
    """
    urls: dict[str, str] = json.loads(notes.read_text("utf-8")) if notes.exists() else {}
    project = f"{built.entity}/{built.project}"
    key = f"{project}/{built.name}"
    with answered(
        f"{built.name!r} is not saved in {project}: check the network, and that something was "
        "trained with tracker=wandb there"
    ):
        saved = built
        with suppress(KeyError, ValueError):  # never saved from here, or deleted since
            saved = ws.Workspace.from_url(urls[key])
        saved.sections = built.sections
        saved.settings = built.settings
        saved.runset_settings = built.runset_settings
        urls[key] = saved.save().url
    with files.writing(notes):
        notes.parent.mkdir(parents=True, exist_ok=True)
    files.replace(notes, json.dumps(urls, indent=1) + "\n")
    return urls[key]


def connect(entity: str | None) -> str:
    """Log in to W&B, without asking the user anything, and return the entity to save under.

    That is the one given, that of ``WANDB_ENTITY``, or the login's own.

    Raises:
        TrackingError: without a login, or if the server does not answer in seconds.
    """
    with answered("check the network and `wandb login --relogin`; --print needs neither"):
        is_known = wandb.login(prompt=False)  # asks the server, too, for ten seconds at most
        found = entity or os.environ.get("WANDB_ENTITY")
        found = found or (wandb.Api().default_entity if is_known else None)
    if not is_known:
        raise TrackingError(
            "no login to W&B, or WANDB_MODE=offline: run `wandb login`, or set WANDB_API_KEY "
            "(--print needs neither)"
        )
    if not found:
        raise TrackingError("W&B knows no default entity for this login; name it with --entity")
    return found


def _sections(points: Sequence[GridPoint], named: Sequence[GridPoint]) -> dict[str, list[Any]]:
    """Return the panels of what any point's run records, by section."""
    specs = [point.spec for point in points]
    recorded = list(dict.fromkeys(name for spec in specs for name in spec.observe))
    scored = {spec.task.data.kind for spec in specs if spec.evaluation is not None}
    recorded += [m.TEST_LOSS] if scored else []
    recorded += [m.TEST_ACCURACY] if "images" in scored else []
    losses = [
        _lines(title, metric_regex=pattern)
        for title, pattern in SCORES.items()
        if any(re.match(pattern, name) for name in recorded)
    ]
    return {
        "Max-update": _max_update(named) if m.MAX_UPDATE in recorded else [],
        "Losses": losses,
        "Points": _scatters(points, recorded),
        "Other observables": [_vector(name) for name in recorded if name not in SHOWN_APART],
    }


def _ids(points: Sequence[GridPoint]) -> list[str]:
    return [run_identity(point).id for point in points]


def _max_update(points: Sequence[GridPoint]) -> list[Any]:
    looks = {m.EXACT_BOUND: ("D_n", EXACT), m.PAPER_BOUND: ("Eq. (5)", PAPER)}
    marks = {
        f"{run}:{bound}": DASHES[look["linestyle"]]
        for run in _ids(points)
        for bound, (_, look) in looks.items()
    }
    y = [m.MAX_UPDATE, *looks]
    return [
        _lines("Max-update and its bounds", y=y, line_marks=marks, log_y=True),
        *(
            _lines(
                f"Max-update over {name}: above 1 the bound is broken",
                custom_expressions=[f"${{{m.MAX_UPDATE}}} / ${{{bound}}}"],
                log_y=True,
            )
            for bound, (name, _) in looks.items()
        ),
        _lines("Slope of ln max-update", y=[m.SLOPE]),
        _vector(m.MAX_UPDATE),
    ]


def _scatters(points: Sequence[GridPoint], recorded: Sequence[str]) -> list[Any]:
    """Return the values of the summary against what varies, the slope against its predictions."""
    settings = [point.labels | spec_columns(point.spec) for point in points]
    varied = [name for name in SETTINGS if len({values[name] for values in settings}) > 1]
    varied += [m.STABILITY] if {"beta", "gamma"} & set(varied) else []
    axes: list[Any] = [wr.Config(name) for name in varied]
    return [
        wr.ScatterPlot(
            title=f"{y} against {x.name}",
            x=x,
            y=wr.SummaryMetric(y),
            log_x=x.name in LOGARITHMIC or None,
        )
        for name, (y, predictions) in COMPARED.items()
        if name in recorded
        for x in axes + [wr.SummaryMetric(name) for name in predictions]
    ]


def _vector(name: str) -> wr.LinePlot:
    """Return the lines of a scalar, or of each component of a vector."""
    return _lines(name, metric_regex=f"^{re.escape(name)}(/[0-9]+)?$")


def _lines(title: str, **about: Any) -> wr.LinePlot:
    return wr.LinePlot(title=title, x=m.STEP, max_runs_to_show=MAX_RUNS, **about)
