"""Workspaces show what the mirror logs, of the runs that the figure reads, and of no others."""

import json
import re
import socket
import sys
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
import wandb
from matplotlib.colors import to_hex
from wandb_workspaces.workspaces import interface, internal

from adamct.config.compose import compose_sweep
from adamct.plotting.registry import figure_files, import_file, reads
from adamct.plotting.style import colours_by
from adamct.plotting.sweep_panels import ADAM_COLOUR, COLOURS
from adamct.records import load
from adamct.runs.runner import train_run
from adamct.runs.store import RunFolder
from adamct.theory import stability_coefficient
from adamct.tracking import names as m
from adamct.tracking.content import rows, run_config, run_identity, summary

FILES = figure_files()
EXPERIMENTS = sorted({name for path in FILES.values() for name in reads(path)})
COMMAND = import_file(Path(__file__).parents[2] / "scripts" / "workspaces.py")
LOGIN = wandb.login  # which finds none: there is no account in these tests
# What a single run of these experiments needs, or lacks beside others of its sweep.
SINGLE = {"instability_strip": ["pair=[0.5,0.69]"], "max_update_levels": ["optimizer.k=3"]}


@cache
def build(figure):
    return COMMAND.build(FILES[figure], "smoke", entity="me", project="adamct")


@pytest.fixture(autouse=True)
def no_network(script, monkeypatch, tmp_path):
    """Refuse every connection, and save notes elsewhere."""

    def refuse(*arguments):
        raise AssertionError(f"a connection was tried: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(COMMAND, "NOTES", tmp_path / "notes.json")


def panels(built, kind):
    return [p for s in built.sections for p in s.panels if type(p).__name__ == kind]


def lines(built):
    """Return the names, formulas and patterns that the line plots of a workspace draw."""
    names, patterns = set(), set()
    for panel in panels(built, "LinePlot"):
        names |= {y if isinstance(y, str) else y.name for y in panel.y or ()}
        names |= set(re.findall(r"\$\{(.+?)\}", "".join(panel.custom_expressions or ())))
        patterns |= {panel.metric_regex} - {None}
    return names, patterns


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """Train one smoke run of every experiment: what the mirror would log, by experiment."""
    runs = tmp_path_factory.mktemp("runs")
    found = {}
    for name in EXPERIMENTS:
        overrides = [f"experiment={name}", "scale=smoke", f"runs_dir={runs}", "n_steps=14"]
        sweep = compose_sweep([*overrides, *SINGLE.get(name, [])], sweep=False)
        train_run(sweep[0].spec, sweep.execution, runs_dir=runs)
        record = RunFolder.of(sweep[0].spec, runs).lines()
        found[name] = {
            "history": {key for row in rows(sweep[0].spec, record) for key in row},
            "config": set(run_config(sweep[0])),
            "summary": set(summary(sweep[0], load(sweep))),
        }
    return found


@pytest.mark.parametrize("figure", FILES)
def test_a_workspace_shows_all_that_its_runs_log_and_names_nothing_else(figure, logged):
    built, experiments = build(figure), reads(FILES[figure])
    known = {
        section: set().union(*(logged[name][section] for name in experiments))
        for section in ("history", "config", "summary")
    }
    names, patterns = lines(built)
    assert names <= known["history"]
    drawn = {key for key in known["history"] if any(re.match(p, key) for p in patterns)} | names
    assert all(any(re.match(p, key) for key in known["history"]) for p in patterns)
    shown_at_large = {re.sub(r"/\d+$", "", key) for key in drawn} | {m.STEP, m.LR}
    assert {re.sub(r"/\d+$", "", key) for key in known["history"]} <= shown_at_large
    for panel in panels(built, "ScatterPlot"):
        for axis in (panel.x, panel.y):
            section = "config" if type(axis).__name__ == "Config" else "summary"
            assert axis.name in known[section]
    assert bool(experiments) == bool(panels(built, "LinePlot"))
    tables = [panel.table_name for panel in panels(built, "WeavePanelSummaryTable")]
    assert tables == [m.CLAIMS_TABLE, m.NUMBERS_TABLE]


@pytest.mark.parametrize("figure", FILES)
def test_a_workspace_shows_its_experiments_and_its_figure_and_nothing_else(figure):
    filters = compile(build(figure).runset_settings.filters, "filter", "eval")

    def shows(group, scale, run="0123-4567"):
        values = {"Group": m.at_scale(group, scale), "ID": run}
        return eval(filters, {"Metric": values.get})

    for experiment in EXPERIMENTS:
        assert shows(experiment, "smoke") == (experiment in reads(FILES[figure]))
        assert not shows(experiment, "paper")
    for other, path in FILES.items():
        assert shows(m.FIGURES, "smoke", f"{path.stem}-smoke") == (other == figure)
        assert not shows(m.FIGURES, "paper", f"{path.stem}-paper")


def test_scores_are_drawn_against_what_varies():
    titles = {panel.title: panel for panel in panels(build("figE4"), "ScatterPlot")}
    assert titles["best/test_loss against lr"].log_x
    titles = {panel.title: panel for panel in panels(build("fig6"), "ScatterPlot")}
    assert "best/test_accuracy against k" in titles
    assert "best/test_accuracy against beta" not in titles  # one pair of the strategy for all
    titles = [panel.title for panel in panels(build("fig4"), "ScatterPlot")]
    assert "best/test_loss against C" in titles


def optimizer_colour(label):
    return COLOURS[label["strategy"]] if label["k"] > 1 else ADAM_COLOUR


@pytest.mark.parametrize(
    ("figure", "by"),
    [("fig3", "C"), ("fig13", "beta"), ("fig7", "beta"), ("fig6", "strategy"), ("fig5", None)],
)
def test_runs_have_the_colours_of_the_figure_and_bounds_its_dashes(figure, by):
    built, sweeps = build(figure), reads(FILES[figure])
    points = [p for name in sweeps for p in compose_sweep([f"experiment={name}", "scale=smoke"])]
    labels = pd.DataFrame([point.labels for point in points])
    labels["C"] = stability_coefficient(labels.beta, labels.gamma)
    ids = [run_identity(point).id for point in points]
    expected = []
    if by == "strategy":
        expected = [optimizer_colour(point.labels) for point in points]
    elif by:
        expected = map(to_hex, colours_by(by, labels).to_rgba(labels[by].to_numpy()))
    colours = {run: one.color for run, one in built.runset_settings.run_settings.items()}
    assert colours == dict(zip(ids, expected, strict=by is not None))
    marked = [panel.line_marks for panel in panels(built, "LinePlot") if panel.line_marks]
    both = {"bound/exact": "dashed", "bound/paper": "dotted"}
    marks = {f"{run}:{bound}": mark for run in ids for bound, mark in both.items()}
    assert marked == ([marks] if "bound/exact" in lines(built)[0] else [])


class Server:
    """Views by name, as W&B keeps them, in the place of its answers."""

    def __init__(self):
        self.views = {}

    def answer(self, api, query, variables):
        if "upsertView" in query:
            view = self.views.setdefault(variables["name"], {"id": f"id{len(self.views)}"})
            assert variables.get("id", view["id"]) == view["id"]
            view |= {"spec": variables["spec"], "displayName": variables["displayName"]}
            return {"upsertView": {"view": {"id": view["id"], "name": variables["name"]}}}
        view = self.views.get(variables["viewName"])
        return {"project": {"allViews": {"edges": [{"node": view}] if view else []}}}


@pytest.fixture
def server(monkeypatch):
    there = Server()
    monkeypatch.setattr(wandb, "Api", lambda **_: None)
    monkeypatch.setattr(wandb, "login", lambda **_: True)
    monkeypatch.setattr(internal, "execute_graphql", there.answer)
    monkeypatch.setattr(interface, "get_app_url", lambda api: "https://wandb.example")
    return there


def test_a_second_call_updates_in_place(server, capsys, monkeypatch):
    words = ["fig2", "fig5", "--entity", "me", "--scale", "smoke"]
    printed = []
    for _ in range(2):
        assert COMMAND.main(words) == 0
        printed.append(capsys.readouterr().out)
        titles = [view["displayName"] for view in server.views.values()]
        assert titles == ["Figure 2, smoke scale", "Figure 5, smoke scale"]
    assert printed[0] == printed[1]
    assert printed[0].startswith("fig2: https://wandb.example/me/adamct?nw=")
    server.views.popitem()  # deleted in W&B: it is created again
    assert COMMAND.main(words) == 0
    capsys.readouterr()
    _, view = server.views.values()
    assert "head_squared_norms" in view["spec"]
    section = json.loads(view["spec"])["section"]
    assert len(section["panelBankConfig"]["sections"]) > 2
    assert section["settings"]["xAxis"] == "n"
    monkeypatch.setenv("WANDB_ENTITY", "team")  # unless one is named
    assert COMMAND.main(["fig2"]) == 0
    assert "fig2: https://wandb.example/team/adamct" in capsys.readouterr().out


def refuse(*_, **__):
    raise OSError("permission denied")


@pytest.mark.parametrize(
    ("fault", "words", "message"),
    [
        (
            lambda patch: patch.setattr(internal, "execute_graphql", refuse),
            ["fig2", "--entity", "me"],
            r"permission denied\); 'Figure 2, laptop scale' is not saved in me/adamct",
        ),
        (lambda patch: patch.setattr(wandb, "login", refuse), ["fig2"], "denied.* --print needs"),
        (
            lambda patch: patch.setattr(wandb, "login", LOGIN),
            ["fig2"],
            "error: no login to W&B, or WANDB_MODE=offline: run `wandb login`",
        ),
        (
            lambda patch: patch.setitem(sys.modules, "adamct.tracking.workspaces", None),
            ["fig2", "--print"],
            "install the project's requirements",
        ),
        (lambda patch: None, ["fig99"], "unknown figure 'fig99'; there are fig1, "),
    ],
    ids=["a refusal", "away", "no login", "no package", "no such figure"],
)
def test_what_cannot_work_is_an_error_in_words(server, monkeypatch, capsys, fault, words, message):
    fault(monkeypatch)
    assert COMMAND.main(words) == 2
    assert re.search(message, capsys.readouterr().err)


def test_printing_needs_neither_network_nor_data(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("ADAMCT_DATA", str(tmp_path))
    monkeypatch.setenv("ADAMCT_CACHE", str(tmp_path))
    assert COMMAND.main(["--print", "fig7", "--scale", "paper"]) == 0
    out, err = capsys.readouterr()
    assert err.startswith("warning: W&B chooses the colours of max_update_boundary: ")
    lines = out.splitlines()
    assert lines[0] == "Figure 7, paper scale"
    assert "  Max-update" in lines
    assert "    Max-update and its bounds: max_update, bound/exact, bound/paper" in lines
    assert COMMAND.main(["--list", "fig7", "fig10"]) == 0
    seventh, tenth = capsys.readouterr().out.splitlines()
    assert (seventh[:5], seventh.rpartition(": ")[2]) == ("fig7 ", "max_update_boundary")
    assert tenth.endswith(": theory alone")
