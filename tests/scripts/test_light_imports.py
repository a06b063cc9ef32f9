"""What is asked without training or drawing imports nothing heavy, and so answers at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from adamct.plotting.registry import figure_files

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "pandas", "matplotlib", "wandb", "wandb_workspaces", "datasets", "tiktoken"}


@pytest.mark.parametrize(
    ("command", "imports", "prints"),
    [
        ("run.py --help", {"hydra"}, "max_update_normal_curve"),
        ("plot.py --list", set(), " ".join(figure_files())),
        ("prepare_data.py --help", set(), "--train-tokens"),
        ("workspaces.py --help", set(), "--entity"),
        # With the strategies of k-Adam: these need numpy alone.
        ("stability.py 0.9 0.999", set(), "stable"),
    ],
)
def test_what_trains_and_draws_nothing_imports_nothing_heavy(command, imports, prints):
    code = f"""
import runpy, sys
sys.argv = {command.split()}
from adamct.optim import level_decays, strategy_hyperparameters
try:
    runpy.run_path("scripts/" + sys.argv[0], run_name="__main__")
except SystemExit as end:
    assert not end.code
found = {HEAVY | {"hydra", "scipy"}} & set(sys.modules)
assert found <= {imports}, found
"""
    env = {"PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert prints in done.stdout
