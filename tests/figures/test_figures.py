"""Every figure draws from the records of a real, small sweep, and is reproducible to the byte.

Drawn once from the runs and once from the reference that is saved of them.
"""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from adamct import files, records
from adamct.config.compose import compose_sweep, experiment_names
from adamct.plotting.registry import figure_files, label, reads
from adamct.plotting.render import render
from adamct.plotting.rendered import Rendered
from adamct.plotting.source import reference_source
from adamct.records import archive

ROOT = Path(__file__).parents[2]
FIGURES = list(figure_files().values())


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


# As scripts/run.py of each, in one process: importing torch takes longer than these runs.
TRAIN = """
import runpy, sys
runs, *experiments = sys.argv[1:]
for name in experiments:
    sys.argv = ["run.py", "-m", f"experiment={name}", "scale=smoke", "hydra/launcher=basic", runs]
    try:
        runpy.run_path("scripts/run.py", run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
"""


def train_and_draw(shared):
    names = call("scripts/plot.py", "--list").stdout.split()
    experiments = call("scripts/plot.py", "--reads", *names).stdout.split()
    runs = f"runs_dir={shared / 'runs'}"
    done = call("-c", TRAIN, runs, *experiments)
    assert done.returncode == 0, done.stderr
    for experiment in experiments:
        sweep = compose_sweep([f"experiment={experiment}", "scale=smoke", runs])
        archive.save(sweep, records.load(sweep), shared / "reference" / "smoke")
    done = call("scripts/plot.py", *names, "--scale", "smoke", "--out", shared / "runs_drawn", runs)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    source = reference_source("smoke", shared / "reference")
    for name in names:
        render(name, source, shared / "reference_drawn" / "smoke")


def facts_of(folder, stem):
    return Rendered.model_validate_json((folder / f"{stem}.json").read_text())


@pytest.mark.parametrize("path", FIGURES, ids=lambda p: p.stem)
def test_a_figure_draws_the_same_from_runs_and_from_reference(path, drawn):
    of_runs, of_reference = (
        drawn / f"{source}_drawn" / "smoke" for source in ("runs", "reference")
    )
    rounded = bool(set(reads(path)) & set(archive.ROUNDED))
    if rounded:  # to 6e-8 of a value, which may move the shade of a pixel
        name = path.stem + ".png"
        one, other = (imread(folder / name) for folder in (of_runs, of_reference))
        assert one.shape == other.shape
        assert np.abs(one - other).mean() < 1e-3
    else:
        for suffix in (".png", ".pdf"):
            name = path.stem + suffix
            assert (of_runs / name).read_bytes() == (of_reference / name).read_bytes()
    facts, others = (facts_of(folder, path.stem) for folder in (of_runs, of_reference))
    for verdict, like in zip(facts.verdicts, others.verdicts, strict=True):
        if rounded:
            pair = np.array([verdict.statistic, like.statistic], float)  # NaN for none
            assert np.allclose(pair[0], pair[1], rtol=1e-4, equal_nan=True)
            assert verdict.status == like.status
        else:
            assert verdict == like
    # Figure 10 shows an architecture, of which the paper claims nothing.
    assert bool(facts.verdicts) == (path.stem != "fig10_cnn")
    assert all(verdict.detail for verdict in facts.verdicts)
    assert (facts.source, others.source) == ("runs", "reference")
    for of, like in zip(facts.experiments, others.experiments, strict=True):
        assert of == like.model_copy(update={"command": of.command})  # one names its runs_dir


def test_a_figure_says_where_it_comes_from(drawn):
    facts = facts_of(drawn / "runs_drawn" / "smoke", "fig06_kadam_cifar10")
    assert (facts.figure, facts.scale) == ("fig6", "smoke")
    assert facts.seconds > 0
    (experiment,) = facts.experiments
    assert experiment.question.startswith("Does applying Adam's normalization k times beat")
    assert experiment.command.startswith(
        "python scripts/run.py -m experiment=kadam_cifar10 scale=smoke runs_dir="
    )
    # k = 1 and 3, two strategies, learning rates, kinds of decay and seeds; at k = 1 no strategy.
    assert (experiment.points, experiment.runs) == (32, 24)
    assert experiment.statuses == {"finished": 24}
    assert (experiment.seeds, experiment.n_steps) == ((0, 1), (20,))
    assert experiment.corpora == ("digits",)
    assert experiment.wall_s > 0
    assert len(experiment.run_ids_sha256) == 64


@pytest.mark.parametrize("path", FIGURES, ids=lambda p: p.stem)
def test_a_figure_says_what_it_reads_and_shows_in_plain_text(path):
    tree = ast.parse(path.read_text())
    assert set(reads(path)) <= set(experiment_names())
    assert ast.get_docstring(tree).startswith(f"Figure {label(path.stem)}: ")
    constants = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id in {"CAPTION", "ALT"}
    }
    caption, alt = constants["CAPTION"].strip(), constants["ALT"]
    assert 150 < len(caption) < 1000
    assert 60 < len(alt) < 350
    assert not set("$\\`") & set(caption + alt)  # plain text, no mark-up
    assert not re.search(r"\w-\s", caption + alt)  # a word broken over lines would gain a space
    assert caption.endswith(".")
    assert alt.endswith(".")


@pytest.mark.parametrize(
    "backend", ["no such backend", "module://matplotlib_inline.backend_inline"]
)
def test_a_figure_draws_whatever_backend_a_notebook_names(backend, tmp_path):
    words = ("fig2", "--records", "reference", "--out", tmp_path)
    done = call("scripts/plot.py", *words, MPLBACKEND=backend)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "laptop" / "fig02_level_curves.png").exists()


def test_a_missing_run_is_named_with_the_command_that_trains_it(tmp_path):
    done = call("scripts/plot.py", "fig3", "--scale", "smoke", f"runs_dir={tmp_path}")
    assert done.returncode == 2
    assert "4 of 4 runs of max_update_normal_curve (smoke scale) are missing" in done.stderr
    assert "scripts/run.py -m experiment=max_update_normal_curve scale=smoke" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_figure_is_named():
    done = call("scripts/plot.py", "fig99")
    assert done.returncode == 2
    assert "unknown figure 'fig99'; there are fig" in done.stderr
