"""Records of runs as two tidy tables, and those that are kept in the repository.

- ``tables``: ``Records``, the two tables; ``columns``: what a spec fills in.
- ``archive``: the reference, written and read.
"""

from adamct.records.tables import END_COLUMNS, Records, join, load, runs_table, training_command

__all__ = ["END_COLUMNS", "Records", "join", "load", "runs_table", "training_command"]
