"""Figures as scripts/plot.py leaves them, made up: the report reads files, not runs."""

import io
import json
from functools import cache

import numpy as np
import pytest
from matplotlib.image import imsave

from adamct.plotting.registry import figure_files
from adamct.report import document, page

FIGURES = {name: figure_files()[name] for name in ("fig2", "fig3", "figE1", "figE4")}


@cache
def png(width=1540, height=800):
    """Return a white picture."""
    file = io.BytesIO()
    imsave(file, np.ones((height, width, 3)))
    return file.getvalue()


def verdict(name, **changes):
    values = {
        "name": name, "figure": "fig03", "kind": "paper", "reference": "Section 3.2, Fig. 3b",
        "statement": f"what {name} says", "criterion": "the interval lies below 1",
        "reads": ["max_update_normal_curve"], "status": "reproduced", "statistic": 0.0340233,
        "interval": [0.0312, 0.0395], "n": 21, "detail": f"numbers of {name}", "scale": "laptop",
        "rule": "t over 3 seeds, 95 %", "seeds": [10, 11, 12], "corpora": ["pydoc_topics"],
        "devices": ["AMD EPYC"],
    }  # fmt: skip
    return values | changes


def experiment(name, **changes):
    values = {
        "experiment": name, "question": "Does the max-update obey its bound?",
        "command": f"python scripts/run.py -m experiment={name}", "points": 64, "runs": 64,
        "seeds": [0, 1], "n_steps": [1010], "settings": {"k": "1, 2", "lr": "0.001 … 0.03"},
        "corpora": ["pydoc_topics"], "data_sha256": ["3f" * 32], "commits": ["66a9ef3" + 33 * "0"],
        "dirty": False, "devices": ["AMD EPYC"], "statuses": {"finished": 62, "diverged": 2},
        "wall_s": 612.4, "run_ids_sha256": "ab" * 32,
    }  # fmt: skip
    return values | changes


def figure(name, **changes):
    stem = FIGURES[name].stem
    values = {
        "figure": name, "stem": stem, "title": f"Title of {name}", "files": [f"{stem}.png"],
        "caption": f"How to read {name}.", "alt": f"A picture of {name}.", "scale": "laptop",
        "source": "runs", "drawn": "2026-11-24T13:02:11+00:00", "seconds": 3.21,
        "verdicts": [verdict(f"claim-of-{name}")],
        "experiments": [experiment("max_update_normal_curve")],
    }  # fmt: skip
    return values | changes


@pytest.fixture
def leave(tmp_path):
    """Return a function that leaves a figure's files in a folder, with changes to its JSON."""

    def leave(name, *, table=None, **changes):
        path = tmp_path / f"{FIGURES[name].stem}.json"
        path.write_text(json.dumps(figure(name, **changes)))
        path.with_suffix(".png").write_bytes(png())
        if table:
            path.with_suffix(".csv").write_text(table)
        return path

    return leave


@pytest.fixture
def report(tmp_path):
    """Return a function that renders what was left in the folder."""

    def report(*, scale="laptop", ambiguities="| # | open |\n|---|---|\n| 1 | seeds |", **changes):
        shown = page.read_figures(tmp_path, FIGURES, scale=scale)
        changes = {"versions": {"Python": "3.11.7"}, **changes}
        html = document.to_html(ambiguities)
        return page.render_page(shown, FIGURES, scale=scale, ambiguities=html, **changes)

    return report


@pytest.fixture
def make_verdict():
    return verdict


@pytest.fixture
def make_experiment():
    return experiment
