"""The benchmark of a GPU, tried on the CPU with small shapes: the path, not the speed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
BLOCKS = (
    *("device", "parity", "determinism", "synchronization"),
    *("gpt", "optimizer", "cnn", "packing", "stall", "figure_3"),
)


@pytest.fixture
def processes(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from benchmarks.gpu import processes

    return processes


# What a GPU machine may lack: the training path needs numpy, pandas and pydantic beside torch.
LACKING = "hydra omegaconf wandb datasets scipy submitit joblib matplotlib sklearn jinja2 tqdm"


def test_every_block_leaves_its_results_and_every_check_holds(tmp_path):
    command = [sys.executable, str(SCRIPTS / "bench.py"), "gpu", "--tiny", "--device", "cpu"]
    blocked = f"import sys\nsys.modules.update(dict.fromkeys({LACKING.split()}))\n"
    (tmp_path / "sitecustomize.py").write_text(blocked)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*command, "--seconds", "300", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    results = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in BLOCKS}
    assert all(check["holds"] for of_block in results.values() for check in of_block["checks"])
    assert {len(results[name]["checks"]) for name in ("parity", "determinism")} == {8, 6}
    assert [check["name"] for check in results["packing"]["checks"]] == [
        "2 at once are equal to one alone"
    ]
    assert len(results["figure_3"]["checks"]) == 2
    assert len(json.loads((tmp_path / "figure_3_0.json").read_text())) == 60
    assert "resumed is undisturbed" in done.stdout


def test_a_failed_check_and_a_missing_block_are_exit_code_1(processes, tmp_path, capsys):
    check = {"name": "two runs are equal", "holds": False, "found": "they differ"}
    (tmp_path / "determinism.json").write_text(json.dumps({"checks": [check], "numbers": {}}))
    assert processes._print_table(tmp_path, ["determinism"], []) == 1
    assert "FAILS  two runs are equal" in capsys.readouterr().out
    assert processes._print_table(tmp_path, ["parity"], ["parity: out of time"]) == 1
    assert processes._print_table(tmp_path, [], []) == 0
