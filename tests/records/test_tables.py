"""The two tidy tables, asked for what they do not hold."""

from dataclasses import replace

import numpy as np
import pytest


@pytest.fixture
def records(make_records):
    """Return two runs of three steps, with a vector beside the max-update."""
    made = make_records("e", [0.99, 0.9], [0.9, 0.8], lambda n, *_: 1.0 + n, n_steps=3)
    return replace(made, scalars=made.scalars.assign(grain_1=0.0, grain_2=1.0))


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda r: r.of("f"), "no records of experiment 'f'; there are e"),
        (lambda r: r.series("run0", "loss"), "no 'loss'; there are max_update, grain. Add it to"),
        (lambda r: r.matrix("loss"), "these records have no 'loss'; there are max_update, grain"),
        (
            lambda r: r.vectors("run1", "loss"),
            "run run1 has no 'loss'; there are max_update",
        ),
        (
            lambda r: replace(r, scalars=r.scalars[r.scalars.run_id == "run0"]).matrix("grain_1"),
            "1 of 2 runs recorded no step, run1 among them; choose",
        ),
    ],
)
def test_what_is_missing_is_named_with_what_there_is_and_the_remedy(ask, words, records):
    with pytest.raises(KeyError) as raised:
        ask(records)
    assert words in str(raised.value)


def test_what_is_there_is_returned(records):
    n, values = records.series("run1", "max_update")
    assert (n.tolist(), values.tolist()) == ([0, 1, 2], [1.0, 2.0, 3.0])
    assert np.array_equal(records.matrix("max_update")[1], np.stack([values, values], axis=1))
    assert np.array_equal(records.vectors("run0", "grain")[1], [[0.0, 1.0]] * 3)
