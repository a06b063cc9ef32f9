"""What the README names exists, and its examples run."""

import re
import shutil
from pathlib import Path

import pytest

from adamct.config import compose
from adamct.config.compose import compose_sweep, experiment_names
from adamct.config.schema import SCALES
from adamct.plotting.registry import figure_files

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
EXTENDING = (ROOT / "docs" / "EXTENDING.md").read_text("utf-8")
VERDICTS = (ROOT / "figures" / "reference" / "laptop" / "verdicts.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


def test_its_table_has_a_row_for_every_figure():
    rows = re.findall(r"^\| [^|]*\| `make ([^`]*)` \|", README, flags=re.MULTILINE)
    named = [word for row in rows for word in row.split() if word.startswith("fig")]
    assert sorted(named) == sorted(figure_files())


def test_what_it_calls_exists():
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, flags=re.MULTILINE)) | set(figure_files())
    called = re.findall(r"(?:^    |`)make ([a-zA-Z0-9]+)", README, flags=re.MULTILINE)
    assert {"all", "smoke", "test"} <= set(called)
    assert set(called) - {"figE6"} <= targets  # figE6 is the reader's own, in an example
    for script in re.findall(r"python (scripts/\w+\.py)", README):
        assert (ROOT / script).is_file(), script
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / link).exists(), link
    named = set(re.findall(r"experiment=(\w+)", README))
    assert named <= set(experiment_names())


@pytest.mark.filterwarnings("ignore:Adam is unstable")
@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
def test_its_examples_run(block, recwarn):
    exec(compile(block, "README.md", "exec"), {})


# What a result's setting is, and where the paper has it: numbers that no verdict needs to hold.
SETTING = re.compile(
    r"(Figures?|Section|Eqs?\.|Theorem) \(?\d[\d.]*\)?((,| and|’s) \(?\d+\)?)*"
    r"|[CηλγβnkDₙ₂] [=<>] [−-]?[\d.]+(e-?\d+)?|\d-Adam|at \de-4|95 %|100η"
)
NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?(?:e-\d+)?"


def headline():
    start = README.index("What came out at laptop scale")
    return README[start : README.index("A claim that does not reproduce")]


def test_its_results_are_those_of_the_verdicts():
    text = SETTING.sub("", headline().replace("(figures/reference/laptop/verdicts.md)", ""))
    held = set(re.findall(NUMBER, VERDICTS))
    settings = {"110,000", "75,000", "35", "100"}  # parameters, points, steps
    missing = [number for number in re.findall(NUMBER, text) if number not in held | settings]
    assert not missing


def test_its_intervals_are_those_of_the_verdicts():
    found = re.findall(r"(\S+)\s+(?:%\s+)?(\[[^\]]*\d[^\]]*\])", headline())
    assert len(found) >= 9
    plain = str.maketrans({"−": "-", "+": None})
    rows = VERDICTS.translate(plain).splitlines()
    for value, interval in found:
        if value != "Statistic":
            value, interval = (re.sub(r"\s+", " ", x).translate(plain) for x in (value, interval))
            assert any(interval in row and value.lstrip("(") in row for row in rows), interval


@pytest.mark.parametrize(
    ("claim", "detail", "words"),
    [
        ("Where C < 0 the", "{} of {} runs with C < 0", "of {1} pairs whose update should"),
        ("Where C < 0 the", "{} of {} runs with C < 0", "or more, {0} grow."),
        ("Where γ² > β the", "{} of {} runs with γ² > β", "γ² > β: {0} of {1} grow."),
        ("Where γ² < β the", "{} of {} runs with γ² < β", "With γ² < β none of {1} does"),
    ],
)
def test_its_counts_are_those_of_the_verdicts(claim, detail, words):
    (row,) = [row for row in VERDICTS.splitlines() if f"| {claim} max-update" in row]
    counts = re.search(re.escape(detail).replace(r"\{\}", r"([\d,]+)"), row).groups()
    assert words.format(*counts) in re.sub(r"\s+", " ", headline())


def test_its_tally_is_that_of_the_verdicts():
    (paper, beyond) = re.findall(r"^(\d+) claims: (\d+) .*, (\d+) .*, (\d+) ", VERDICTS, re.M)[1:]
    text = re.sub(r"\s+", " ", headline())
    of_paper = "of the paper's {} claims {} are reproduced, {} are not, {} are inconclusive"
    assert of_paper.format(*paper) in text
    assert "of {} beyond the paper {}, {} and {}".format(*beyond) in text


@pytest.mark.parametrize("scale", SCALES)
def test_the_experiment_that_shows_how_to_add_one_composes(scale, tmp_path, monkeypatch):
    (text,) = re.findall(r"```yaml\n(.*?)```", EXTENDING, flags=re.DOTALL)
    conf = shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (conf / "experiment" / "my_question.yaml").write_text(text)
    monkeypatch.setattr(compose, "CONF_DIR", conf)
    cells = compose_sweep(
        ["experiment=my_question", f"scale={scale}", "n_seeds=2"], with_data=False
    )
    assert {cell.spec.seed for cell in cells} == {0, 1}
    assert len({cell.spec.optimizer.lr for cell in cells}) > 1
    assert "# Run:   python scripts/run.py -m experiment=my_question\n" in text


def test_the_figure_that_shows_how_to_add_one_draws(make_records):
    (text,) = re.findall(r"```python\n(.*?)```", EXTENDING, flags=re.DOTALL)
    module = {}
    exec(compile(text, "EXTENDING.md", "exec"), module)
    records = make_records("my_question", [0.999], [0.9], lambda n, b, g: 1.0 + 0 * n, lr=1e-3)
    (axes,) = module["draw"](records).axes
    (line,) = axes.lines
    assert len(line.get_xdata()) == 1010
    assert 150 < len(module["CAPTION"].strip()) < 1000
    assert 60 < len(module["ALT"]) < 350
