"""The report: what was drawn at one scale, as one self-contained HTML page.

- ``page``: the rendered figures of a folder, read back, checked, and set by the templates.
- ``summary``: the verdicts as Markdown, and the README's numbers.
- ``document``: the project's Markdown as HTML.
- ``format``: times, commands, counts and headings as text.
- ``make``: what ``make`` does for a figure.
"""
