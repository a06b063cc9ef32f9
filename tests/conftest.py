"""What the tests share: where the real data lies, and a small spec."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from adamct.records import Records
from adamct.theory import discrete_growth_rate, growth_rate, region, stability_coefficient

ROOT = Path(__file__).parents[1]

# One thread a process: the tests run side by side, and bits depend on the number of threads.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with real C4 and CIFAR-10; skips where there is none."""
    for candidate in (os.environ.get("ADAMCT_DATA"), ROOT.parent / "shared" / "data"):
        if candidate and (Path(candidate) / "c4").is_dir():
            return Path(candidate)
    pytest.skip("no folder of real data: set ADAMCT_DATA")


def synthetic_records(experiment, beta, gamma, max_update, *, n_steps=1010, **columns):
    """Build the records of one experiment: max_update(n, β, γ) is what was 'measured'."""
    beta, gamma = np.asarray(beta, float), np.asarray(gamma, float)
    n = np.arange(n_steps)
    runs = pd.DataFrame(
        {
            "experiment": experiment,
            "scale": "laptop",
            "run_id": [f"run{i}" for i in range(len(beta))],
            "beta": beta,
            "gamma": gamma,
            "beta_1": beta,
            "gamma_1": gamma,
            "C": stability_coefficient(beta, gamma),
            "paper_rate": growth_rate(beta, gamma),
            "exact_rate": discrete_growth_rate(beta, gamma),
            "region": region(beta, gamma),
            "k": 1,
            "strategy": None,
            "seed": 0,
            "schedule": "constant",
            "n_steps": n_steps,
            "n_recorded": n_steps,
            "guard": False,
            "corpus": "pydoc_topics",
            "device": "a CPU",
            **columns,
        }
    )
    scalars = [
        pd.DataFrame(
            {"run_id": run.run_id, "n": n, "max_update": max_update(n, run.beta, run.gamma)}
        )
        for run in runs.itertuples()
    ]
    return Records(runs, pd.concat(scalars, ignore_index=True))


@pytest.fixture
def make_records():
    """Return the factory of synthetic records."""
    return synthetic_records
