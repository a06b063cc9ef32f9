"""Every figure draws from the records of a real, small sweep, and is reproducible to the byte."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adamct import files

ROOT = Path(__file__).parents[2]
FIGURES = sorted((ROOT / "figures").glob("fig*.py"))


def call(*command, **env):
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="session")
def drawn(tmp_path_factory, worker_id):
    """Train at smoke scale what the figures read and draw them all twice, once for all workers."""
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "figures"
    shared.mkdir(exist_ok=True)
    with files.exclusive(shared / "lock", wait=True):
        if not (shared / "done").exists():
            train_and_draw(shared)
            (shared / "done").touch()
    return shared


def train_and_draw(shared):
    names = call("scripts/plot.py", "--list").stdout.split()
    runs = f"runs_dir={shared / 'runs'}"
    for experiment in call("scripts/plot.py", "--reads", *names).stdout.split():
        sweep = ["-m", f"experiment={experiment}", "scale=smoke", "hydra/launcher=basic", runs]
        done = call("scripts/run.py", *sweep)
        assert done.returncode == 0, done.stderr
    for out in ("first", "second"):
        done = call("scripts/plot.py", *names, "--scale", "smoke", "--out", shared / out, runs)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""


@pytest.mark.parametrize("path", FIGURES, ids=lambda p: p.stem)
def test_a_figure_draws_and_repeats(path, drawn):
    verdicts = json.loads((drawn / "first" / "smoke" / f"{path.stem}.verdicts.json").read_text())
    # Figure 10 shows an architecture, of which the paper claims nothing.
    assert bool(verdicts) == (path.stem != "fig10_cnn")
    assert all(verdict["detail"] for verdict in verdicts)
    for suffix in (".png", ".pdf", ".verdicts.json"):
        first, second = (
            drawn / out / "smoke" / (path.stem + suffix) for out in ("first", "second")
        )
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("path", FIGURES, ids=lambda p: p.stem)
def test_a_figure_reads_experiments_that_exist_and_name_it(path):
    tree = ast.parse(path.read_text())
    (reads,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "READS"
    )
    assert ast.get_docstring(tree).startswith("Figure ")
    number = path.stem.split("_")[0].removeprefix("fig").lstrip("0")
    for experiment in reads:
        header = (ROOT / "conf" / "experiment" / f"{experiment}.yaml").read_text()
        feeds = header.partition("Feeds: Figure")[2].partition("\n")[0]
        assert number in feeds.removeprefix("s").replace(",", " ").replace(".", " ").split()


def test_a_missing_run_is_named_with_the_command_that_trains_it(tmp_path):
    done = call("scripts/plot.py", "fig3", "--scale", "smoke", f"runs_dir={tmp_path}")
    assert done.returncode == 1
    assert "4 of 4 runs of max_update_normal_curve (smoke scale) are missing" in done.stderr
    assert "scripts/run.py -m experiment=max_update_normal_curve scale=smoke" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_figure_is_named():
    done = call("scripts/plot.py", "fig99")
    assert done.returncode == 2
    assert "unknown figure 'fig99'; there are fig" in done.stderr
