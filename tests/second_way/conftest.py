"""What a second way needs: the kept tables as plain runs, and the verdicts that it has to meet.

Nothing here is imported from ``adamct``: tables and verdicts are read as any reader would.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

REFERENCE = Path(__file__).parents[2] / "figures" / "reference" / "laptop"
FIRST_FRESH = 10  # seeds below are pilots
PILOTS = 0, 1  # of the screens; a table may hold more


@dataclass(frozen=True, eq=False)
class Run:
    """One run: its spec as JSON has it, how it ended, and its table with the steps as index."""

    spec: dict[str, Any]
    status: str
    table: pd.DataFrame

    @property
    def seed(self) -> int:
        return self.spec["seed"]

    def option(self, name: str, default: Any = None) -> Any:
        """An option of the optimizer; a spec leaves out what is at its default."""
        return self.spec["optimizer"].get(name, default)

    def scalar(self, name: str) -> np.ndarray:
        """The recorded values of a scalar, in the order of the steps."""
        return self.table[name].dropna().to_numpy(float)

    def vector(self, name: str) -> np.ndarray:
        """The recorded values of a vector, (steps, K)."""
        columns = []
        while (column := f"{name}_{len(columns) + 1}") in self.table:
            columns.append(column)
        return self.table[columns].dropna(how="all").dropna(how="all", axis=1).to_numpy(float)


@cache
def runs_of(experiment: str) -> tuple[Run, ...]:
    """Read every kept run of an experiment."""
    runs, scalars = (
        pd.read_parquet(REFERENCE / f"{experiment}.{kind}.parquet") for kind in ("runs", "scalars")
    )
    tables = {name: table.set_index("n").sort_index() for name, table in scalars.groupby("run_id")}
    return tuple(
        Run(
            spec=json.loads(row.spec),
            status=row.status,
            table=tables[hashlib.sha256(row.spec.encode()).hexdigest()[:16]],
        )
        for row in runs.itertuples()
    )


@pytest.fixture(scope="session")
def read():
    """Return a function: experiment → its runs, of each seed: those from 10 on, or all."""

    def of_seeds(experiment, *, pilots=False):
        found = {}
        for run in runs_of(experiment):
            if run.seed >= FIRST_FRESH or (pilots and run.seed in PILOTS):
                found.setdefault(run.seed, []).append(run)
        return dict(sorted(found.items()))

    return of_seeds


@pytest.fixture(scope="session")
def verdicts():
    """Return the kept verdicts: name → what ``verdicts.json`` says."""
    path = REFERENCE / "verdicts.json"
    if not path.exists():
        pytest.skip(f"{path.name} is not there: make verdicts RECORDS=reference writes it")
    return {verdict["name"]: verdict for verdict in json.loads(path.read_text("utf-8"))}


def interval_of(values, confidence=0.95):
    """Return the smallest mean of some rows of values over seeds, with its ends.

    Student's interval; of several rows, rivals, the smallest lower and upper end at Bonferroni's
    level over them.
    """
    rows = np.atleast_2d(values)
    n_rivals, n = rows.shape
    means, errors = rows.mean(axis=1), rows.std(axis=1, ddof=1) / np.sqrt(n)
    half = stats.t.isf((1 - confidence) / 2 / n_rivals, n - 1) * errors
    return means.min(), (means - half).min(), (means + half).min()


@pytest.fixture(scope="session")
def student():
    """Return :func:`interval_of`."""
    return interval_of


@pytest.fixture(scope="session")
def agrees(verdicts):
    """Return a function that compares a verdict with the values of each seed, and the seeds read.

    The values have shape (seeds,) or (rivals, seeds); ``None`` where the records cannot decide.
    """

    def compare(name, values, seeds):
        verdict = verdicts[name]
        assert verdict["seeds"] == sorted(seeds)
        if values is None:
            assert (verdict["statistic"], verdict["interval"]) == (None, None)
            assert verdict["status"] == "inconclusive"
        else:
            found = verdict["statistic"], *verdict["interval"]
            assert found == pytest.approx(interval_of(values), rel=1e-9, abs=1e-12)
            assert verdict["n"] == np.shape(values)[-1]

    return compare
