"""The verdicts as Markdown, and the README's numbers: regenerated from the reference, the same."""

import sys
from pathlib import Path

import pytest

from adamct.claims import Verdict
from adamct.plotting.registry import import_file
from adamct.report.document import to_html
from adamct.report.summary import ReadmeError, differs, fill, to_markdown

ROOT = Path(__file__).parents[2]


def test_the_papers_claims_come_first_each_with_its_numbers_and_status(make_verdict):
    words = {"statement": "It is |C|/2", "detail": "167 of |u|"}
    found = {"statistic": -0.949, "interval": [-0.9982, -0.7806], "detail": "-0.95"}
    without = {"status": "not reproduced", "statistic": 167.0, "interval": None}
    strip = {"kind": "extension", "reference": "beyond the paper: the strip"}
    page = to_markdown(
        [
            Verdict(**make_verdict("a", **words, **without, **strip, figure="figE1")),
            Verdict(**make_verdict("b", **{**words, **found}, reference="Theorem 1")),
        ],
        "smoke",
    )
    assert page.startswith("# Verdicts at smoke scale\n\n2 claims: 1 reproduced, 1 not reproduced")
    assert [line for line in page.splitlines() if line.endswith("** |")] == [
        r"| 3 | It is \|C\|/2 (Theorem 1) | −0.949 [−0.998, −0.781] | -0.95 | **reproduced** |",
        r"| E1 | It is \|C\|/2 (the strip) | 167 | 167 of \|u\| | **not reproduced** |",
    ]
    assert "make report SCALE=smoke RECORDS=reference" in page
    assert to_html(page).count("<table") == 2


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
