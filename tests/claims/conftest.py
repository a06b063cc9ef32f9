"""Records that claims are tested on: runs with vectors, and what some pairs reach in each seed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from adamct.records import Records, join


def finished_runs(make_records, experiment, n_steps, vectors, *, gamma=0.9, **columns):
    """Finished runs with vectors[name][run], (steps,) or (steps, K); what is of θ_N comes last."""
    n_runs = len(next(iter(vectors.values())))
    beta, gamma = np.full(n_runs, 0.999), np.full(n_runs, gamma)
    columns["status"] = "finished"
    records = make_records(
        experiment, beta, gamma, lambda n, *_: np.full(len(n), 0.9), n_steps=n_steps, **columns
    )
    tables = []
    for position, run_id in enumerate(records.runs.run_id):
        of_run = {name: np.asarray(runs[position], float).T for name, runs in vectors.items()}
        table = pd.DataFrame(
            {
                f"{name}_{i}" if values.ndim > 1 else name: pd.Series(row)
                for name, values in of_run.items()
                for i, row in enumerate(np.atleast_2d(values), start=1)
            }
        )
        tables.append(table.assign(run_id=run_id, n=table.index))
    scalars = records.scalars.merge(pd.concat(tables), on=["run_id", "n"], how="outer")
    return Records(records.runs, scalars)


@pytest.fixture
def make_runs(make_records):
    """Return the factory of finished runs: experiment, n_steps, vectors, columns → records."""
    return lambda *args, **columns: finished_runs(make_records, *args, **columns)


@pytest.fixture
def with_a_diverged_run():
    """Return a function: records → the same, but that the last run diverged at n = 7."""

    def spoil(records):
        runs, scalars = records.runs, records.scalars
        last = runs.index == len(runs) - 1
        runs = runs.assign(
            status=np.where(last, "diverged", runs.status),
            n_recorded=np.where(last, 7, runs.n_steps),
        )
        kept = scalars[(scalars.run_id != runs.run_id.iloc[-1]) | (scalars.n < 7)]
        return Records(runs, kept)

    return spoil


@pytest.fixture
def of_seeds(make_records):
    """Return a function: what was measured of some pairs, alike in all seeds or one a seed."""

    def build(experiment, pairs, measured, seeds=(10, 11, 12), **columns):
        each = measured if isinstance(measured, list) else [measured] * len(seeds)
        parts = []
        for seed, u in zip(seeds, each, strict=True):
            own = make_records(experiment, *pairs, u, seed=seed, status="finished", **columns)
            run_ids = {run_id: f"{experiment}{seed}{run_id}" for run_id in own.runs.run_id}
            tables = (own.runs, own.scalars)
            parts.append(Records(*(t.assign(run_id=t.run_id.map(run_ids)) for t in tables)))
        return join(parts)

    return build
