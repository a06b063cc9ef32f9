"""Dashboards → saved workspaces of W&B, by the ``wandb-workspaces`` package.

A workspace rather than a report: it follows the runs while they train, it is built without asking
the server anything, and it is known by its name, so that saving it again updates it in place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import wandb
import wandb_workspaces.expr as expr
import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from adamct.tracking.board_panels import (
    Bars,
    Condition,
    Curves,
    Dashboard,
    Grid,
    Panel,
    Pictures,
    Scatter,
    Section,
    Table,
    Text,
)
from adamct.tracking.names import EXACT_BOUND, PAPER_BOUND, STABILITY

MAX_RUNS = 1000  # a panel of W&B shows ten unless told otherwise
# As in the figures.
DASHES: dict[str, Literal["dotted", "dashed"]] = {PAPER_BOUND: "dotted", EXACT_BOUND: "dashed"}


class DashboardError(RuntimeError):
    """A dashboard cannot be saved; the message says why, and what to do."""


@dataclass(frozen=True)
class Saved:
    """A workspace on the server: its address, and whether it was there before."""

    url: str
    updated: bool


def workspace(
    dashboard: Dashboard, *, entity: str, project: str, colours: Mapping[str, str]
) -> ws.Workspace:
    """Build the workspace of a dashboard; nothing is sent.

    Args:
        dashboard: what to show.
        entity: user or team that owns the project.
        project: where the runs are.
        colours: colour of every run, by its id in W&B; W&B colours those that are missing.
    """
    sections = [_section(section, dashboard, colours) for section in dashboard.sections]
    panels: list[Any] = [panel for section in sections for panel in section.panels]
    for i, panel in enumerate(panels):
        panel._id = f"{dashboard.view}p{i}"  # by default random: no two builds would be equal
    alternatives = [expr.And(*map(_filter, conditions)) for conditions in dashboard.runs]
    built = ws.Workspace(
        entity=entity,
        project=project,
        name=dashboard.name,
        sections=sections,
        settings=ws.WorkspaceSettings(x_axis=dashboard.step, max_runs=MAX_RUNS),
        runset_settings=ws.RunsetSettings(
            filters=expr.Or(*alternatives),
            # The figure's own run first, then the points by C. W&B orders by config.*.value, where
            # its filters take config.*.
            order=[
                expr.Ordering(expr.Metric("JobType"), ascending=True),
                expr.Ordering(expr.Config(f"{STABILITY}.value"), ascending=True),
            ],
            run_settings={run: ws.RunSettings(color=colour) for run, colour in colours.items()},
            pinned_columns=[_column(key) for key in dashboard.columns],
        ),
    )
    built._internal_name = f"nw-{dashboard.view}-v"  # what ?nw=<view> stands for
    return built


def as_json(built: ws.Workspace) -> dict[str, Any]:
    """Return what :func:`save` would send, as plain values."""
    view = built._to_model()
    return view.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"id"})


def connect(entity: str | None) -> str:
    """Log in to W&B, without asking the user anything, and return the entity to save under.

    That is the one given, that of ``WANDB_ENTITY``, or the login's own.

    Raises:
        DashboardError: without a login, or if the server does not answer in seconds.
    """
    try:
        if not wandb.login(prompt=False):  # asks the server, too, for ten seconds at most
            raise DashboardError(
                "no login to W&B, or WANDB_MODE=offline: run `wandb login`, or set WANDB_API_KEY "
                "(--print needs neither)"
            )
        named = entity or os.environ.get("WANDB_ENTITY")
        found = named or wandb.Api().default_entity
    except wandb.errors.Error as error:
        raise DashboardError(
            f"{error} Check the network and the key (`wandb login --relogin`); --print needs "
            "neither"
        ) from error
    if not found:
        raise DashboardError("W&B knows no default entity for this login; name it with --entity")
    return found


def save(built: ws.Workspace) -> Saved:
    """Create the workspace on the server, or update the one of the same name and project.

    What was changed in W&B since the last save is replaced; a copy under another name ("Save as a
    new view") stays.

    Raises:
        DashboardError: if the server refuses, or cannot be reached.
    """
    try:
        built._internal_id = _id_on_server(built)
        updated = bool(built._internal_id)
        built.save()
        return Saved(built.url, updated)
    except DashboardError:
        raise
    except Exception as error:  # what W&B's client raises has no base in common
        raise DashboardError(f"W&B did not save {built.name!r}: {str(error).strip()}") from error


def _id_on_server(built: ws.Workspace) -> str:
    """Return the server's id of the view of this name, or nothing if there is none yet."""
    view = built._internal_name.removeprefix("nw-").removesuffix("-v")
    try:
        return str(ws.internal.get_view_dict(built.entity, built.project, view)["id"])
    except ValueError as error:  # there is no such view, or no such project
        if not str(error).startswith("Project "):
            return ""
        raise DashboardError(
            f"W&B has no project {built.entity}/{built.project}: train something with "
            "tracker=wandb first, or name another with --project and --entity"
        ) from error


def _section(section: Section, dashboard: Dashboard, colours: Mapping[str, str]) -> ws.Section:
    rows = -(-len(section.panels) // section.columns)
    return ws.Section(
        name=section.title,
        panels=[_panel(panel, dashboard.step, colours) for panel in section.panels],
        is_open=True,
        layout_settings=ws.SectionLayoutSettings(columns=section.columns, rows=rows),
        panel_settings=ws.SectionPanelSettings(x_axis=dashboard.step),
    )


def _panel(panel: Panel, step: str, colours: Mapping[str, str]) -> Any:
    if isinstance(panel, Curves):
        return _curves(panel, step, colours)
    if isinstance(panel, Scatter):
        return wr.ScatterPlot(
            title=panel.title,
            x=_value(panel.x),
            y=_value(panel.y),
            log_x=panel.log_x or None,
            log_y=panel.log_y or None,
            range_y=panel.range_y,
            running_ymax=panel.best == "highest" or None,
            running_ymin=panel.best == "lowest" or None,
        )
    if isinstance(panel, Bars):
        return wr.BarPlot(
            title=panel.title,
            metrics=[panel.metric],
            groupby=wr.Config(panel.group_by),
            groupby_aggfunc=panel.best,
            groupby_rangefunc="minmax",
            max_runs_to_show=MAX_RUNS,
        )
    if isinstance(panel, Grid):
        columns = [
            wr.ParallelCoordinatesPlotColumn(_value(key), log=key in panel.log or None)
            for key in panel.columns
        ]
        return wr.ParallelCoordinatesPlot(title=panel.title, columns=columns)
    if isinstance(panel, Pictures):
        return wr.MediaBrowser(title=panel.title, media_keys=list(panel.keys), num_columns=1)
    if isinstance(panel, Table):
        return wr.WeavePanelSummaryTable(table_name=panel.key)
    assert isinstance(panel, Text)
    return wr.MarkdownPanel(markdown=panel.markdown)


def _curves(panel: Curves, step: str, colours: Mapping[str, str]) -> wr.LinePlot:
    dashes: Any = {f"{run}:{y}": DASHES[y] for y in panel.y if y in DASHES for run in colours}
    return wr.LinePlot(
        title=panel.title,
        x=step,
        y=list(panel.y),
        custom_expressions=[panel.formula] if panel.formula else None,
        metric_regex=f"^{re.escape(panel.vector)}/[0-9]+$" if panel.vector else None,
        log_x=panel.log_x or None,
        log_y=panel.log_y or None,
        max_runs_to_show=MAX_RUNS,
        line_marks=dashes or None,
    )


def _filter(condition: Condition) -> expr.FilterExpr:
    section, _, name = condition.key.partition(":")
    kinds = {"run": expr.Metric, "config": expr.Config, "summary": expr.Summary}
    metric = kinds[section](name)
    if isinstance(condition.value, tuple):
        return metric.isin(list(condition.value))
    compare = {"==": metric.__eq__, ">=": metric.__ge__, "<=": metric.__le__}
    return compare[condition.op](condition.value)


def _value(key: str) -> wr.Config | wr.SummaryMetric:
    section, _, name = key.partition(":")
    return wr.Config(name) if section == "config" else wr.SummaryMetric(name)


def _column(key: str) -> str:
    return f"{key}.value" if key.startswith("config:") else key
