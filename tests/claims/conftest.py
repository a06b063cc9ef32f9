"""What the tests of claims on the max-update share: records of some pairs in each seed."""

import pytest

from adamct.records import Records, join


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
