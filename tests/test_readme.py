"""What the README names exists, and its examples run."""

import re
from pathlib import Path

import pytest

from adamct.compose import experiment_names
from adamct.gallery import figure_files

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
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
