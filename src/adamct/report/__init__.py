"""The report: what was drawn at one scale, as one self-contained HTML page.

- ``collect``: the rendered figures of a folder, read back and checked.
- ``summary``: verdicts counted and grouped; as Markdown, and as the README's numbers.
- ``topics``: the results beyond the paper, and the verdicts that bear on them.
- ``document``: the project's Markdown as HTML.
- ``format``: numbers, intervals, durations and commands as text.
- ``page``: all of it through the template, by :func:`~adamct.report.page.render_page`.
"""
