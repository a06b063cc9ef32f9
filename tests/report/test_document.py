"""The Markdown of the project's documents becomes HTML that fits the page."""

import re
from pathlib import Path

import pytest

from adamct.report.document import read_body, to_html

ROOT = Path(__file__).parents[2]


def test_headings_stand_below_those_of_the_page():
    assert to_html("# A\n\n### C") == "<h2>A</h2>\n<h4>C</h4>\n"


def test_a_table_keeps_its_cells_and_names_them_for_narrow_screens():
    html = to_html("| # | `open` |\n|---|:-:|\n| 1 | a \\| b |\n| 2 | |")
    assert '<table role="table" class="cards">' in html
    assert '<th role="columnheader" scope="col"><code>open</code></th>' in html
    assert '<td role="cell" data-label="open"><span>a | b</span></td>' in html
    assert '<td role="cell" data-label="open"></td>' in html
    assert html.count('<tr role="row">') == 3


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a `<b>` **c**", "a <code>&lt;b&gt;</code> <strong>c</strong>"),
        ("[p](https://x.org/?a=1&b)", '<a href="https://x.org/?a=1&amp;b">p</a>'),
        (
            "[c](../x.py), [`e`](x.md) [p](http://x.org)",
            'c, <code>e</code> <a href="http://x.org">p</a>',
        ),
        ("θ_n at t_{n+1}", "θ<sub>n</sub> at t<sub>n+1</sub>"),
        ("`n_steps` n_steps", "<code>n_steps</code> n_steps"),
        ("a <img src=x onerror=y>", "a &lt;img src=x onerror=y&gt;"),
        ("[e](javascript:x)", "[e](javascript:x)"),  # no link runs a script
    ],
)
def test_marks_within_a_line(text, html):
    assert to_html(text) == f"<p>{html}</p>\n"


def test_the_register_of_ambiguities_is_set_whole_without_its_title():
    path = ROOT / "docs" / "AMBIGUITIES.md"
    text = path.read_text("utf-8")
    assert len(re.findall(r"^\| \d+ \|", text, re.MULTILINE)) > 20
    body = read_body(path)
    lines = re.findall(r"^\|(?!-)", text, re.MULTILINE)  # of tables, but for their rules
    assert body.count("<tr") == len(lines)
    assert "<h2" not in body


def test_the_paper_and_prior_work_are_named_where_a_reader_looks():
    for name in ("AMBIGUITIES.md", "PRIOR_WORK.md"):
        text = (ROOT / "docs" / name).read_text("utf-8")
        for link in re.findall(r"\]\(([^):]+)\)", text):
            assert (ROOT / "docs" / link).exists(), (name, link)
