"""W&B shows what the local records hold; no run depends on it.

Training leaves records; the mirror copies them into W&B, while they grow or at any later time, with
the same content either way, but for the two columns of W&B's own clock (``_timestamp`` and
``_runtime``), which say when a row was sent. So a server that cannot be reached costs a view of the
sweep, never a step of it.

- ``content``: what a point becomes in W&B: pure functions of its labels, record, outcome.
- ``names``: under which it appears there.
- ``mode``: online, offline, or not at all.
- ``mirror``: opens W&B runs, and notes of which record the mirror is complete.
- ``sending``: rebuilds rows from a record, and sends what W&B lacks.
- ``live_sync``: the process beside a sweep that sends its records while they grow.
- ``figures``: a figure with its claims as a W&B run.
- ``workspaces``: a saved view of the project for each figure.

W&B itself is imported where it is first needed.
"""
