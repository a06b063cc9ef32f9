"""Every figure draws from the records of a real, small sweep, and is reproducible to the byte.

Drawn once from the runs and once from the reference that is saved of them.
"""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from adamct import files, records
from adamct.config.compose import compose_sweep
from adamct.plotting import registry as gallery
from adamct.plotting import render as drawing
from adamct.records import archive as reference

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
    """Train at smoke scale what the figures read and draw them all, once for all workers."""
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
        cells = compose_sweep([f"experiment={experiment}", "scale=smoke", runs])
        reference.save(cells, records.load(cells), shared / "reference")
    done = call("scripts/plot.py", *names, "--scale", "smoke", "--out", shared / "runs_drawn", runs)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    source = drawing.Source("smoke", reference=shared / "reference")
    for name in names:
        drawing.draw(name, source, shared / "reference_drawn" / "smoke")


@pytest.mark.parametrize("path", FIGURES, ids=lambda p: p.stem)
def test_a_figure_draws_the_same_from_runs_and_from_reference(path, drawn):
    of_runs, of_reference = (
        drawn / f"{source}_drawn" / "smoke" for source in ("runs", "reference")
    )
    rounded = bool(set(gallery.reads(path)) & set(reference.ROUNDED))
    if rounded:  # to 6e-8 of a value, which may move the shade of a pixel
        name = path.stem + ".png"
        one, other = (imread(folder / name) for folder in (of_runs, of_reference))
        assert one.shape == other.shape
        assert np.abs(one - other).mean() < 1e-3
    else:
        for suffix in (".png", ".pdf"):
            name = path.stem + suffix
            assert (of_runs / name).read_bytes() == (of_reference / name).read_bytes()
    facts, others = (
        json.loads((out / f"{path.stem}.json").read_text()) for out in (of_runs, of_reference)
    )
    for verdict, like in zip(facts["verdicts"], others["verdicts"], strict=True):
        if rounded:
            pair = np.array([verdict["statistic"], like["statistic"]], float)  # NaN for none
            assert np.allclose(pair[0], pair[1], rtol=1e-4, equal_nan=True)
            assert verdict["status"] == like["status"]
        else:
            assert verdict == like
    # Figure 10 shows an architecture, of which the paper claims nothing.
    assert bool(facts["verdicts"]) == (path.stem != "fig10_cnn")
    assert all(verdict["detail"] for verdict in facts["verdicts"])
    assert (facts["source"], others["source"]) == ("runs", "reference")
    for of, like in zip(facts["experiments"], others["experiments"], strict=True):
        assert of | {"command": None} == like | {"command": None}  # one names its runs_dir


def test_a_figure_says_where_it_comes_from(drawn):
    facts = json.loads((drawn / "runs_drawn" / "smoke" / "fig06_kadam_cifar10.json").read_text())
    assert (facts["figure"], facts["stem"]) == ("fig6", "fig06_kadam_cifar10")
    assert facts["title"].startswith("Figure 6: ")
    assert facts["scale"] == "smoke"
    assert facts["seconds"] > 0
    (experiment,) = facts["experiments"]
    assert experiment["question"].startswith("Does applying Adam's normalization k times beat")
    assert experiment["command"].startswith(
        "python scripts/run.py -m experiment=kadam_cifar10 scale=smoke runs_dir="
    )
    # k = 1 and 3, two strategies, learning rates, kinds of decay and seeds; at k = 1 no strategy.
    assert (experiment["cells"], experiment["runs"]) == (32, 24)
    assert experiment["statuses"] == {"finished": 24}
    assert (experiment["seeds"], experiment["n_steps"]) == ([0, 1], [20])
    assert experiment["corpora"] == ["digits"]
    assert experiment["wall_s"] > 0
    assert len(experiment["run_ids_sha256"]) == 64


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
