"""Dashboards show what the mirror logs, of the runs that the figure reads, and of no others."""

import ast
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from adamct.claims import CLAIMS
from adamct.config.compose import compose_sweep
from adamct.runs.runner import carry_out
from adamct.runs.store import Outcome, RunFolder
from adamct.tracking import names as metrics
from adamct.tracking.board_panels import Bars, Curves, Grid, Scatter, Table
from adamct.tracking.content import rows, run_config, run_identity, summary
from adamct.tracking.layouts import LAYOUTS

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "dashboards.py"
FILES = {
    f"fig{path.stem.split('_')[0][3:].lstrip('0')}": path
    for path in (ROOT / "figures").glob("fig*.py")
}
# What a single run of these experiments needs, or lacks beside others of its sweep.
SINGLE = {"instability_strip": ["pair=[0.5,0.69]"], "max_update_levels": ["optimizer.k=3"]}


@pytest.fixture(scope="module")
def command():
    """Import the script, which is on no path."""
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        spec = importlib.util.spec_from_file_location("dashboards_command", SCRIPT)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SCRIPT.parent))
    return module


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """Refuse every connection, and be somewhere else."""

    def refuse(*arguments):
        raise AssertionError(f"a connection was tried: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def built(command):
    """Return the workspace of a figure, in W&B's own classes."""
    from adamct.tracking.workspaces import workspace

    def build(figure, scale="smoke", colours=None):
        board = command.board(figure, scale)
        return workspace(board, entity="me", project="adamct", colours=colours or {})

    return build


def panels_of(board, *kinds):
    return [panel for s in board.sections for panel in s.panels if isinstance(panel, kinds)]


# ------------------------------------------------------------------------------ which there are


def test_every_figure_has_a_dashboard_and_every_dashboard_a_figure():
    assert set(LAYOUTS) == set(FILES)


@pytest.mark.parametrize("figure", LAYOUTS)
def test_the_tables_are_those_that_come_with_the_figure(figure):
    functions = {
        node.name
        for node in ast.parse(FILES[figure].read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    claimed = any(claim.figure == FILES[figure].stem.split("_")[0] for claim in CLAIMS)
    expected = [metrics.CLAIMS_TABLE] * claimed + [metrics.NUMBERS_TABLE] * ("table" in functions)
    assert list(LAYOUTS[figure].tables) == expected


@pytest.mark.parametrize("figure", LAYOUTS)
def test_a_figure_that_reads_runs_shows_them_and_one_that_reads_none_shows_its_picture(
    command, figure
):
    board = command.board(figure, "laptop")
    titles = [section.title for section in board.sections]
    if command.reads(FILES[figure]):
        assert titles == ["The runs", "The figure and its claims", "Training"]
    else:
        assert titles == ["The figure and its claims"]
        assert board.columns == ()


# -------------------------------------------------------------------------------- what they name


@pytest.fixture(scope="module")
def logged(tmp_path_factory, command):
    """Train one smoke run of every experiment: what the mirror would log, by experiment."""
    runs = tmp_path_factory.mktemp("runs")
    found = {}
    for name in sorted({name for path in FILES.values() for name in command.reads(path)}):
        overrides = [f"experiment={name}", "scale=smoke", f"runs_dir={runs}", "n_steps=14"]
        sweep = compose_sweep([*overrides, *SINGLE.get(name, [])], sweep=False)
        point = sweep[0]
        carry_out(point.spec, sweep.execution, runs_dir=runs)
        lines = RunFolder.of(point.spec, runs).lines()
        summaries = [
            summary(point, lines, Outcome(status, 14, record_sha256=""), 1.0)
            for status in ("finished", "diverged")
        ]
        found[name] = {
            "history": {key for row in rows(point.spec, lines) for key in row},
            "config": set(run_config(point)),
            "summary": set().union(*summaries),
        }
    return found


def test_all_that_the_panels_name_is_logged_by_a_run_that_the_figure_reads(command, logged):
    for figure, path in FILES.items():
        board, experiments = command.board(figure, "smoke"), command.reads(path)
        known = {
            section: set().union(*(logged[name][section] for name in experiments))
            for section in ("history", "config", "summary")
        }
        for panel in panels_of(board, Curves):
            formula = re.findall(r"\$\{(.+?)\}", panel.formula or "")
            vector = [metrics.component(panel.vector, 1)] * bool(panel.vector)
            assert {*panel.y, *formula, *vector, board.step} <= known["history"], (figure, panel)
        keys = [*board.columns, *(c.key for own in board.runs for c in own)]
        keys += [key for panel in panels_of(board, Grid) for key in panel.columns]
        keys += [key for panel in panels_of(board, Scatter) for key in (panel.x, panel.y)]
        for panel in panels_of(board, Bars):
            keys += [f"summary:{panel.metric}", f"config:{panel.group_by}"]
        for key in keys:
            section, _, name = key.partition(":")
            assert section == "run" or name in known[section], (figure, key)
        assert all(set(panel.log) <= set(panel.columns) for panel in panels_of(board, Grid))


@pytest.mark.parametrize("figure", LAYOUTS)
def test_what_only_one_of_several_experiments_observes_is_shown(command, figure):
    """Of each experiment that a figure reads, some panel shows what sets it apart."""
    drawn = set()
    for panel in panels_of(command.board(figure, "smoke"), Curves):
        drawn |= {*panel.y, panel.vector, *re.findall(r"\$\{(.+?)\}", panel.formula or "")}
    observed = {}
    for name in command.reads(FILES[figure]):
        point = compose_sweep([f"experiment={name}", "scale=smoke"], with_data=False)[0]
        observed[name] = set(point.spec.observe) - set(metrics.NOT_MIRRORED)
    for name, own in observed.items():
        apart = own - set.intersection(*observed.values())
        assert not apart or apart & drawn, name


# ---------------------------------------------------------------------------- which runs they show


def passes(filters, run):
    """Evaluate W&B's flat filter, in which AND binds closer than OR."""
    alternatives = [[]]
    for item in filters["filters"]:
        if item.get("connector") == "OR":
            alternatives.append([])
        alternatives[-1].append(item)
    compare = {
        "=": lambda a, b: a == b,
        "IN": lambda a, b: a in b,
        ">=": lambda a, b: a is not None and a >= b,
        "<=": lambda a, b: a is not None and a <= b,
    }
    return any(
        all(
            compare[item["op"]](
                run.get((item["key"]["section"], item["key"]["name"])), item["value"]
            )
            for item in items
        )
        for items in alternatives
    )


def a_point(experiment, scale="laptop", C=0.2, beta=0.99):
    """A point that is still being trained: it has no summary yet."""
    return {
        ("run", "group"): f"{experiment}-{scale}",
        ("run", "jobType"): "point",
        ("run", "name"): "0123456789abcdef-01234567",
        ("config", "C"): C,
        ("config", "beta"): beta,
    }


def a_picture(path, scale="laptop"):
    return {
        ("run", "group"): f"figures-{scale}",
        ("run", "jobType"): "figure",
        ("run", "name"): f"{path.stem}-{scale}",
    }


@pytest.mark.parametrize("figure", LAYOUTS)
def test_a_dashboard_shows_its_experiments_and_its_picture_and_nothing_else(command, built, figure):
    filters = built(figure, "laptop")._to_model().spec.section.run_sets[0].filters
    reads = command.reads(FILES[figure])
    for experiment in {name for path in FILES.values() for name in command.reads(path)}:
        shown = [passes(filters, a_point(experiment, C=C)) for C in (-0.2, 0.2)]
        wanted = {"fig11": [False, True], "fig14": [True, False], "figE3": [True, False]}
        expected = wanted.get(figure, [True, True])
        assert shown == (expected if experiment in reads else [False, False]), experiment
        assert not passes(filters, a_point(experiment, scale="paper"))
    for other, path in FILES.items():
        assert passes(filters, a_picture(path)) == (other == figure)
        assert not passes(filters, a_picture(path, scale="smoke"))


def test_figure_14_compares_with_the_rightmost_point(built):
    filters = built("fig14", "laptop")._to_model().spec.section.run_sets[0].filters
    assert passes(filters, a_point("generalization_normal_curve", C=0.22, beta=0.999))


# ---------------------------------------------------------------------------------- what is sent


@pytest.mark.parametrize("figure", LAYOUTS)
def test_what_is_sent_comes_back_the_same_through_the_package(command, built, figure):
    from wandb_workspaces.workspaces import Workspace, internal

    colours = {"abc-1": "#112233", "abc-2": "#445566"}
    first, again = (built(figure, colours=colours)._to_model() for _ in range(2))
    sent = first.spec.model_dump_json(by_alias=True, exclude_none=True)
    assert sent == again.spec.model_dump_json(by_alias=True, exclude_none=True)
    read = internal.WorkspaceViewspec.model_validate_json(sent)
    assert read.model_dump_json(by_alias=True, exclude_none=True) == sent
    loaded = Workspace._from_model(first.model_copy(update={"spec": read}))
    # Only what W&B itself cannot read is turned into something else on the way.
    assert loaded._to_model().spec.model_dump_json(by_alias=True, exclude_none=True) == sent
    shown = [p for section in read.section.panel_bank_config.sections for p in section.panels]
    board = command.board(figure, "smoke")
    assert len(shown) == sum(len(section.panels) for section in board.sections)
    assert len({panel.id for panel in shown}) == len(shown)
    assert all(type(panel).__name__ != "UnknownPanel" for panel in shown)
    tables = [p.config for p in shown if p.view_type == "Weave"]
    assert len(tables) == len(panels_of(board, Table))


def test_the_bounds_of_every_run_are_dashed_as_in_the_figure(built):
    panel = built("fig3", colours={"abc-1": "#112233"}).sections[0].panels[0]
    assert panel.line_marks == {"abc-1:bound/paper": "dotted", "abc-1:bound/exact": "dashed"}


def test_printing_needs_no_network_and_colours_every_point(command, capsys):
    assert command.main(["--print", "fig3", "fig13", "fig2", "--scale", "smoke"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [view["displayName"] for view in printed] == [
        "Figure 3, smoke scale",
        "Figure 13, smoke scale",
        "Figure 2, smoke scale",
    ]
    views = {view["name"] for view in printed}
    assert views == {"nw-adamctfig3smoke-v", "nw-adamctfig13smoke-v", "nw-adamctfig2smoke-v"}
    colours = [view["spec"]["section"]["customRunColors"] for view in printed]
    points = compose_sweep(["experiment=max_update_normal_curve", "scale=smoke"])
    assert set(colours[0]) == {run_identity(point).id for point in points}
    hues = [int(colours[0][run_identity(point).id][1:3], 16) for point in points]
    blues = [int(colours[0][run_identity(point).id][5:7], 16) for point in points]
    assert hues[0] > blues[0]  # the first is the least stable: red
    assert hues[-1] < blues[-1]  # the last the most: blue
    assert len(colours[1]) == 3
    assert colours[2] == {}


def test_adam_is_red_and_each_strategy_has_its_colour():
    from adamct.plotting.rankings import ADAM_COLOUR, COLOURS
    from adamct.tracking.colours import run_colours

    points = compose_sweep(["experiment=kadam_c4", "scale=smoke", "seed=0", "optimizer.lr=1e-3"])
    colours = run_colours(points, "strategy")
    for point in points:
        k, strategy = point.labels["k"], point.labels["strategy"]
        expected = ADAM_COLOUR if k == 1 else COLOURS[strategy]
        assert colours[run_identity(point).id] == expected
    assert set(colours.values()) == {ADAM_COLOUR, COLOURS["inverse_exp"], COLOURS["naive"]}


def test_without_the_data_the_runs_keep_the_colours_of_wandb(command, capsys, monkeypatch):
    monkeypatch.setenv("ADAMCT_DATA", str(Path.cwd()))
    monkeypatch.setenv("ADAMCT_CACHE", str(Path.cwd()))
    assert command.main(["--print", "fig7", "--scale", "paper"]) == 0
    output = capsys.readouterr()
    assert "W&B chooses the colours of max_update_boundary: " in output.err
    assert json.loads(output.out)[0]["spec"]["section"]["customRunColors"] == {}


# ------------------------------------------------------------------------------------- the server


class Server:
    """Views by project and name, as W&B keeps them."""

    def __init__(self):
        self.views = {}

    def answer(self, api, query, variables):
        if "upsertView" in query:
            key = variables["projectName"], variables["name"]
            if key not in self.views:
                assert "id" not in variables
                self.views[key] = {"id": f"id{len(self.views)}"}
            else:
                assert variables["id"] == self.views[key]["id"]
            self.views[key] |= {"spec": variables["spec"], "displayName": variables["displayName"]}
            return {"upsertView": {"view": {"id": self.views[key]["id"], "name": key[1]}}}
        if variables["projectName"] == "nowhere":
            return {"project": None}
        view = self.views.get((variables["projectName"], variables["viewName"]))
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
    for done in ("created", "updated"):
        assert command.main(words) == 0
        assert capsys.readouterr().out.splitlines() == [
            f"fig2: {done} https://wandb.example/me/adamct?nw=adamctfig2smoke",
            f"fig5: {done} https://wandb.example/me/adamct?nw=adamctfig5smoke",
        ]
    assert len(server.views) == 2
    (sent,) = (v["spec"] for (_, n), v in server.views.items() if n == "nw-adamctfig5smoke-v")
    assert "head_squared_norms" in sent


def test_the_entity_is_that_of_the_environment_unless_named(command, server, capsys, monkeypatch):
    monkeypatch.setenv("WANDB_ENTITY", "team")
    for words, owner in ((["fig2"], "team"), (["fig2", "--entity", "me"], "me")):
        assert command.main(words) == 0
        assert f"https://wandb.example/{owner}/adamct" in capsys.readouterr().out


def test_a_project_that_is_not_there_is_named(command, server):
    with pytest.raises(SystemExit, match=r"W&B has no project me/nowhere: train something with"):
        command.main(["fig2", "--entity", "me", "--project", "nowhere"])


def test_a_server_that_refuses_is_an_error_in_words(command, server, monkeypatch):
    def refuse(api, query, variables):
        if "upsertView" in query:
            raise OSError("permission denied")
        return server.answer(api, query, variables)

    monkeypatch.setattr("wandb_workspaces.workspaces.internal.execute_graphql", refuse)
    message = r"error: W&B did not save 'Figure 2, laptop scale': permission denied"
    with pytest.raises(SystemExit, match=message):
        command.main(["fig2", "--entity", "me"])


def test_without_the_package_the_remedy_is_named(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    monkeypatch.delitem(sys.modules, "adamct.tracking.workspaces", raising=False)
    with pytest.raises(SystemExit, match=r"error: .*wandb_workspaces.*; install the project's"):
        command.main(["fig2", "--print"])


def test_a_server_that_cannot_be_reached_is_an_error_in_words(command, monkeypatch):
    import wandb

    def login(**_):
        raise wandb.errors.AuthenticationError("Failed to authenticate with https://wandb.example")

    monkeypatch.setattr(wandb, "login", login)
    with pytest.raises(SystemExit, match=r"error: Failed to authenticate .* --print needs neither"):
        command.main(["fig2"])


# ------------------------------------------------------------------------------------ the command


def call(*arguments, **environment):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        env={"PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        text=True,
    )


def test_without_a_login_it_says_so(tmp_path):
    done = call("fig2", HOME=str(tmp_path), PATH=os.environ["PATH"])
    assert done.returncode == 1
    assert (
        "error: no login to W&B, or WANDB_MODE=offline: run `wandb login`, or set WANDB_API_KEY"
        in done.stderr
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--help", "--list"])
def test_help_and_list_import_nothing_heavy(option):
    code = (
        "import runpy, sys\n"
        f"sys.argv = [{str(SCRIPT)!r}, {option!r}]\n"
        f"sys.path.insert(0, {str(SCRIPT.parent)!r})\n"
        f"try: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'wandb', 'wandb_workspaces', 'torch', 'matplotlib', 'pandas', 'hydra'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    path = {"PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, env=path, capture_output=True, text=True
    )
    if option == "--list":
        assert [line.split()[0] for line in done.stdout.splitlines()] == list(
            dict.fromkeys(
                f"fig{p.stem.split('_')[0][3:].lstrip('0')}" for p in sorted(FILES.values())
            )
        )


def test_an_unknown_figure_is_named(command, capsys):
    with pytest.raises(SystemExit) as end:
        command.main(["fig99"])
    assert end.value.code == 2
    assert "unknown figure 'fig99'; there are fig1, " in capsys.readouterr().err
