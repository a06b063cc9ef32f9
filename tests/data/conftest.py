"""What the tests of data share: a step of training on data that a task only names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before its first import: ``datasets`` then neither reports nor asks anything over the network.
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")


@pytest.fixture
def first_step(tmp_path: Path):
    """Return what composes a task on tmp_path/raw, and takes a step: the run's spec and loss."""
    from adamct.config.compose import compose_sweep
    from adamct.train import Training

    def step(*task: str):
        places = [f"data_dir={tmp_path / 'raw'}", f"cache_dir={tmp_path / 'prepared'}"]
        sweep = compose_sweep([*task, *places, "scale=smoke"], sweep=False)
        places = {"data_dir": sweep.data_dir, "cache_dir": sweep.cache_dir}
        training = Training(sweep[0].spec, sweep.execution, **places)
        return training, float(training.step(0).loss)

    return step
