"""Every figure draws from the records of a real, small sweep, and is reproducible to the byte."""

import ast
import os
import re
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from torch import nn

from adamct.config.compose import compose_sweep, experiment_names
from adamct.models import CNN
from adamct.plotting import source
from adamct.plotting.registry import figure_files, figure_number, import_file, reads
from adamct.plotting.render import render
from adamct.plotting.rendered import Rendered
from adamct.plotting.source import Source, reference_source
from adamct.plotting.style import RC, style
from adamct.records import archive, join
from adamct.runs.runner import train_run

ROOT = Path(__file__).parents[2]
FIGURES = figure_files()
READ = {name: reads(path) for name, path in FIGURES.items()}


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """Train at smoke scale what the figures read: the runs themselves, and a reference of them."""
    monkeypatch.setitem(RC, "savefig.dpi", 60)  # of which there are fewer pixels to draw
    runs = Source("smoke", (f"runs_dir={tmp_path / 'runs'}",))
    for experiment in sorted({name for names in READ.values() for name in names}):
        sweep = compose_sweep([f"experiment={experiment}", "scale=smoke", *runs.overrides])
        monkeypatch.setattr(source, "compose_sweep", lambda _, sweep=sweep: sweep)
        places = {name: getattr(sweep, name) for name in ("runs_dir", "data_dir", "cache_dir")}
        for spec in sweep.runs.values():
            train_run(spec, sweep.execution, **places)
        archive.save(*runs.open(experiment), tmp_path / "reference" / "smoke")
    monkeypatch.setattr(source, "compose_sweep", compose_sweep)
    yield runs, reference_source("smoke", tmp_path / "reference")
    torch.use_deterministic_algorithms(False)


def test_every_figure_draws_the_same_from_runs_and_from_reference(sources, tmp_path):
    for name, path in FIGURES.items():
        folders = tmp_path / "of runs", tmp_path / "of reference"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            rendered = [render(name, *drawn) for drawn in zip(sources, folders, strict=True)]
        stems = [folder / path.stem for folder in folders]
        for of, stem in zip(rendered, stems, strict=True):
            assert Rendered.model_validate_json(stem.with_suffix(".json").read_text()) == of
        compare_pictures(name, *stems)
        compare_facts(name, *rendered)
    says_where_it_comes_from(render("fig6", sources[0], tmp_path))


@cache
def rounded(name):
    """Whether the reference rounds what a figure reads: to 6e-8 of a value."""
    asked = ([f"experiment={experiment}", "scale=smoke"] for experiment in READ[name])
    return any(compose_sweep(words, with_data=False).reference_rounds for words in asked)


def compare_pictures(name, *stems):
    for suffix in (".png", ".pdf"):
        one, other = (stem.with_suffix(suffix) for stem in stems)
        assert rounded(name) or one.read_bytes() == other.read_bytes(), name
    if rounded(name):  # which may move the shade of a pixel
        one, other = (imread(stem.with_suffix(".png")) for stem in stems)
        assert one.shape == other.shape, name
        assert np.abs(one - other).mean() < 1e-3, name


def compare_facts(name, facts, others):
    for verdict, like in zip(facts.verdicts, others.verdicts, strict=True):
        pair = np.array([verdict.statistic, like.statistic], float)  # NaN for none
        near = rounded(name) and np.allclose(*pair, rtol=1e-4, equal_nan=True)
        assert verdict == like or (near and verdict.status == like.status), name
    # Figure 10 shows an architecture, of which the paper claims nothing.
    assert bool(facts.verdicts) == (name != "fig10")
    assert all(verdict.detail for verdict in facts.verdicts)
    assert (facts.source, others.source) == ("runs", "reference")
    for of, like in zip(facts.experiments, others.experiments, strict=True):
        assert of == like.model_copy(update={"command": of.command})  # one names its runs_dir


def says_where_it_comes_from(facts):
    assert (facts.figure, facts.scale) == ("fig6", "smoke")
    assert facts.seconds > 0
    experiment, contenders = facts.experiments
    assert (contenders.points, contenders.seeds) == (8, (10,))
    assert experiment.question.endswith("?")
    assert experiment.command.startswith(
        "python scripts/run.py -m experiment=kadam_cifar10 scale=smoke runs_dir="
    )
    # Adam and 3-Adam of two strategies with either kind of decay, and the k-th roots with one.
    assert (experiment.points, experiment.runs) == (7, 7)
    assert experiment.statuses == {"finished": 7}
    assert (experiment.seeds, experiment.n_steps) == ((10,), (20,))
    assert experiment.corpora == ("digits",)
    assert experiment.wall_s > 0
    assert len(experiment.run_ids_sha256) == 64


@pytest.mark.parametrize("path", FIGURES.values(), ids=lambda p: p.stem)
def test_a_figure_says_what_it_reads_and_shows_in_plain_text(path):
    tree = ast.parse(path.read_text())
    assert set(reads(path)) <= set(experiment_names())
    assert ast.get_docstring(tree).startswith(f"Figure {figure_number(path.stem)}: ")
    figure = import_file(path)
    caption, alt = figure.CAPTION.strip(), figure.ALT
    assert 150 < len(caption) < 1000
    assert 60 < len(alt) < 350
    assert not set("$\\`") & set(caption + alt)  # plain text, no mark-up
    assert not re.search(r"\w-\s", caption + alt)  # a word broken over lines would gain a space


@pytest.mark.parametrize(
    "words",
    [
        ["scripts/plot.py", "fig2", "--records", "reference", "--out"],
        ["scripts/workspaces.py", "--print", "fig2"],
    ],
)
def test_a_figure_draws_whatever_backend_a_notebook_names(words, tmp_path):
    words = words + [str(tmp_path)] * (words[-1] == "--out")
    env = {**os.environ, "MPLBACKEND": "no such backend"}
    done = subprocess.run([sys.executable, *words], cwd=ROOT, env=env, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "laptop" / "fig02_level_curves.png").exists() == ("--out" in words)


def changed(config):
    """Return the network with 5 × 5 kernels and another nonlinearity."""
    model = CNN(config)
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Conv2d):
            module.kernel_size, module.padding = (5, 5), (2, 2)
            module.weight = nn.Parameter(torch.empty(*module.weight.shape[:2], 5, 5))
        if isinstance(module, nn.ReLU):
            model.set_submodule(name, nn.GELU())
    return model


def test_the_title_of_figure_10_follows_the_module(monkeypatch):
    figure = import_file(FIGURES["fig10"])
    convolutions = 3 * 32 + 32 * 64 + 64 * 128 + 128 * 128 + 128 * 256 + 256 * 256
    more = f"{5_851_338 + (25 - 9) * convolutions:,}"
    for model, *parts in (
        (CNN, "5,851,338", "3 × 3 kernels with padding 1, ReLU"),
        (changed, more, "5 × 5 kernels with padding 2, GELU"),
    ):
        monkeypatch.setattr(figure, "CNN", model)
        with style():
            title = figure.draw(join([])).axes[0].get_title(loc="left")
        assert title == "{} parameters; {}, 2 × 2 max pooling".format(*parts)
