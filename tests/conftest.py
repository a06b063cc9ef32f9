"""What the tests share: where the real data lies, synthetic records, and which tests are slow."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from adamct.config.compose import compose_sweep
from adamct.plotting.registry import import_file
from adamct.records import Records
from adamct.theory import discrete_growth_rate, growth_rate, region, stability_coefficient

ROOT = Path(__file__).parents[1]

# One thread a process: the tests run side by side, and bits depend on the number of threads.
torch.set_num_threads(1)


# What `make check` leaves out: these start processes, train, compile, serve, open a browser, or
# draw many samples.
SLOW = (
    "analysis/test_choice.py::test_the_committed",
    "analysis/test_choice.py::test_tuning",
    "analysis/test_statistics.py::test_the_advantage",
    "claims/test_boundedness.py",
    "claims/test_growth_rates.py",
    "claims/test_identities.py::test_it_holds[lemma-2]",
    "claims/test_rankings.py",
    "claims/test_regions.py::test_a_verdict",
    "config/test_compose.py::test_all_that_can_be_overridden",
    "config/test_compose.py::test_every_experiment_composes_at_every_scale[laptop",
    "config/test_compose.py::test_every_experiment_composes_at_every_scale[paper",
    "config/test_compose.py::test_every_experiment_composes_at_every_scale[smoke-annealed",
    "config/test_compose.py::test_every_experiment_composes_at_every_scale[smoke-kadam_lr",
    "config/test_compose.py::test_figure_14",
    "config/test_compose.py::test_points_in_the_unstable",
    "config/test_kadam_experiments.py",
    "continuous/test_continuous_schemes.py",
    "data/test_images.py::test_the_real_images",
    "data/test_preparation.py::test_counts",
    "figures/test_figures.py::test_a_figure_draws",
    "figures/test_figures.py::test_every_figure",
    "models/test_cross_entropy.py::test_torch_func",
    "monitor/test_monitor.py::test_it_",
    "monitor/test_stability_command.py::test_the_picture",
    "optim/test_optim_compiled.py",
    "records/test_archive.py",
    "report/test_report_browser.py",
    "report/test_report_page.py::test_the_command",
    "report/test_summary.py::test_the_committed",
    "runs/test_cost.py::test_the_command",
    "runs/test_runner.py",
    "runs/test_store.py",
    "runs/test_sweep.py",
    "runs/test_workers.py::test_a_",
    "runs/test_workers.py::test_ctrl_c",
    "runs/test_workers.py::test_workers",
    "scripts/test_bench.py::test_every_block",
    "scripts/test_light_imports.py",
    "scripts/test_parity.py::test_the_command",
    "scripts/test_reproduce.py",
    "second_way/test_identities.py::test_it_is_shown[D-is",
    "second_way/test_max_updates.py",
    "second_way/test_norms.py",
    "second_way/test_rankings.py",
    "tracking/",
    "train/test_loop.py::test_a_compiled",
    "train/test_loop.py::test_at_k_1",
    "train/test_loop.py::test_paper_scale",
    "train/test_loop.py::test_precision",
    "train/test_loop.py::test_the_loss_is_compiled",
    "train/test_observables.py",
    "train/test_tasks.py::test_a_few_epochs",
    "train/test_tasks.py::test_any_",
    "train/test_tasks.py::test_held_out_text",
    "train/test_tasks.py::test_images_depend",
)


def pytest_collection_modifyitems(items):
    """Mark as slow what the list names: a folder, a file, or the tests that begin so."""
    tests = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(tests):
            name = f"{item.path.relative_to(tests).as_posix()}::{item.name}"
            if name.startswith(SLOW):
                item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with real C4 and CIFAR-10; skips where there is none."""
    folder = os.environ.get("ADAMCT_DATA")
    if not folder or not (Path(folder) / "c4").is_dir():
        pytest.skip("no folder of real data: set ADAMCT_DATA")
    return Path(folder)


@pytest.fixture
def script(monkeypatch):
    """Import a script, which is on no path."""
    monkeypatch.chdir(ROOT)  # which it may leave
    return lambda name: import_file(ROOT / "scripts" / name)


@pytest.fixture(scope="session")
def composed():
    """Return a function: overrides → their sweep. It is frozen, and composed once for all tests."""

    @cache
    def compose(*overrides, **options):
        return compose_sweep(overrides, **options)

    return compose


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
