"""What the README names exists, and its examples run."""

import re
import shutil
from pathlib import Path

import pytest

from adamct.claims import judge
from adamct.config import compose
from adamct.config.compose import compose_sweep, experiment_names
from adamct.config.schema import SCALES
from adamct.plotting.registry import figure_files

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
EXTENDING = (ROOT / "docs" / "EXTENDING.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


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


@pytest.mark.parametrize("scale", SCALES)
def test_the_experiment_that_shows_how_to_add_one_composes(scale, tmp_path, monkeypatch):
    (text,) = re.findall(r"```yaml\n(.*?)```", EXTENDING, flags=re.DOTALL)
    conf = shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (conf / "experiment" / "my_question.yaml").write_text(text)
    monkeypatch.setattr(compose, "CONF_DIR", conf)
    asked = ["experiment=my_question", f"scale={scale}", "seed=10,11"]
    sweep = compose_sweep(asked, with_data=False)
    assert {point.spec.seed for point in sweep} == {10, 11}
    assert len({point.spec.optimizer.lr for point in sweep}) > 1
    assert "# Run:   python scripts/run.py -m experiment=my_question\n" in text


def test_the_figure_and_the_claim_that_show_how_to_add_one_work(make_records):
    figure, claim = {}, {}
    for text, module in zip(
        re.findall(r"```python\n(.*?)```", EXTENDING, flags=re.DOTALL), (figure, claim), strict=True
    ):
        exec(compile(text, "EXTENDING.md", "exec"), module)
    columns = {"lr": [1e-4, 1e-2] * 2, "seed": [10, 10, 11, 11]}
    records = make_records(
        "my_question", [0.999] * 4, [0.9] * 4, lambda n, *_: 1 / (1 + n), **columns
    )
    (axes,) = figure["draw"](records).axes
    assert [len(line.get_xdata()) for line in axes.lines] == 4 * [1010]
    (verdict,) = judge(claim["CLAIMS"], records)
    assert (verdict.status, verdict.seeds) == ("reproduced", (10, 11))
