"""Records of runs as two tidy tables, and those that are kept in the repository."""

from adamct.records.tables import END_COLUMNS, Records, join, load, runs_table, training_command

__all__ = ["END_COLUMNS", "Records", "join", "load", "runs_table", "training_command"]
