"""The report: what ``scripts/plot.py`` leaves behind, as one self-contained HTML page.

- ``contents``: what a drawn figure consists of, read and checked.
- ``wording``: numbers, intervals, durations and commands as a reader meets them.
- ``markdown``: the little Markdown that the project's documents need.
- ``topics``: the results beyond the paper, and the verdicts that bear on them.
- ``page``: all of it through the template, by :func:`~adamct.report.page.render`.
- ``verdicts``: the verdicts alone, as a page of Markdown.
"""
