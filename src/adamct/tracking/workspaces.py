"""A saved workspace of the W&B project for each figure, derived from what its experiments observe.

A workspace rather than a report: it follows the runs while they train, and is built without asking
the server anything.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import wandb
import wandb_workspaces.expr as expr
import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from adamct import files
from adamct.config.execution import Point
from adamct.records.columns import spec_columns
from adamct.tracking import names as m

MAX_RUNS = 1000  # a panel of W&B shows ten unless told otherwise
SETTINGS = ("beta", "gamma", "k", "lr", "weight_decay")  # against which scores are drawn
LOGARITHMIC = ("lr", "weight_decay")
LOSSES = (m.TRAIN_LOSS, m.TEST_LOSS, m.VALIDATION_LOSS)
ACCURACIES = (m.TEST_ACCURACY, m.VALIDATION_ACCURACY)
OF_MAX_UPDATE = (m.MAX_UPDATE, m.PAPER_BOUND, m.EXACT_BOUND)


class WorkspaceError(RuntimeError):
    """A workspace cannot be saved; the message says why, and what to do."""


def workspace(
    name: str, scale: str, points: Sequence[Point], *, title: str, entity: str, project: str
) -> ws.Workspace:
    """Build the workspace of a figure at one scale; nothing is sent.

    Args:
        name: of the figure's file: ``"fig03_max_update"``.
        scale: ``"smoke"``, ``"laptop"`` or ``"paper"``.
        points: of all experiments that the figure reads; none for one drawn without runs.
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
    number = name.split("_")[0].removeprefix("fig").lstrip("0")
    groups = sorted({m.run_group(point.experiment, point.scale) for point in points})
    group, run = expr.Metric("Group"), expr.Metric("ID")
    alternatives = [expr.And(group.isin(groups))] if groups else []
    alternatives += [expr.And(group == m.figure_group(scale), run == f"{name}-{scale}")]
    panels = {
        "Max-update": _max_update(points),
        "Losses": _losses(points),
        "Points": _scatters(points),
        "Other observables": _others(points),
        "The figure and its claims": [
            wr.MediaBrowser(media_keys=[m.FIGURE_IMAGE], num_columns=1),
            wr.MarkdownPanel(markdown=f"**{title}**"),
            wr.WeavePanelSummaryTable(table_name=m.CLAIMS_TABLE),
            wr.WeavePanelSummaryTable(table_name=m.NUMBERS_TABLE),
        ],
    }
    return ws.Workspace(
        entity=entity,
        project=project,
        name=f"Figure {number}, {scale} scale",
        sections=[
            ws.Section(name=heading, panels=shown, is_open=True)
            for heading, shown in panels.items()
            if shown
        ],
        settings=ws.WorkspaceSettings(x_axis=m.STEP, max_runs=MAX_RUNS),
        runset_settings=ws.RunsetSettings(filters=expr.Or(*alternatives)),
    )


def save(built: ws.Workspace, notes: Path) -> str:
    """Create a workspace on the server, or update the one that an earlier call saved.

    What was changed in W&B since is replaced; a copy ("Save as a new view") stays.

    Args:
        built: what to save.
        notes: a file of the addresses of saved workspaces, which this call adds to.

    Returns:
        Its address.

    Raises:
        WorkspaceError: if the server refuses, or cannot be reached.
        FileError: if the note cannot be written.
    """
    urls: dict[str, str] = json.loads(notes.read_text("utf-8")) if notes.exists() else {}
    key = f"{built.entity}/{built.project}/{built.name}"
    try:
        saved = _saved(urls.get(key)) or built
        saved.sections = built.sections
        saved.settings = built.settings
        saved.runset_settings = built.runset_settings
        urls[key] = saved.save().url
    except Exception as error:  # what W&B's client raises has no base in common
        raise WorkspaceError(
            f"W&B did not save {built.name!r} in {built.entity}/{built.project}: "
            f"{str(error).strip()}. Check the network, and that something was trained with "
            "tracker=wandb there"
        ) from error
    with files.writing(notes):
        notes.parent.mkdir(parents=True, exist_ok=True)
    files.replace(notes, json.dumps(urls, indent=1) + "\n")
    return urls[key]


def connect(entity: str | None) -> str:
    """Log in to W&B, without asking the user anything, and return the entity to save under.

    That is the one given, that of ``WANDB_ENTITY``, or the login's own.

    Raises:
        WorkspaceError: without a login, or if the server does not answer in seconds.
    """
    try:
        if not wandb.login(prompt=False):  # asks the server, too, for ten seconds at most
            raise WorkspaceError(
                "no login to W&B, or WANDB_MODE=offline: run `wandb login`, or set WANDB_API_KEY "
                "(--print needs neither)"
            )
        found = entity or os.environ.get("WANDB_ENTITY") or wandb.Api().default_entity
    except wandb.errors.Error as error:
        raise WorkspaceError(
            f"{error} Check the network and the key (`wandb login --relogin`); --print needs "
            "neither"
        ) from error
    if not found:
        raise WorkspaceError("W&B knows no default entity for this login; name it with --entity")
    return found


def _saved(url: str | None) -> ws.Workspace | None:
    """Return the workspace of an address; nothing if it was deleted since."""
    if url is None:
        return None
    try:
        return ws.Workspace.from_url(url)
    except ValueError:
        return None


def _observed(points: Sequence[Point]) -> list[str]:
    """Return what the runs of any point observe, in the order of their specs."""
    return list(dict.fromkeys(name for point in points for name in point.spec.observe))


def _scores(points: Sequence[Point]) -> list[str]:
    """Return the names of the held-out scores that any point's run has."""
    scores: list[str] = []
    for point in points:
        if point.spec.evaluation is not None:
            data = point.spec.task.data
            splits = ("test", "validation") if data.validation_fraction else ("test",)
            kinds = ("loss", "accuracy") if data.kind == "images" else ("loss",)
            scores += [f"{split}_{kind}" for split in splits for kind in kinds]
    return list(dict.fromkeys(scores))


def _max_update(points: Sequence[Point]) -> list[Any]:
    if m.MAX_UPDATE not in _observed(points):
        return []
    ratios = {"D_n": m.EXACT_BOUND, "Eq. (5)": m.PAPER_BOUND}
    levels = any(len(point.spec.optimizer.betas) > 1 for point in points)
    return [
        _lines("Max-update and its bounds", y=OF_MAX_UPDATE, log_y=True),
        *(
            _lines(
                f"Max-update over {bound}: above 1 the bound is broken",
                custom_expressions=[f"${{{m.MAX_UPDATE}}} / ${{{metric}}}"],
                log_y=True,
            )
            for bound, metric in ratios.items()
        ),
        _lines("Slope of ln max-update", y=[m.SLOPE]),
        *([_vector("Max-update of each level", m.MAX_UPDATE)] if levels else []),
    ]


def _losses(points: Sequence[Point]) -> list[Any]:
    recorded = {*_observed(points), *_scores(points)}
    panels = {"Losses": LOSSES, "Accuracies": ACCURACIES}
    shown = {title: [y for y in names if y in recorded] for title, names in panels.items()}
    return [_lines(title, y=y) for title, y in shown.items() if y]


def _scatters(points: Sequence[Point]) -> list[Any]:
    """Return scatters of the summary: the slope, and the best scores against what varies."""
    panels = []
    if m.MAX_UPDATE in _observed(points):
        slope = wr.SummaryMetric(m.SLOPE_AT)
        against = {"C": m.STABILITY, "D_n's": m.EXACT_SLOPE, "Eq. (5)'s": m.PAPER_SLOPE}
        panels += [
            wr.ScatterPlot(title=f"Slope at step N against {x}", x=wr.SummaryMetric(key), y=slope)
            for x, key in against.items()
        ]
    best = {m.TEST_LOSS: m.BEST_TEST_LOSS, m.TEST_ACCURACY: m.BEST_TEST_ACCURACY}
    return panels + [
        wr.ScatterPlot(
            title=f"Best {score.replace('_', ' ')} against {setting}",
            x=wr.Config(setting),
            y=wr.SummaryMetric(best[score]),
            log_x=setting in LOGARITHMIC or None,
        )
        for score in _scores(points)
        if score in best
        for setting in _varied(points)
    ]


def _varied(points: Sequence[Point]) -> list[str]:
    """Return the settings in which the points differ; with the pair, also C."""
    settings = [point.labels | spec_columns(point.spec) for point in points]
    varied = [name for name in SETTINGS if len({values[name] for values in settings}) > 1]
    return varied + ([m.STABILITY] if {"beta", "gamma"} & set(varied) else [])


def _others(points: Sequence[Point]) -> list[Any]:
    shown_above = {*OF_MAX_UPDATE, *LOSSES, *m.NOT_MIRRORED}
    others = [name for name in _observed(points) if name not in shown_above]
    return [_vector(name.replace("_", " ").capitalize(), name) for name in others]


def _vector(title: str, name: str) -> wr.LinePlot:
    """Return the lines of a scalar, or of each component of a vector."""
    return _lines(title, metric_regex=f"^{re.escape(name)}(/[0-9]+)?$")


def _lines(title: str, **about: Any) -> wr.LinePlot:
    return wr.LinePlot(title=title, x=m.STEP, max_runs_to_show=MAX_RUNS, **about)
