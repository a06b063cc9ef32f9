"""The commands that make, and save, what a reader sees: scripts/reproduce.py and its neighbours."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adamct.environment import commit, is_edited
from adamct.plotting.registry import FigureError, chosen, figure_files, import_file, reads
from adamct.plotting.rendered import Rendered
from adamct.plotting.source import Source
from adamct.report import make
from adamct.report.page import Times
from adamct.tracking.mode import TrackingError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def main(script, monkeypatch):
    """Return a function that calls a script's main, in this process, with a command line."""

    def main(name, *words):
        monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
        return script(f"{name}.py").main()

    return main


@pytest.fixture
def drawn(monkeypatch):
    """Draw nothing: return the list of the names that would have been drawn."""
    names = []

    def render(name, source, folder):
        names.append(name)
        facts = {"figure": name, "stem": figure_files()[name].stem, "scale": source.scale}
        return Rendered.model_construct(**facts, files=(), verdicts=(), experiments=())

    monkeypatch.setattr("adamct.plotting.render.render", render)
    return names


def test_a_figure_that_fails_keeps_no_other_from_being_drawn(
    main, monkeypatch, tmp_path, capsys, drawn
):
    called = []

    def script(*words):
        called.append(words)
        return words[0] == "report.py"

    monkeypatch.setattr(make, "script", script)
    words = ["figE1", "figE5", "fig2", "--scale", "smoke", "--launcher", "basic", "--report"]
    assert main("reproduce", *words, "--out", tmp_path, "seed=1") == 1
    shared = ("scale=smoke", "hydra/launcher=basic", "seed=1")
    experiments = ("instability_map", "instability_strip", "max_update_levels")
    trained = [("run.py", "-m", f"experiment={name}", *shared) for name in experiments]
    report = ("report.py", "--scale", "smoke", "--out", str(tmp_path))
    assert called == [*trained, report]
    assert drawn == ["fig2"]
    out, err = capsys.readouterr()
    assert err == "error: failed, as said above: figE1, figE5\n"
    times = Times.model_validate_json((tmp_path / "smoke" / "times.json").read_text())
    assert (times.records, times.report) == ("runs", 0.0)
    assert list(times.figures) == ["figE1", "figE5", "fig2"]
    assert times.total == pytest.approx(sum(times.figures.values()))
    table = [row.split()[0] for row in out.splitlines()[-5:]]
    assert table == ["figE1", "figE5", "fig2", "report", "total"]


def test_an_interrupted_sweep_ends_it_all(main, monkeypatch, tmp_path, capsys):
    (tmp_path / "run.py").write_text("raise SystemExit(130)")
    monkeypatch.setattr(make, "SCRIPTS", tmp_path)
    words = ["figE5", "fig2", "--scale", "smoke", "--out", tmp_path / "out"]
    assert main("reproduce", *words) == 130
    assert "interrupted; start again" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# Ctrl-C reaches a script and what started it; the script ends later, in order.
INTERRUPTED = """
import os, signal, sys, time
def end(*_):
    time.sleep(0.5)
    open("ended", "w").close()
    sys.exit(130)
signal.signal(signal.SIGINT, end)
os.killpg(0, signal.SIGINT)
time.sleep(60)
"""
INTERRUPTING = """
import pathlib, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from adamct.report import make
make.SCRIPTS = pathlib.Path.cwd()
try:
    make.script("run.py")
except KeyboardInterrupt:
    pathlib.Path("ended").rename("ended before")
"""


def test_an_interrupted_script_is_left_to_end_in_order(tmp_path):
    (tmp_path / "run.py").write_text(INTERRUPTED)
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    words = [sys.executable, "-c", INTERRUPTING]
    subprocess.run(words, cwd=tmp_path, env=env, check=True, start_new_session=True)
    assert (tmp_path / "ended before").exists()


def test_a_tracker_is_found_among_overrides_of_the_experiments(tmp_path):
    overrides = ("seed=0,1", "curve.n_points=3", f"runs_dir={tmp_path}")
    assert Source("smoke", overrides).tracker() is None
    asked = ("tracker=wandb", "tracker.mode=offline", "++tracker.project=mine")
    tracker = Source("smoke", (*overrides, *asked)).tracker()
    assert (tracker.mode, tracker.project) == ("offline", "mine")
    assert tracker.folder == tmp_path / ".wandb"


def test_figures_of_the_reference_are_drawn_by_several_processes(main, tmp_path, capfd):
    """In order, as by this process; one that cannot be drawn is named, and stops no other."""
    words = ["fig3", "fig2", "--scale", "paper", "--records", "reference", "--out"]
    assert main("reproduce", *words, tmp_path) == 1
    out, err = capfd.readouterr()
    assert out.startswith("fig2: ")
    assert "Traceback" not in err
    assert err.count("holds no reference of max_update_normal_curve") == 1
    assert err.endswith("error: failed, as said above: fig3\n")
    assert main("reproduce", "fig2", *words[2:], tmp_path / "here") == 0  # one needs no process
    for path in (tmp_path / "paper").glob("fig02*.p*"):
        assert path.read_bytes() == (tmp_path / "here" / "paper" / path.name).read_bytes()


def test_what_is_said_to_a_launcher_does_not_reach_the_records(monkeypatch):
    """``make fig3 LAUNCHER=slurm OVERRIDES=hydra.launcher.partition=gpu`` trains, then draws."""
    said = ["hydra.launcher.partition=gpu", "+hydra.launcher.additional_parameters.nice=10"]
    kept = ["seed=1", "hydra.sweeper.params.point='0,1'"]
    monkeypatch.setattr(sys, "argv", ["plot", "fig3", "--scale", "smoke", *said, *kept])
    monkeypatch.chdir(ROOT)
    assert make.Figures(make.parse(argparse.ArgumentParser())).source.overrides == tuple(kept)


@pytest.mark.parametrize("name", ["plot", "reproduce"])
def test_a_server_that_fails_is_asked_once_and_one_switched_off_never(
    main, monkeypatch, tmp_path, capsys, name, drawn
):
    asked = []

    def fail(tracker, rendered, folder):
        asked.append(rendered.stem)
        raise TrackingError("W&B failed")

    monkeypatch.setattr("adamct.tracking.figures.mirror_figure", fail)
    words = ["fig2", "fig10", "--scale", "smoke", "--out", tmp_path, "tracker=wandb"]
    words += [f"runs_dir={tmp_path}"]
    assert main(name, *words, "tracker.mode=online") == 0
    assert asked == ["fig02_level_curves"]
    warning = "warning: fig2, and what is drawn after it, is not in W&B: W&B failed\n"
    assert capsys.readouterr().err == warning
    assert main(name, *words, "tracker.mode=disabled") == 0
    assert len(asked) == 1
    assert capsys.readouterr().err == ""
    assert drawn == ["fig2", "fig10"] * 2


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("plot", "fig3 --scale smoke", "4 of 4 runs of max_update_normal_curve (smoke scale) are"),
        ("plot", "fig3 --scale paper --records reference", "no reference of max_update_normal_cu"),
        ("plot", "fig99", "unknown figure 'fig99'; there are fig"),
        ("reproduce", "fig3 --scale paper --records reference", "no reference of max_update_norm"),
    ],
)
def test_records_that_are_not_there_are_named_and_nothing_is_trained(
    name, words, said, main, tmp_path, capsys
):
    """Where there is an experiment, with the command that trains it."""
    try:
        code = main(name, *words.split(), "--out", tmp_path, f"runs_dir={tmp_path}")
    except SystemExit as end:
        code = end.code
    assert code == (1 if name == "reproduce" else 2)
    said_all = capsys.readouterr().err
    assert said in said_all
    command = "scripts/run.py -m experiment=max_update_normal_curve scale="
    assert (command in said_all) == ("fig3" in words)
    assert not list(tmp_path.iterdir())


def test_figures_are_found_by_name_and_say_what_they_read(tmp_path):
    assert chosen(["figE1", "fig3"])["fig3"] == ROOT / "figures" / "fig03_max_update.py"
    assert reads(ROOT / "figures" / "fig02_level_curves.py") == ()
    (tmp_path / "fig77_mine.py").write_text('"""Figure 77."""\nREADS = ("a", "b")\n')
    (tmp_path / "fig78_silent.py").write_text('"""Figure 78."""\n')
    files = figure_files(tmp_path)
    assert list(files) == ["fig77", "fig78"]
    assert reads(files["fig77"]) == ("a", "b")
    with pytest.raises(FigureError, match=r"fig78_silent\.py has no line READS"):
        reads(files["fig78"])


def test_runs_of_another_commit_or_of_edited_code_are_refused(tmp_path, monkeypatch):
    mixed = import_file(ROOT / "scripts" / "save_reference.py").mixed

    def git(*words):
        name = ["-c", "user.name=a", "-c", "user.email=a@b"]
        done = subprocess.run(["git", *name, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    monkeypatch.chdir(tmp_path)
    assert is_edited(tmp_path)  # nobody knows
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "first")
    assert commit(tmp_path) is None  # of a project that knows nothing of these files
    assert mixed({"0" * 40}, edited=False) == "this is no checkout"
    (tmp_path / "code.py").touch()
    git("add", "code.py")
    git("commit", "-q", "-m", "second")
    head = commit(tmp_path)
    assert head == git("rev-parse", "HEAD")
    saved = tmp_path / "figures" / "reference" / "laptop"
    saved.mkdir(parents=True)
    (saved / "provenance.json").write_text("{}")
    assert mixed({head}, edited=False) is None  # what is being saved is no edit of the code
    assert mixed({head}, edited=True) == "some runs are of edited code"
    assert "but " + head[:9] + " is checked out" in mixed({head, "0" * 40}, edited=False)
    assert mixed({None}, edited=False) == "some runs were made outside git"
    (tmp_path / "code.py").write_text("1")
    assert mixed({head}, edited=False) == "this checkout has been edited"


def planned(*words):
    """Return the commands that make would run, a line each."""
    words = ["make", "-n", *words]
    done = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.replace("\\\n", " ")


@pytest.mark.parametrize(
    ("words", "handed_on"),
    [
        ("fig3", ["reproduce.py", " fig3", "--records runs", "--launcher local"]),
        ("figures SCALE=paper LAUNCHER=slurm", ["--scale paper", "--launcher slurm"]),
        ("figures TRACKER=wandb OVERRIDES=seed=1", ["tracker=wandb", "seed=1"]),
        ("figures RECORDS=reference", ["--records reference"]),
        ("report SCALE=smoke", ["scripts/report.py --scale smoke"]),
        ("report RECORDS=reference", ["--records reference", "--report"]),
        ("all", ["--report"]),
        ("smoke", ["--scale smoke", "--launcher basic", "--report"]),
    ],
)
def test_make_hands_its_variables_on(words, handed_on):
    (line,) = [line for line in planned(*words.split()).splitlines() if "scripts/re" in line]
    assert [word for word in handed_on if word not in line] == []
    assert ("tracker=" in line) == ("TRACKER" in words)


def test_make_lists_its_targets_and_figures_and_clean_keeps_the_reference():
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = {line.split()[0] for line in done.stdout.splitlines() if line}
    targets = ["all", "smoke", "figures", "report", "verdicts", "workspaces", "check", "clean"]
    assert {*targets, "test", "lint", *figure_files()} <= listed
    removed = planned("clean").split()
    assert "figures/out" in removed
    assert not {"figures", "figures/reference", "runs", "data", ".venv"} & set(removed)
