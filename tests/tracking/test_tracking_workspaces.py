"""Workspaces show what the mirror logs, of the runs that the figure reads, and of no others."""

import json
import re
import socket
import sys
from functools import cache
from pathlib import Path

import pytest

from adamct.config.compose import compose_sweep
from adamct.plotting.registry import figure_files, reads
from adamct.runs.runner import train_run
from adamct.runs.store import Outcome, RunFolder
from adamct.tracking import names as m
from adamct.tracking.content import rows, run_config, summary

ROOT = Path(__file__).parents[2]
FILES = figure_files()
EXPERIMENTS = sorted({name for path in FILES.values() for name in reads(path)})
# What a single run of these experiments needs, or lacks beside others of its sweep.
SINGLE = {"instability_strip": ["pair=[0.5,0.69]"], "max_update_levels": ["optimizer.k=3"]}


@pytest.fixture(scope="module")
def command(script):
    return script("dashboards.py")


@pytest.fixture(scope="module")
def build(command):
    """Build the workspace of a figure, once."""

    @cache
    def built(figure):
        return command.build(FILES[figure], "smoke", entity="me", project="adamct")

    return built


@pytest.fixture(autouse=True)
def no_network(command, monkeypatch, tmp_path):
    """Refuse every connection, and save notes elsewhere."""

    def refuse(*arguments):
        raise AssertionError(f"a connection was tried: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(command, "NOTES", tmp_path / "notes.json")


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
            "summary": set(
                summary(sweep[0], record, Outcome("finished", 14, record_sha256=""), 1.0)
            ),
        }
    return found


@pytest.mark.parametrize("figure", FILES)
def test_a_workspace_shows_all_that_its_runs_log_and_names_nothing_else(figure, build, logged):
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


class Key:
    """A key of a run in a filter, which is read as Python."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return self.value == other

    __hash__ = None


@pytest.mark.parametrize("figure", FILES)
def test_a_workspace_shows_its_experiments_and_its_figure_and_nothing_else(figure, build):
    filters = compile(build(figure).runset_settings.filters, "filter", "eval")

    def shows(**run):
        return eval(filters, {"Metric": lambda name: Key(run[name])})

    for experiment in EXPERIMENTS:
        expected = experiment in reads(FILES[figure])
        assert shows(Group=m.at_scale(experiment, "smoke"), ID="0123-4567") == expected
        assert not shows(Group=m.at_scale(experiment, "paper"), ID="0123-4567")
    for other, path in FILES.items():
        own = f"{path.stem}-smoke"
        assert shows(Group=m.at_scale(m.FIGURES, "smoke"), ID=own) == (other == figure)
        assert not shows(Group=m.at_scale(m.FIGURES, "paper"), ID=f"{path.stem}-paper")


def test_scores_are_drawn_against_what_varies(build):
    titles = {panel.title: panel for panel in panels(build("fig6"), "ScatterPlot")}
    assert titles["best/test_accuracy against lr"].log_x
    assert "best/test_accuracy against k" in titles
    assert "best/test_accuracy against beta" not in titles  # one pair of the strategy for all
    titles = [panel.title for panel in panels(build("fig4"), "ScatterPlot")]
    assert "best/test_loss against C" in titles


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
    import wandb
    from wandb_workspaces.workspaces import interface, internal

    there = Server()
    monkeypatch.setattr(wandb, "Api", lambda **_: None)
    monkeypatch.setattr(wandb, "login", lambda **_: True)
    monkeypatch.setattr(internal, "execute_graphql", there.answer)
    monkeypatch.setattr(interface, "get_app_url", lambda api: "https://wandb.example")
    return there


def test_a_second_call_updates_in_place(command, server, capsys):
    words = ["fig2", "fig5", "--entity", "me", "--scale", "smoke"]
    printed = []
    for _ in range(2):
        assert command.main(words) == 0
        printed.append(capsys.readouterr().out)
        assert [v["displayName"] for v in server.views.values()] == [
            "Figure 2, smoke scale",
            "Figure 5, smoke scale",
        ]
    assert printed[0] == printed[1]
    assert printed[0].startswith("fig2: https://wandb.example/me/adamct?nw=")
    server.views.popitem()  # deleted in W&B: it is created again
    assert command.main(words) == 0
    assert len(server.views) == 2
    sent = list(server.views.values())[1]["spec"]
    assert "head_squared_norms" in sent
    shown = json.loads(sent)["section"]["panelBankConfig"]["sections"]
    assert len(shown) > 2
    assert json.loads(sent)["section"]["settings"]["xAxis"] == "n"


def test_the_entity_is_that_of_the_environment_unless_named(command, server, capsys, monkeypatch):
    monkeypatch.setenv("WANDB_ENTITY", "team")
    for words, owner in ((["fig2"], "team"), (["fig2", "--entity", "me"], "me")):
        assert command.main(words) == 0
        assert f"https://wandb.example/{owner}/adamct" in capsys.readouterr().out


def test_a_server_that_refuses_or_is_away_is_an_error_in_words(
    command, server, monkeypatch, capsys
):
    import wandb

    def refuse(*_):
        raise OSError("permission denied")

    def login(**_):
        raise wandb.errors.AuthenticationError("Failed to authenticate with https://wandb.example")

    monkeypatch.setattr("wandb_workspaces.workspaces.internal.execute_graphql", refuse)
    assert command.main(["fig2", "--entity", "me"]) == 1
    expected = "(OSError: permission denied); 'Figure 2, laptop scale' is not saved in me/adamct"
    assert expected in capsys.readouterr().err
    monkeypatch.setattr(wandb, "login", login)
    assert command.main(["fig2"]) == 1
    assert re.search(r"Failed to authenticate .* --print needs", capsys.readouterr().err)


def test_without_the_package_the_remedy_is_named(command, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    monkeypatch.delitem(sys.modules, "adamct.tracking.workspaces", raising=False)
    assert command.main(["fig2", "--print"]) == 2
    assert "wandb_workspaces" in capsys.readouterr().err


def test_printing_needs_neither_network_nor_data(command, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("ADAMCT_DATA", str(tmp_path))
    monkeypatch.setenv("ADAMCT_CACHE", str(tmp_path))
    assert command.main(["--print", "fig7", "--scale", "paper"]) == 0
    assert "name='Figure 7, paper scale'" in capsys.readouterr().out


def test_without_a_login_it_says_so(call, tmp_path):
    code, _, err = call(ROOT / "scripts/dashboards.py", "fig2", HOME=str(tmp_path))
    assert code == 2
    assert "error: no login to W&B, or WANDB_MODE=offline: run `wandb login`" in err
    assert "Traceback" not in err


def test_help_imports_nothing_heavy(call):
    code = """
import runpy, sys
sys.argv = ["scripts/dashboards.py", "--help"]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    assert not end.code
heavy = {"wandb", "wandb_workspaces", "torch", "matplotlib", "pandas", "hydra"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    code, _, err = call("-c", code)
    assert code == 0, err


def test_an_unknown_figure_is_named(command, capsys):
    assert command.main(["fig99"]) == 1
    assert "unknown figure 'fig99'; there are fig1, " in capsys.readouterr().err
