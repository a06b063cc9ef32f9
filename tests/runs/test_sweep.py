import json
import math
import os
import runpy
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from adamct.config.compose import compose_sweep
from adamct.runs.store import RunFolder
from adamct.runs.sweep import run_sweep
from adamct.train import Training

ROOT = Path(__file__).parents[2]
SWEEP = ["experiment=max_update_normal_curve", "scale=smoke"]


@pytest.fixture
def call(monkeypatch, capsys):
    """Return a function that calls run.py in this process: its code, what it prints and says."""
    monkeypatch.chdir(ROOT)

    def called(*arguments):
        monkeypatch.setattr(sys, "argv", ["run.py", *arguments, "hydra/launcher=basic"])
        with pytest.raises(SystemExit) as end:
            runpy.run_path("scripts/run.py", run_name="__main__")
        return end.value.code, *capsys.readouterr()

    return called


@pytest.fixture
def unlaunched(capsys):
    """Return a function that calls what comes before and after a launch, which is not reached."""

    def called(*arguments):
        code = run_sweep(arguments, launch=pytest.fail, track=lambda *_: nullcontext())
        return code, *capsys.readouterr()

    return called


def test_a_sweep_is_trained_once_whoever_asks(tmp_path, unlaunched):
    """Two sweeps at once, and a third after them: every run has one process in its record.

    Each shows a bar of all runs, whoever trains them.
    """
    asked = ["-m", *SWEEP, f"runs_dir={tmp_path}"]
    both = [
        subprocess.Popen(
            [sys.executable, "scripts/run.py", *asked, f"hydra/launcher={launcher}"],
            cwd=ROOT, stderr=subprocess.PIPE, text=True,
        )
        for launcher in ("basic", "local")
    ]  # fmt: skip
    for process in both:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        last = err.replace("\r", "\n").strip().splitlines()[-1]
        assert last.startswith("max_update_normal_curve 100%")
        assert "4.0/4 runs [" in last
    swept = compose_sweep(asked[1:])
    folders = [RunFolder.of(point.spec, tmp_path) for point in swept]
    trained = {path.parent.name for path in tmp_path.glob("*/outcome.json")}
    assert trained == {folder.path.name for folder in folders}
    for folder in folders:
        assert folder.outcome().status == "finished"
        assert len(folder.environments()) == 1
        assert len(folder.lines()) == 40
    began = time.time()
    code, out, _ = unlaunched(*asked)
    assert (code, "4 of 4 runs done" in out, "nothing to train" in out) == (0, True, True)
    assert all(path.stat().st_mtime < began for path in tmp_path.rglob("*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["optimizer.gamma=1"], "error: optimizer.gamma: gamma = 1.0"),
        (["optimizer.betta=1"], "Could not override 'optimizer.betta'"),
        (["task=gpt_huge"], "Could not find 'task/gpt_huge'"),
        (["seed=0,1"], "call with -m"),
        (["--no-such-option"], "unknown option --no-such-option"),
        (["task=gpt_shakespeare"], "shakespeare"),
        (["task=gpt_c4_small"], "prepare_data.py c4"),
        (["scale=smoke", "execution.device=cuda:7"], "set execution.device=cpu"),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(
    tmp_path, monkeypatch, unlaunched, arguments, message
):
    monkeypatch.setenv("ADAMCT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ADAMCT_DATA", str(tmp_path / "nowhere"))
    code, _, err = unlaunched(*arguments, f"runs_dir={tmp_path / 'runs'}")
    assert code == 2
    assert message in err
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_named_and_leaves_nothing_half_written(tmp_path, call, unlaunched):
    """The kernel itself reports it, of a folder with room for 64 KiB."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root, and a system that lets it")
    asked = ["-m", *SWEEP, f"runs_dir={small}", "n_steps=800", "point=0"]
    try:
        code, _, err = call(*asked)
        full = "cannot be written (No space left on device): make room"
        assert (code, f"scalars.jsonl {full}" in err) == (1, True)
        (folder,) = (RunFolder.of(point.spec, small) for point in compose_sweep(asked[1:]))
        assert not folder.is_done()
        text = folder.record_path.read_text()
        assert text.endswith("\n")
        steps = [json.loads(line)["n"] for line in text.splitlines()]
        assert steps == list(range(len(steps)))
        assert not [path for path in folder.path.iterdir() if path.name.startswith(".")]
        code, _, err = unlaunched(*asked)
        assert (code, full in err) == (2, True)
        subprocess.run(["mount", "-o", "remount,size=4m", str(small)], check=True)
        assert call(*asked)[0] == 0
        assert folder.outcome().status == "finished"
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_what_lies_in_the_way_of_a_run_is_named(tmp_path, unlaunched):
    (tmp_path / "file").write_text("")
    code, _, err = unlaunched("-m", *SWEEP, f"runs_dir={tmp_path / 'file'}")
    assert (code, "cannot be written" in err) == (2, True)
    asked = ["scale=smoke", f"runs_dir={tmp_path}"]
    (run_id,) = compose_sweep(asked, sweep=False).runs
    (tmp_path / run_id).mkdir()
    (tmp_path / run_id / "outcome.json").write_text("{")
    code, _, err = unlaunched(*asked)
    assert (code, "is no outcome of a run" in err) == (2, True)


def test_a_run_on_c4_begins_at_the_loss_of_chance(real_data, tmp_path, call):
    """Real documents in the encoding of GPT-2, from C4's own files to a sweep's record."""
    asked = ["task=gpt_c4_small", "n_steps=8", "task.model.d_model=16"]
    asked += [f"data_dir={real_data}", f"cache_dir={tmp_path / 'cache'}", f"runs_dir={tmp_path}"]
    assert call("-m", *asked)[0] == 0
    (point,) = compose_sweep(asked)
    lines = RunFolder.of(point.spec, tmp_path).lines()
    assert len(lines) == 8
    assert lines[0]["train_loss"] == pytest.approx(math.log(50257), abs=0.1)


@pytest.mark.parametrize(
    ("error", "others"),
    [
        (ZeroDivisionError("no such luck"), "finished"),
        (RuntimeError("CUDA error: unspecified launch failure"), None),
    ],
    ids=["of the run", "of the process"],
)
def test_a_run_that_fails_keeps_others_from_being_launched_only_where_they_would_fail_too(
    tmp_path, call, monkeypatch, error, others
):
    step = Training.step

    def failing(training, n):
        if training.spec.seed == 0:
            raise error
        return step(training, n)

    monkeypatch.setattr(Training, "step", failing)
    sweep = ["scale=smoke", "seed=0,1,2", "n_steps=5", f"runs_dir={tmp_path}"]
    code, _, err = call("-m", *sweep, "hydra.sweeper.max_batch_size=1")
    assert code == 1
    assert f"did not finish: {type(error).__name__}: {error}" in err
    assert f"{1 if others else 3} of 3 runs have no final outcome" in err
    for point in compose_sweep(sweep):
        outcome = RunFolder.of(point.spec, tmp_path).outcome()
        status = outcome and outcome.status
        assert status == ("failed" if point.spec.seed == 0 else others)
