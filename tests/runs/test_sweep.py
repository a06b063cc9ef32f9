import json
import math
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from adamct.config.compose import compose_sweep
from adamct.runs.store import RunFolder
from adamct.runs.sweep import run_sweep

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
    assert "Traceback" not in err
    return process.returncode, out, err


def unlaunched(capsys, *arguments):
    """What is checked before a launch, in this process: the exit code and the message."""
    code = run_sweep(arguments, launch=pytest.fail, track=lambda *_: nullcontext())
    return code, capsys.readouterr().err


def test_a_sweep_is_trained_once_whoever_asks(tmp_path):
    """Two sweeps at once, and a third after them: every run has one process in its record.

    Each shows a bar of all runs, whoever trains them.
    """
    runs = f"runs_dir={tmp_path}"
    both = [start("-m", *SWEEP, runs, "hydra/launcher=basic") for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        last = err.replace("\r", "\n").strip().splitlines()[-1]
        assert last.startswith("max_update_normal_curve 100%")
        assert "4.0/4 runs [" in last
        assert "run]" in last or "run/s]" in last
    swept = compose_sweep([*SWEEP, runs])
    folders = [RunFolder.of(point.spec, tmp_path) for point in swept]
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
        (["optimizer.gamma=1"], "error: optimizer.gamma: gamma = 1.0"),
        (["-m", *SWEEP, "optimizer.guard=maybe"], "optimizer.guard = 'maybe'"),
        (["optimizer.betta=1"], "Could not override 'optimizer.betta'"),
        (["task=gpt_huge"], "Could not find 'task/gpt_huge'"),
        (["seed=0,1"], "call with -m"),
        (["--no-such-option"], "unknown option --no-such-option"),
        (["task=gpt_shakespeare"], "shakespeare"),
        (["task=gpt_c4_small"], "prepare_data.py c4"),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.setenv("ADAMCT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ADAMCT_DATA", str(tmp_path / "nowhere"))
    code, err = unlaunched(capsys, *arguments, f"runs_dir={tmp_path / 'runs'}")
    assert code == 2
    assert message in err
    assert not list(tmp_path.iterdir())


def test_a_command_that_cannot_work_ends_without_a_traceback(tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = call("-m", *SWEEP, f"runs_dir={tmp_path / 'file'}")
    assert code == 2
    assert "cannot be written" in err


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_sweep_on_a_full_disk_says_so(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this system does not let root mount a tmpfs")
    try:
        code, _, err = call("-m", *SWEEP, f"runs_dir={small}", "n_steps=1000", "point=0,1")
        assert code == 1
        assert "scalars.jsonl cannot be written (No space left on device): make room" in err
        code, _, err = call("-m", *SWEEP, f"runs_dir={small}")
        assert code == 2
        assert "cannot be written (No space left on device): make room" in err
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_torn_outcome_is_named(tmp_path, capsys):
    asked = ["scale=smoke", f"runs_dir={tmp_path}"]
    (run_id,) = compose_sweep(asked, sweep=False).runs
    (tmp_path / run_id).mkdir()
    (tmp_path / run_id / "outcome.json").write_text("{")
    code, err = unlaunched(capsys, *asked)
    assert code == 2
    assert "is no outcome of a run" in err


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
    statuses = {
        point.spec.seed: RunFolder.of(point.spec, tmp_path).outcome().status
        for point in compose_sweep(sweep)
    }
    assert statuses == {0: "failed", 1: "finished", 2: "finished"}


def test_a_device_that_is_missing_is_refused_before_anything_is_launched(tmp_path, capsys):
    asked = ["scale=smoke", "execution.device=cuda:7", f"runs_dir={tmp_path}"]
    code, err = unlaunched(capsys, *asked)
    assert code == 2
    assert "set execution.device=cpu" in err
    assert not list(tmp_path.iterdir())
