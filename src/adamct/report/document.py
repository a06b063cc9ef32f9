"""The project's Markdown documents as HTML, for a page that has headings of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from adamct.report.format import formula

ROLES = {"table": "table", "thead": "rowgroup", "tbody": "rowgroup", "tr": "row"}
ROLES |= {"th": "columnheader", "td": "cell"}


def read_body(path: Path) -> Markup:
    """Return a document as HTML, without its first line, the title."""
    return to_html(path.read_text("utf-8").partition("\n")[2])


def to_html(text: str) -> Markup:
    r"""Return Markdown as HTML: CommonMark and tables; raw HTML stays text.

    Subscripts and minus signs are set as in captions, and a link that leads into the repository
    becomes its text. A table's cells name their column, for screens on which a row is a card. A
    heading goes one level down, below the page's own.

    Example:
        >>> to_html("A *b* of θ_n\n\n- c `d|e`")
        Markup('<p>A <em>b</em> of θ<sub>n</sub></p>\n<ul>\n<li>c <code>d|e</code></li>\n</ul>\n')
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    for token in tokens:
        token.children = list(_adapted(token.children or ()))
        if token.type.startswith("heading"):
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"
    _describe_tables(tokens)
    return Markup(markdown.renderer.render(tokens, markdown.options, {}))


def _adapted(marks: Iterable[Token]) -> Iterator[Token]:
    """Yield what stands in a line: text set as a formula, and of links those that lead outside."""
    outside = True
    for mark in marks:
        if mark.type == "link_open":
            outside = str(mark.attrs["href"]).startswith(("http://", "https://"))
        if mark.type == "text":
            yield _html(formula(mark.content))
        elif outside or not mark.type.startswith("link"):
            yield mark


def _describe_tables(tokens: Sequence[Token]) -> None:
    """Give the parts of tables their roles, and each cell the name of its column."""
    names: list[str] = []
    columns: Iterator[str] = iter(())
    for token, inline in itertools.pairwise(tokens):
        if token.nesting != 1 or token.tag not in ROLES:
            continue
        token.attrs = {"role": ROLES[token.tag]}
        words = inline.children or []
        if token.tag == "table":
            token.attrs["class"], names = "cards", []
        elif token.tag == "tr":
            columns = iter(names)
        elif token.tag == "th":
            token.attrs["scope"] = "col"
            names.append("".join(Markup(word.content).striptags() for word in words))
        elif token.tag == "td":
            token.attrs["data-label"] = next(columns)
            if words:
                inline.children = [_html("<span>"), *words, _html("</span>")]


def _html(markup: str) -> Token:
    return Token("html_inline", "", 0, content=str(markup))
