"""The W&B mirror: a reader of the local records, on which no run depends.

Training leaves records; the mirror copies them into W&B, while they grow or at any later time, with
the same content either way, but for the two columns of W&B's own clock (``_timestamp`` and
``_runtime``), which say when a row was mirrored. So a server that cannot be reached costs a view of
the sweep, never a step of it.

- ``content``: what a point becomes in W&B: pure functions of its labels, record, outcome.
- ``names``: under which it appears there.
- ``mode``: online, offline, or not at all.
- ``tail``: a record, read while another process writes it.
- ``mirror``: a group of W&B runs; which are complete is noted, and not repeated.
- ``points``: one W&B run a point of a sweep, each step once.
- ``live``: the process beside a sweep that mirrors records while they grow.
- ``figures``: a figure with its claims as a W&B run.
- ``workspaces``: a saved view of the project for each figure.

W&B itself is imported where it is first needed.
"""
