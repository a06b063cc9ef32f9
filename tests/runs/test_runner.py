import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch

from adamct.config.compose import compose_sweep
from adamct.runs.faults import DeviceMemoryError
from adamct.runs.process import ResumeError
from adamct.runs.runner import train_run
from adamct.runs.store import RunFolder
from adamct.train import Training, checkpoint
from adamct.train.checkpoint import CheckpointError

ROOT = Path(__file__).parents[2]
TINY = ["scale=smoke", "n_steps=60", "execution.flush_every=7"]
# Dropout on: its masks, too, must be those of an uninterrupted run.
RESUMED = [*TINY, "n_steps=300", "task.model.dropout=0.2"]
RESUMED += ["execution.checkpoint_minutes=1", "evaluation={every:50,n_batches:2}"]


def single(*overrides):
    return compose_sweep(overrides, sweep=False)


def run(sweep, runs_dir, *, checkpoint_every=None):
    """Train; a clock that a step advances by a part of a minute stands in for the real one."""
    (point,) = sweep
    clock = count(step=60 / checkpoint_every).__next__ if checkpoint_every else time.monotonic
    outcome = train_run(point.spec, sweep.execution, runs_dir=runs_dir, clock=clock)
    return outcome, RunFolder.of(point.spec, runs_dir)


def test_the_same_spec_gives_the_same_record_however_often_it_is_flushed(tmp_path):
    first, *others = (
        run(single(*TINY, f"execution.flush_every={every}"), tmp_path / str(every))[1]
        for every in (7, 1, 60)
    )
    for other in others:
        assert other.record_path.read_bytes() == first.record_path.read_bytes()
    lines = first.lines()
    assert [line["n"] for line in lines] == list(range(60))
    assert all(set(line) == {"n", "train_loss", "max_update", "lr"} for line in lines)
    assert lines[0]["max_update"] == pytest.approx([1.0], abs=1e-6)


def test_a_finished_run_has_its_environment_on_record_and_is_not_trained_again(tmp_path):
    outcome, folder = run(single(*TINY), tmp_path)
    assert outcome.status == "finished"
    (entry,) = folder.environments()
    assert torch.__version__.startswith(entry["versions"]["torch"])
    assert (entry["threads"], entry["compiled"], entry["first_step"]) == (1, False, 0)
    assert entry["wall_s"] > 0
    assert entry["device"]
    before = {path.name: path.stat().st_mtime_ns for path in folder.path.iterdir()}
    assert run(single(*TINY), tmp_path)[0] == outcome
    after = {path.name: path.stat().st_mtime_ns for path in folder.path.iterdir()}
    assert {**before, "lock": 0} == {**after, "lock": 0}


def test_evaluation_is_recorded_at_the_parameters_of_its_line(tmp_path):
    one = single(*TINY, "evaluation={every:25,n_batches:3}")
    _, folder = run(one, tmp_path)
    lines = folder.lines()
    assert [line["n"] for line in lines if "test_loss" in line] == [0, 25, 50, 60]
    training = Training(one[0].spec, one.execution, data_dir=one.data_dir, cache_dir=one.cache_dir)
    assert lines[0]["test_loss"] == float(training.evaluate()["test_loss"])
    for n in range(25):
        training.step(n)
    assert lines[25]["test_loss"] == float(training.evaluate()["test_loss"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the folder of a run that nothing interrupted."""
    return run(single(*RESUMED), tmp_path_factory.mktemp("whole"))[1]


@pytest.mark.parametrize("attempt", range(2))
def test_killed_at_a_random_step_it_ends_as_if_it_had_not_been(tmp_path, whole, attempt):
    one = single(*RESUMED)
    folder = RunFolder.of(one[0].spec, tmp_path / "killed")
    kill_at = random.Random(attempt).randrange(40, 200)
    # A checkpoint every 12 ms: a few steps.
    often = [f"runs_dir={tmp_path / 'killed'}", "execution.checkpoint_minutes=2e-4"]
    command = [sys.executable, "scripts/run.py", *RESUMED, *often]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    while process.poll() is None and folder.steps_recorded() < kill_at:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not folder.is_done()
    assert folder.checkpoint_path.exists()
    reached = folder.steps_recorded()
    run(one, tmp_path / "killed")
    assert 0 < folder.environments()[1]["first_step"] <= reached
    assert folder.record_path.read_bytes() == whole.record_path.read_bytes()
    assert (folder.path / "outcome.json").read_bytes() == (whole.path / "outcome.json").read_bytes()
    assert not folder.checkpoint_path.exists()


def flip_one_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.fixture
def stopped(tmp_path, monkeypatch):
    """Return a run that Ctrl-C has ended after its checkpoint, and its folder."""
    one, step = single(*RESUMED), Training.step

    def stop(self, n):
        if n == 30:
            raise KeyboardInterrupt
        return step(self, n)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "step", stop)
        with pytest.raises(KeyboardInterrupt):
            run(one, tmp_path, checkpoint_every=20)
    return one, RunFolder.of(one[0].spec, tmp_path)


def test_a_run_goes_on_from_its_checkpoint_to_the_same_end(stopped, tmp_path, whole):
    one, folder = stopped
    run(one, tmp_path)
    assert [entry["first_step"] for entry in folder.environments()] == [0, 20]
    assert folder.record_path.read_bytes() == whole.record_path.read_bytes()


@pytest.mark.parametrize("minutes", ["null", "0"])
def test_checkpoints_can_be_left_out(tmp_path, monkeypatch, minutes):
    monkeypatch.setattr(checkpoint, "on_host", pytest.fail)
    run(single(*TINY, f"execution.checkpoint_minutes={minutes}"), tmp_path, checkpoint_every=5)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]), "is torn"),
        (lambda path: path.write_bytes(checkpoint.to_bytes("other", 20, {})), "belongs to run ot"),
        (lambda path: torch.save([1], path), "no checkpoint at all"),
        (flip_one_bit, "altered"),
    ],
)
def test_a_damaged_checkpoint_is_named_with_the_remedy(stopped, tmp_path, damage, message):
    one, folder = stopped
    damage(folder.checkpoint_path)
    with pytest.raises(CheckpointError, match=message) as caught:
        run(one, tmp_path)
    assert re.search(r"delete .*checkpoint\.pt to start the run again", str(caught.value))


def test_a_diverging_run_says_where_and_keeps_its_record(tmp_path):
    one = single(*TINY, "optimizer.lr=1e18")
    outcome, folder = run(one, tmp_path)
    assert outcome.status == "diverged"
    lines = folder.lines()
    assert len(lines) == outcome.step < 60
    assert outcome.reason == f"train_loss is not finite at step {lines[-1]['n']}"
    assert all(line["train_loss"] < float("inf") for line in lines[:-1])
    assert run(one, tmp_path)[0] == outcome


@pytest.fixture
def failing(tmp_path, monkeypatch):
    """Return a function that trains with an error in the first step: what it raises."""

    def called(error):
        def broken(self, n):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(Training, "step", broken)
            with pytest.raises((Exception, SystemExit)) as caught:
                run(single(*TINY), tmp_path)
        return caught.value, RunFolder.of(single(*TINY)[0].spec, tmp_path).outcome()

    return called


def test_a_failed_run_says_why_and_is_tried_again(tmp_path, failing):
    error = ZeroDivisionError("no such luck")
    raised, outcome = failing(error)
    assert raised is error
    assert (outcome.status, outcome.reason) == ("failed", "ZeroDivisionError: no such luck")
    assert run(single(*TINY), tmp_path)[0].status == "finished"


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError(),
    ],
)
def test_too_little_memory_names_the_settings_that_help(failing, error):
    raised, outcome = failing(error)
    assert isinstance(raised, DeviceMemoryError)
    assert str(raised).startswith(str(error))
    assert outcome.reason == f"DeviceMemoryError: {raised}"
    settings = [r"hydra\.launcher\.n_jobs", r"execution\.device", r"execution\.compiled"]
    assert re.search(".*".join([*settings, r"last.*task\.batch_size.*spec"]), str(raised))


@pytest.mark.parametrize("kind", [RuntimeError, getattr(torch, "AcceleratorError", RuntimeError)])
def test_a_cuda_error_ends_the_process(failing, capsys, kind):
    error = kind("CUDA error: an illegal memory access was encountered")
    raised, outcome = failing(error)
    assert isinstance(raised, SystemExit)
    assert (raised.code, raised.__cause__) == (1, error)
    assert outcome.reason.startswith(f"{kind.__name__}: CUDA error: an illegal")
    assert (
        "illegal memory access was encountered; CUDA is of no more use" in capsys.readouterr().err
    )


def test_under_other_rounding_it_goes_on_only_where_it_need_not_repeat(stopped, tmp_path, capsys):
    one, folder = stopped
    folder.write_environments([folder.environments()[0] | {"threads": 2}])
    with pytest.raises(ResumeError, match=r"threads = 2 \(here 1\).*execution\.threads=2"):
        run(one, tmp_path)
    assert folder.outcome().status == "failed"
    lax = one.execution.model_copy(update={"deterministic": False})
    assert run(replace(one, execution=lax), tmp_path)[0].status == "finished"
    assert "threads = 2 (here 1)" in capsys.readouterr().err
    assert [entry["first_step"] for entry in folder.environments()] == [0, 20]
