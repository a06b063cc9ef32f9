"""The verdicts as Markdown, and the README's numbers: regenerated from the reference, the same."""

import json
import sys
from pathlib import Path

import pytest

from adamct.claims import Verdict
from adamct.plotting.registry import import_file
from adamct.plotting.rendered import Rendered
from adamct.report.document import to_html
from adamct.report.summary import (
    ReadmeError,
    differs,
    documents,
    fill,
    to_json,
    to_markdown,
)

ROOT = Path(__file__).parents[2]


def test_the_papers_claims_come_first_each_with_its_numbers_and_status(make_verdict):
    words = {"statement": "It is |C|/2", "detail": "167 of |u|", "seeds": [10]}
    found = {"statistic": -0.949, "interval": [-0.9982, -0.7806], "detail": "-0.95"}
    without = {"status": "not reproduced", "statistic": 167.0, "interval": None, "rule": "count"}
    found["rule"] = "t over 3 seeds"
    strip = {"kind": "extension", "reference": "beyond the paper: the strip"}
    page = to_markdown(
        [
            Verdict(**make_verdict("a", **words, **without, **strip, figure="figE1")),
            Verdict(**make_verdict("b", **{**words, **found}, reference="Theorem 1")),
        ],
        "smoke",
    )
    assert page.startswith("# Verdicts at smoke scale\n\n2 claims of three kinds, counted apart.")
    assert page.count("1 claim: ") == 2
    assert [line for line in page.splitlines() if line.endswith("** |")] == [
        r"| 3 | It is \|C\|/2 (Theorem 1) | −0.949 [−0.998, −0.781] | t over 3 seeds; seed 10 | "
        "-0.95 | **reproduced** |",
        r"| E1 | It is \|C\|/2 (the strip) | 167 | count; seed 10 | 167 of \|u\| | "
        "**not reproduced** |",
    ]
    assert "make report SCALE=smoke RECORDS=reference" in page
    assert to_html(page).count("<table") == 2


def test_the_terminal_says_kind_rule_and_seeds(make_verdict, leave, tmp_path):
    holm = {"rule": "t over 3 seeds, 97.5 %, Holm over 2", "decided_by": [0.01, 0.05]}
    also = make_verdict("b", figure="figE1", kind="theorem", rule="exact", seeds=[])
    path = leave("fig3", verdicts=[make_verdict("a", **holm), also])
    drawn = Rendered.model_validate_json(path.read_bytes())
    lines = " ".join(drawn.as_text(tmp_path).split())
    assert "the paper’s claim; t over 3 seeds, 97.5 %, Holm over 2: [0.0100, 0.0500];" in lines
    assert "; seeds 10, 11, 12 REPRODUCED" in lines
    assert lines.endswith("theorem or identity; exact; counted with Figure E1")


def test_other_programs_find_every_verdict_in_full_precision(make_verdict):
    cases = (
        {"statistic": 0.1 + 0.2, "interval": [0.3, 1e-300]},
        {"statistic": float("inf"), "interval": None},
        {"statistic": None, "interval": None, "status": "inconclusive"},
    )
    verdicts = [Verdict(**make_verdict(f"c{i}", **case)) for i, case in enumerate(cases)]
    found = json.loads(to_json(verdicts))
    assert found[0] == {
        "name": "c0", "figure": "fig03", "kind": "paper", "status": "reproduced",
        "statistic": 0.1 + 0.2, "interval": [0.3, 1e-300], "seeds": [10, 11, 12], "n": 21,
    }  # fmt: skip
    assert [row["statistic"] for row in found[1:]] == [float("inf"), None]
    assert set(documents(verdicts, "smoke")) == {"verdicts.md", "verdicts.json"}


def test_a_verdict_that_is_missing_is_stale(monkeypatch, capsys, tmp_path):
    script = import_file(ROOT / "scripts" / "verdicts.py")
    good, stale = tmp_path / "good", tmp_path / "stale"
    good.write_text("slope 0.951")
    stale.write_text("slope 0.5")
    texts = {good: "slope 0.952", stale: "slope 0.6", tmp_path / "missing": "1"}
    monkeypatch.setattr(script, "texts", lambda: texts)
    monkeypatch.setattr(script, "ROOT", tmp_path)
    assert script.check() == 1
    said = capsys.readouterr().err
    assert "good" not in said
    assert said.count("is stale: make verdicts") == 2
    assert script.write() == 0
    assert script.check() == 0


def test_the_committed_verdicts_and_the_readme_are_those_of_the_reference(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["verdicts.py", "--check"])
    monkeypatch.chdir(ROOT)
    assert import_file(ROOT / "scripts" / "verdicts.py").main() == 0, capsys.readouterr().err


def test_numbers_may_differ_in_their_last_digit_and_words_not_at_all():
    assert not differs("median 1.26 × 10⁻⁶ of 64,640", "median 1.27 × 10⁻⁶ of 64,640")
    assert differs("median 1.26 × 10⁻⁶", "median 1.26 × 10⁻⁵")
    assert differs("reproduced", "not reproduced")
    assert differs("1, 2", "1, 2, 3")


@pytest.mark.parametrize("readme", ["", "<!-- generated: other -->\n<!-- end -->"])
def test_a_readme_without_its_blocks_is_refused(readme):
    with pytest.raises(ReadmeError, match="expected tally"):
        fill(readme, {"tally": "1"})
