"""Records of runs, read as tables: the columns that are asked, and no more rows than they have."""

import json

import numpy as np
import pandas as pd
import pytest

from adamct import records
from adamct.config.compose import compose_sweep
from adamct.runs.store import RunFolder


@pytest.fixture
def sweep(tmp_path):
    """Return a sweep of two runs of five steps, of unlike vectors, scored at every other step."""
    sweep = compose_sweep(["scale=smoke", "n_steps=5", "seed=0,1", f"runs_dir={tmp_path}"])
    for levels, spec in enumerate(sweep.runs.values(), start=1):
        folder = RunFolder.of(spec, tmp_path)
        folder.path.mkdir()
        folder.write_spec(spec)
        lines = [
            {"n": n, "train_loss": 0.1 * n, "max_update": [n + 0.5] * levels} for n in range(5)
        ]
        for line in lines[::2]:
            line["test_loss"] = line["n"] / 3
        folder.record_path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        folder.write_outcome(folder.final_outcome("finished", 5))
    return sweep


def test_a_vector_is_a_column_a_level_and_what_was_not_taken_is_nan(sweep):
    found = records.load(sweep).scalars
    first, second = sweep.runs
    n = [0, 1, 2, 3, 4]
    u = [m + 0.5 for m in n]
    expected = pd.DataFrame(
        {
            "run_id": [first] * 5 + [second] * 5,
            "n": n + n,
            "train_loss": [0.1 * m for m in n + n],
            "max_update_1": u + u,
            "max_update": u + u,
            "test_loss": [0.0, np.nan, 2 / 3, np.nan, 4 / 3] * 2,
            "max_update_2": [np.nan] * 5 + u,
        }
    )
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.parametrize(
    ("without", "columns", "n_rows"),
    [
        (["train_loss", "max_update"], ["test_loss"], 6),
        (["test_loss"], ["train_loss", "max_update_1", "max_update", "max_update_2"], 10),
        (["train_loss", "max_update", "test_loss"], [], 2),
    ],
)
def test_what_is_left_out_takes_its_rows_with_it(sweep, without, columns, n_rows):
    found, whole = records.load(sweep, without=without).scalars, records.load(sweep).scalars
    assert list(found) == ["run_id", "n", *columns]
    rows = (whole.n == 4) | whole[columns].notna().any(axis=1)
    pd.testing.assert_frame_equal(
        found, whole.loc[rows, list(found)].reset_index(drop=True), check_exact=True
    )
    assert len(found) == n_rows
