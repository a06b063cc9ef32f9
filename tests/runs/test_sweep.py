import json
import math
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from adamct.config.compose import compose_sweep
from adamct.plotting.registry import import_file
from adamct.runs.store import RunFolder
from adamct.runs.sweep import run_sweep
from adamct.train import Training

ROOT = Path(__file__).parents[2]
SWEEP = ["experiment=max_update_normal_curve", "scale=smoke"]


@pytest.fixture
def call(monkeypatch, capsys):
    """Return a function that calls run.py in this process: its code, what it prints and says."""
    monkeypatch.chdir(ROOT)
    script = import_file(ROOT / "scripts" / "run.py")

    def called(*arguments):
        arguments = [*arguments, "hydra/launcher=basic"]
        monkeypatch.setattr(sys, "argv", ["run.py", *arguments])
        return script.main(arguments), *capsys.readouterr()

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


def test_a_sweep_on_a_full_disk_says_so(small_disk, call, unlaunched):
    code, _, err = call("-m", *SWEEP, f"runs_dir={small_disk}", "n_steps=1000", "point=0,1")
    assert code == 1
    assert "scalars.jsonl cannot be written (No space left on device): make room" in err
    code, _, err = unlaunched("-m", *SWEEP, f"runs_dir={small_disk}")
    assert code == 2
    assert "cannot be written (No space left on device): make room" in err


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


def test_c4_with_the_encoding_of_gpt2(real_data, tmp_path, call, monkeypatch):
    """Real documents, from C4's own files to a sweep's records."""
    monkeypatch.setenv("ADAMCT_DATA", str(real_data))
    monkeypatch.setenv("ADAMCT_CACHE", str(tmp_path / "cache"))
    prepare = [sys.executable, "scripts/prepare_data.py", "c4"]
    subprocess.run(prepare, cwd=ROOT, capture_output=True, check=True)
    sweep = ["-m", "experiment=max_update_normal_curve", "task=gpt_c4_small", "curve.n_points=2"]
    small = ["n_steps=8", "task.model.d_model=16", f"runs_dir={tmp_path / 'runs'}"]
    code, out, err = call(*sweep, *small)
    assert code == 0, err
    assert "0 of 2 runs done" in out
    records = sorted((tmp_path / "runs").glob("*/scalars.jsonl"))
    assert len(records) == 2
    for record in records:
        lines = [json.loads(line) for line in record.read_text().splitlines()]
        assert len(lines) == 8
        assert lines[0]["train_loss"] == pytest.approx(math.log(50257), abs=0.1)


def test_a_run_that_fails_keeps_no_later_array_from_being_launched(tmp_path, call, monkeypatch):
    step = Training.step

    def failing(training, n):
        if training.spec.seed == 0:
            raise MemoryError("no room for it")
        return step(training, n)

    monkeypatch.setattr(Training, "step", failing)
    sweep = ["scale=smoke", "seed=0,1,2", "n_steps=5", f"runs_dir={tmp_path}"]
    code, _, err = call("-m", *sweep, "hydra.sweeper.max_batch_size=1")
    assert code == 1
    assert "did not finish: MemoryError: no room for it" in err
    assert "1 of 3 runs have no final outcome" in err
    statuses = {
        point.spec.seed: RunFolder.of(point.spec, tmp_path).outcome().status
        for point in compose_sweep(sweep)
    }
    assert statuses == {0: "failed", 1: "finished", 2: "finished"}
