"""The Markdown that the project's documents use, as HTML; anything else is refused, not guessed.

Headings, paragraphs, lists, tables with pipes; in a line ``code``, **strong**, *emphasis*, links.
"""

from __future__ import annotations

import re
from pathlib import Path

from markupsafe import Markup

from adamct.report.wording import formula

INLINE = re.compile(
    r"`(?P<code>[^`]+)`"
    r"|\*\*(?P<strong>[^*]+)\*\*"
    r"|\*(?P<em>[^*\s](?:[^*]*[^*\s])?)\*"
    r"|\[(?P<text>[^\]]+)\]\((?P<target>[^)\s]+)\)"
)
HEADING = re.compile(r"(#{1,4}) (.+)")
ITEM = re.compile(r"(?:[-*]|\d+\.) (.+)")
FOREIGN = re.compile(r"```|~~~|>|<|!\[|    |\t|#|-{3,}$|={3,}$")
CELL_BORDER = re.compile(r"(?<!\\)\|")


def read_body(path: Path) -> Markup:
    """Return a document without its ``# title``, for a page that has a heading of its own.

    Raises:
        ValueError: as :func:`to_html`, with the document's name.
    """
    # An empty line in the title's place, so that the errors count lines as an editor does.
    text = re.sub(r"\A# .*", "", path.read_text("utf-8"))
    try:
        return to_html(text)
    except ValueError as error:
        raise ValueError(f"{path.name}, {error}") from error


def to_html(text: str, *, top: int = 2) -> Markup:
    r"""Return a document as HTML.

    Args:
        text: Markdown, of the kinds that the module names.
        top: the level of its ``#`` headings on the page.

    Raises:
        ValueError: at the first line that is of no such kind, by its number.

    Example:
        >>> to_html("A *b*\n\n- c `d|e`")
        Markup('<p>A <em>b</em></p>\n<ul><li>c <code>d|e</code></li></ul>')
    """
    return Markup("\n").join(_block(first, lines, top) for first, lines in _blocks(text))


def _blocks(text: str) -> list[tuple[int, list[str]]]:
    """Split at empty lines, and around headings; with the number of each block's first line."""
    blocks: list[tuple[int, list[str]]] = []
    fresh = True
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            fresh = True
            continue
        if fresh or HEADING.fullmatch(line):
            blocks.append((number, []))
        blocks[-1][1].append(line)
        fresh = bool(HEADING.fullmatch(line))
    return blocks


def _block(first: int, lines: list[str], top: int) -> Markup:
    if heading := HEADING.fullmatch(lines[0]):
        level = min(6, top + len(heading[1]) - 1)
        return Markup("<h{0}>{1}</h{0}>").format(level, inline(heading[2]))
    if lines[0].startswith("|"):
        return _table(first, lines)
    if ITEM.match(lines[0]):
        return _list(lines)
    if FOREIGN.match(lines[0]):
        raise ValueError(
            f"line {first}: {lines[0]!r} is no heading, paragraph, list or table with pipes, "
            "which is what the report can set: say it with one of these"
        )
    return Markup("<p>{}</p>").format(inline(" ".join(lines)))


def _list(lines: list[str]) -> Markup:
    items: list[str] = []
    for line in lines:
        if item := ITEM.match(line):
            items.append(item[1])
        else:
            items[-1] += " " + line.strip()
    tag = "ol" if lines[0][0].isdigit() else "ul"
    inner = Markup("").join(Markup("<li>{}</li>").format(inline(item)) for item in items)
    return Markup("<{0}>{1}</{0}>").format(tag, inner)


def _table(first: int, lines: list[str]) -> Markup:
    rows = [_cells(first + i, line) for i, line in enumerate(lines)]
    if len(rows) < 3 or not all(re.fullmatch(r":?-+:?", cell) for cell in rows[1]):
        raise ValueError(f"line {first}: a table needs a header, a line |---|---| and rows")
    header, _, *body = rows
    for i, row in enumerate(body, start=first + 2):
        if len(row) != len(header):
            raise ValueError(
                f"line {i}: {len(row)} cells in a table of {len(header)} columns; "
                r"a pipe inside a cell is written \|"
            )
    head = Markup("").join(
        Markup('<th role="columnheader" scope="col">{}</th>').format(inline(cell))
        for cell in header
    )
    return Markup(
        '<table role="table" class="cards"><thead role="rowgroup"><tr role="row">{}</tr></thead>'
        '\n<tbody role="rowgroup">\n{}\n</tbody></table>'
    ).format(head, Markup("\n").join(_row(header, row) for row in body))


def _row(header: list[str], row: list[str]) -> Markup:
    cells = Markup("").join(
        Markup('<td role="cell" data-label="{}">{}</td>').format(
            inline(name).striptags(), Markup("<span>{}</span>").format(inline(cell)) if cell else ""
        )
        for name, cell in zip(header, row, strict=True)
    )
    return Markup('<tr role="row">{}</tr>').format(cells)


def _cells(number: int, line: str) -> list[str]:
    line = line.strip()
    if not (line.startswith("|") and line.endswith("|") and len(line) > 1):
        raise ValueError(
            f"line {number}: {line!r} is no row of a table: it needs a pipe at each end"
        )
    return [cell.strip().replace(r"\|", "|") for cell in CELL_BORDER.split(line[1:-1])]


def inline(text: str) -> Markup:
    """Return one line's text as HTML; a link that leads into the repository becomes its text."""
    parts, end = [], 0
    for match in INLINE.finditer(text):
        parts += [formula(text[end : match.start()]), _mark(match)]
        end = match.end()
    return Markup("").join([*parts, formula(text[end:])])


def _mark(match: re.Match[str]) -> Markup:
    kind = match.lastgroup
    if kind == "target":
        if re.match(r"https?://", match["target"]):
            return Markup('<a href="{}">{}</a>').format(match["target"], match["text"])
        return inline(match["text"])
    return Markup("<{0}>{1}</{0}>").format(kind, match[kind or 0])
