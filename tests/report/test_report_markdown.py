"""The Markdown of the project's documents becomes HTML; what is not understood is refused."""

import re
from pathlib import Path

import pytest

from adamct.report.markdown import read_body, to_html

ROOT = Path(__file__).parents[2]


def test_blocks():
    html = to_html("# A\ntext\nmore\n\n- one\n  goes on\n- two\n\n1. first\n\n### C", top=2)
    assert html == (
        "<h2>A</h2>\n<p>text more</p>\n<ul><li>one goes on</li><li>two</li></ul>\n"
        "<ol><li>first</li></ol>\n<h4>C</h4>"
    )


def test_a_table_keeps_its_cells_and_names_them_for_narrow_screens():
    html = to_html("| # | `open` |\n|---|:-:|\n| 1 | a \\| b |\n| 2 | |")
    assert '<th role="columnheader" scope="col"><code>open</code></th>' in html
    assert '<td role="cell" data-label="open"><span>a | b</span></td>' in html
    assert '<td role="cell" data-label="open"></td>' in html
    assert html.count("<tr") == 3


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a `<b>` c", "a <code>&lt;b&gt;</code> c"),
        ("**a** *b* 2 * 3 * 4", "<strong>a</strong> <em>b</em> 2 * 3 * 4"),
        ("[p](https://x.org/?a=1&b)", '<a href="https://x.org/?a=1&amp;b">p</a>'),
        ("[c](../x.py), [e](javascript:x)", "c, e"),
        ("θ_n at t_{n+1}", "θ<sub>n</sub> at t<sub>n+1</sub>"),
        ("`n_steps` n_steps", "<code>n_steps</code> n_steps"),
        ("<img src=x onerror=y>".replace("<", "a <"), "a &lt;img src=x onerror=y&gt;"),
    ],
)
def test_marks_within_a_line(text, html):
    assert to_html(text) == f"<p>{html}</p>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n\n```\ncode\n```", "line 3: '```' is no heading"),
        ("> quoted", "line 1"),
        ("<b>raw</b>", "line 1"),
        ("| a | b |\n|---|---|\n| 1 |", "line 3: 1 cells in a table of 2 columns"),
        ("| a | b |\n| 1 | 2 |\n| 3 | 4 |", "line 1: a table needs a header"),
        ("| a |\n|---|\n| 1 |\nmore", "line 4: 'more' is no row of a table"),
    ],
)
def test_what_is_not_understood_is_refused_by_its_line(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        to_html(text)


def test_a_document_gives_up_its_title_and_keeps_its_lines(tmp_path):
    path = tmp_path / "NOTES.md"
    path.write_text("# Title\n\nText.\n")
    assert read_body(path) == "<p>Text.</p>"
    path.write_text("# Title\n\n> Text.\n")
    with pytest.raises(ValueError, match=r"NOTES.md, line 3: '> Text.'"):
        read_body(path)


def test_the_register_of_ambiguities_can_be_set():
    path = ROOT / "docs" / "AMBIGUITIES.md"
    rows = re.findall(r"^\| \d+ \|", path.read_text("utf-8"), re.MULTILINE)
    assert len(rows) > 20
    assert read_body(path).count("<tr") == len(rows) + 1
