import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adamct.config.compose import compose_sweep
from adamct.runs.store import RunFolder

ROOT = Path(__file__).parents[2]
SWEEP = ["experiment=max_update_normal_curve", "scale=smoke"]


def start(*arguments, **env):
    return subprocess.Popen(
        [sys.executable, "scripts/run.py", *arguments],
        cwd=ROOT,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def call(*arguments, **env):
    process = start(*arguments, **env)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def test_a_sweep_is_trained_once_whoever_asks(tmp_path):
    """Two sweeps at once, and a third after them: every run has one process in its record."""
    runs = f"runs_dir={tmp_path}"
    both = [start("-m", *SWEEP, runs) for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    cells = compose_sweep([*SWEEP, runs])
    folders = [RunFolder.of(cell.spec, tmp_path) for cell in cells]
    trained = {path.parent.name for path in tmp_path.glob("*/outcome.json")}
    assert trained == {folder.path.name for folder in folders}
    for folder in folders:
        assert folder.outcome().status == "finished"
        assert len(folder.environments()) == 1
        assert len(folder.lines()) == 40
    began = time.time()
    code, out, _ = call("-m", *SWEEP, runs)
    assert code == 0
    assert "4 of 4 runs done" in out
    assert "nothing to train" in out
    assert all(path.stat().st_mtime < began for path in tmp_path.rglob("*"))


def test_the_bar_shows_runs_rate_and_time_left(tmp_path):
    code, out, err = call("-m", *SWEEP, f"runs_dir={tmp_path}", "point=0,1")
    assert code == 0
    assert "0 of 2 runs done" in out
    last = err.replace("\r", "\n").strip().splitlines()[-1]
    assert last.startswith("max_update_normal_curve 100%")
    assert "2.0/2 runs [" in last
    assert "run]" in last or "run/s]" in last


def test_help_does_not_import_torch():
    script = "import sys; sys.argv = ['run.py', '--help']; import runpy\n"
    script += "try: runpy.run_path('scripts/run.py', run_name='__main__')\n"
    script += "finally: assert not {'torch', 'wandb', 'datasets', 'pandas'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "max_update_normal_curve" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["optimizer.gamma=1"], "error: optimizer.gamma: received 1.0"),
        (["-m", *SWEEP, "optimizer.guard=maybe"], "optimizer.guard = 'maybe'"),
        (["optimizer.betta=1"], "Could not override 'optimizer.betta'"),
        (["task=gpt_huge"], "Could not find 'task/gpt_huge'"),
        (["seed=0,1"], "call with -m"),
        (["--no-such-option"], "unknown option --no-such-option"),
        (["task=gpt_shakespeare"], "shakespeare"),
        (["task=gpt_c4_small"], "prepare_data.py c4"),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(tmp_path, arguments, message):
    runs, cache = tmp_path / "runs", tmp_path / "cache"
    environment = {"ADAMCT_CACHE": str(cache), "ADAMCT_DATA": str(tmp_path / "nowhere")}
    code, _, err = call(*arguments, f"runs_dir={runs}", **environment)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert not runs.exists()
    assert not cache.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_sweep_on_a_full_disk_says_so(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(small)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this system does not let root mount a tmpfs")
    try:
        code, _, err = call("-m", *SWEEP, f"runs_dir={small}", "n_steps=4000", "point=0,1")
        assert code == 1
        assert "scalars.jsonl cannot be written (No space left on device): make room" in err
        code, _, err = call("-m", *SWEEP, f"runs_dir={small}")
        assert code == 2
        assert "cannot be written (No space left on device): make room" in err
        assert "Traceback" not in err
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_runs_dir_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = call("-m", *SWEEP, f"runs_dir={tmp_path / 'file'}")
    assert code == 2
    assert "cannot be written" in err
    assert "Traceback" not in err


def test_a_torn_outcome_is_named(tmp_path):
    assert call("scale=smoke", "n_steps=2", f"runs_dir={tmp_path}")[0] == 0
    (outcome,) = tmp_path.glob("*/outcome.json")
    outcome.write_text("{")
    code, _, err = call("scale=smoke", "n_steps=2", f"runs_dir={tmp_path}")
    assert code == 2
    assert "is no outcome of a run" in err
    assert "Traceback" not in err


def test_c4_with_the_encoding_of_gpt2(real_data, tmp_path):
    """Real documents, from C4's own files to a sweep's records."""
    environment = {"ADAMCT_DATA": str(real_data), "ADAMCT_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "scripts/prepare_data.py", "c4"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    sweep = ["-m", "experiment=max_update_normal_curve", "task=gpt_c4_small", "curve.n_points=2"]
    small = ["n_steps=8", "task.model.d_model=16", f"runs_dir={tmp_path / 'runs'}"]
    code, out, err = call(*sweep, *small, **environment)
    assert code == 0, err
    assert "0 of 2 runs done" in out
    records = sorted((tmp_path / "runs").glob("*/scalars.jsonl"))
    assert len(records) == 2
    for record in records:
        lines = [json.loads(line) for line in record.read_text().splitlines()]
        assert len(lines) == 8
        assert lines[0]["train_loss"] == pytest.approx(math.log(50257), abs=0.1)


FAILING = """
import runpy, sys
from adamct.train import Training
step, seeds = Training.step, {0}
def failing(training, n):
    if training.spec.seed in seeds:
        raise MemoryError("no room for it")
    return step(training, n)
Training.step = failing
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_run_that_fails_keeps_no_later_array_from_being_launched(tmp_path):
    sweep = ["scale=smoke", "seed=0,1,2", "n_steps=5", f"runs_dir={tmp_path}"]
    launch = ["hydra/launcher=basic", "hydra.sweeper.max_batch_size=1"]
    command = [sys.executable, "-c", FAILING, "scripts/run.py", "-m", *sweep, *launch]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "did not finish: MemoryError: no room for it" in done.stderr
    assert "1 of 3 runs have no final outcome" in done.stderr
    cells = compose_sweep(sweep)
    statuses = {c.spec.seed: RunFolder.of(c.spec, tmp_path).outcome().status for c in cells}
    assert statuses == {0: "failed", 1: "finished", 2: "finished"}


def test_a_run_that_fails_is_reported_with_its_reason(tmp_path):
    code, _, err = call("scale=smoke", "execution.device=cuda:7", f"runs_dir={tmp_path}")
    assert code == 1
    assert "execution.device" in err
    assert "set execution.device=cpu" in err
    (outcome,) = tmp_path.glob("*/outcome.json")
    assert json.loads(outcome.read_text())["status"] == "failed"
