"""Every figure draws from the records of a real, small sweep, and is reproducible to the byte."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIGURES = sorted((ROOT / "figures").glob("fig*.py"))


def call(*command, **env):
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="session")
def smoke_runs(tmp_path_factory):
    """Train at smoke scale what the figures read, once for all."""
    runs = tmp_path_factory.mktemp("runs")
    reads = call("scripts/plot.py", "--reads", *call("scripts/plot.py", "--list").stdout.split())
    for experiment in reads.stdout.split():
        done = call(
            "scripts/run.py", "-m", f"experiment={experiment}", "scale=smoke", f"runs_dir={runs}"
        )
        assert done.returncode == 0, done.stderr
    return runs


@pytest.mark.parametrize("path", FIGURES, ids=lambda p: p.stem)
def test_a_figure_draws_and_repeats(path, smoke_runs, tmp_path):
    name = "fig" + path.stem.split("_")[0].removeprefix("fig").lstrip("0")
    for out in ("first", "second"):
        done = call(
            "scripts/plot.py", name, "--scale", "smoke", "--out", str(tmp_path / out),
            f"runs_dir={smoke_runs}",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    verdicts = json.loads((tmp_path / "first" / "smoke" / f"{path.stem}.verdicts.json").read_text())
    assert verdicts, "a figure has claims, and plot.py judges them"
    assert all(verdict["detail"] for verdict in verdicts)
    for suffix in (".png", ".pdf", ".verdicts.json"):
        first, second = (
            tmp_path / out / "smoke" / (path.stem + suffix) for out in ("first", "second")
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
