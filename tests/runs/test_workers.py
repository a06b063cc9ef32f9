import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from adamct.config.compose import compose_sweep
from adamct.config.execution import Execution
from adamct.config.schema import ConfigurationError
from adamct.environment import n_cores
from adamct.files import HeldError
from adamct.runs.runner import train_run
from adamct.runs.store import RunFolder, folders_of
from adamct.runs.workers import gpus, n_workers, train_runs, worker_environment

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sweep(tmp_path):
    """Three runs of 60 steps, for two processes."""
    overrides = ["scale=smoke", "seed=0,1,2", "n_steps=60", "execution.flush_every=1"]
    return compose_sweep([*overrides, "hydra.launcher.n_jobs=2", f"runs_dir={tmp_path}"])


@pytest.fixture
def folders(sweep):
    return list(folders_of(sweep).values())


def statuses(folders):
    outcomes = [folder.outcome() for folder in folders]
    return [outcome and outcome.status for outcome in outcomes]


def holder(folder):
    """Return the process that holds a run, as the kernel says; waits until there is one."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if folder.steps_recorded():
            inode = (folder.path / "lock").stat().st_ino
            for line in Path("/proc/locks").read_text().splitlines():
                if f":{inode} " in line:
                    return int(line.split()[4])
        time.sleep(0.01)
    raise TimeoutError(folder.path)


def test_workers_leave_the_bits_that_this_process_leaves(sweep, folders, tmp_path):
    """They are forked with torch in them, and take turns at runs."""
    train_runs(sweep, sweep.runs.values())
    here = replace(sweep, runs_dir=tmp_path / "here", n_jobs=1)
    train_runs(here, here.runs.values())
    for there, folder in zip(folders, folders_of(here).values(), strict=True):
        assert there.outcome() == folder.outcome()
        assert there.record_path.read_bytes() == folder.record_path.read_bytes()


def test_a_worker_that_dies_takes_one_run_with_it(sweep, folders, capsys):
    def kill():
        os.kill(holder(folders[0]), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    train_runs(sweep, sweep.runs.values())
    thread.join()
    assert statuses(folders) == [None, "finished", "finished"]
    err = capsys.readouterr().err
    assert f"run {folders[0].path.name} died (SIGKILL)" in err
    assert "hydra.launcher.n_jobs" in err
    train_runs(sweep, sweep.runs.values())
    assert statuses(folders) == ["finished"] * 3
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_run_that_fails_stops_no_other_and_its_traceback_is_shown_once(sweep, capsys, n_jobs):
    specs = list(sweep.runs.values())
    data = specs[0].task.data.model_copy(update={"sha256": "0" * 64})
    foreign = {"task": specs[0].task.model_copy(update={"data": data})}
    specs[:2] = [spec.model_copy(update=foreign) for spec in specs[:2]]
    train_runs(replace(sweep, n_jobs=n_jobs), specs)
    assert statuses(RunFolder.of(spec, sweep.runs_dir) for spec in specs) == [
        *("failed", "failed", "finished")
    ]
    err = capsys.readouterr().err
    assert err.count("Traceback") == err.count("changed since the spec was composed") == 1


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_run_that_another_process_holds_is_looked_at_again_at_the_end(sweep, folders, n_jobs):
    held, seen = threading.Event(), []

    def hold():
        with folders[0].lock():
            held.set()
            deadline = time.monotonic() + 120
            while statuses(folders[1:]) != ["finished"] * 2 and time.monotonic() < deadline:
                time.sleep(0.05)
            seen.extend(statuses(folders))

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    train_runs(replace(sweep, n_jobs=n_jobs), sweep.runs.values())
    thread.join()
    assert seen == [None, "finished", "finished"]
    assert statuses(folders) == ["finished"] * 3


@pytest.mark.parametrize(
    ("send", "number", "code"),
    [
        (os.killpg, signal.SIGINT, 130),
        (os.kill, signal.SIGINT, 130),
        (os.kill, signal.SIGTERM, 143),
    ],
)
def test_ctrl_c_ends_every_process_in_order(sweep, folders, tmp_path, send, number, code):
    """A terminal sends it to all processes, ``kill -INT`` to one; a batch system sends SIGTERM."""
    words = ["-m", "scale=smoke", "seed=0,1,2", "n_steps=5000", "hydra.launcher.n_jobs=2"]
    words += ["execution.flush_every=1", f"runs_dir={tmp_path}"]
    process = subprocess.Popen(
        [sys.executable, "scripts/run.py", *words],
        cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    long = list(folders_of(compose_sweep(words[1:])).values())
    pids = {holder(long[0]), holder(long[1])}
    assert process.pid not in pids
    send(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    told = "error: interrupted; start again to go on where it stopped\n"
    assert err.endswith(told) == (number == signal.SIGINT)
    assert "Traceback" not in err
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert statuses(long) == [None] * 3


@pytest.mark.parametrize(
    ("n_jobs", "expected"), [(3, 3), (-1, n_cores()), (-n_cores(), 1), (-100, 1)]
)
def test_processes_are_counted_as_joblib_counts_them(sweep, n_jobs, expected):
    assert n_workers(replace(sweep, n_jobs=n_jobs)) == expected


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        *(("n_jobs", n, "expected a number of processes, or") for n in (0, None, "two", 1.5, True)),
        *(("runs_per_gpu", n, "how many processes share a GPU") for n in (0, -1, None, "two", 1.5)),
    ],
)
def test_what_is_no_number_of_processes_is_refused(sweep, key, value, remedy):
    with pytest.raises(ConfigurationError, match=rf"launcher\.{key} = .*{remedy}"):
        n_workers(replace(sweep, **{"n_jobs": -1, key: value}))


@pytest.mark.parametrize(
    ("device", "n_jobs", "per_gpu"),
    [("cuda", -1, [3, 3]), ("auto", -2, [3, 2]), ("cuda", 4, [2, 2]), ("cuda:1", -1, [3])],
)
def test_small_runs_share_their_gpus(monkeypatch, tmp_path, device, n_jobs, per_gpu):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    words = ["scale=smoke", f"hydra.launcher.n_jobs={n_jobs}", "hydra.launcher.runs_per_gpu=3"]
    sweep = compose_sweep([*words, f"execution.device={device}", f"runs_dir={tmp_path}"])
    shared = gpus(sweep.execution)
    own = [str(worker_environment(i, shared)) for i in range(n_workers(sweep))]
    assert list(Counter(own).values()) == per_gpu


@pytest.mark.parametrize(
    ("device", "visible", "shared"),
    [
        ("cuda", None, ["0", "1", "2"]),
        ("auto", "", ["0", "1", "2"]),
        ("cuda", "5,7", ["5", "7"]),
        ("cuda:1", "5,7", []),
        ("cpu", None, []),
    ],
)
def test_every_worker_has_a_gpu_of_its_own(monkeypatch, sweep, device, visible, shared):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    execution = Execution(device=device)
    assert gpus(execution) == shared
    n = n_workers(replace(sweep, execution=execution, n_jobs=-1))
    if shared:
        assert n == len(shared)
        own = [worker_environment(i, shared)["CUDA_VISIBLE_DEVICES"] for i in range(n + 1)]
        assert own == [*shared, shared[0]]
    else:
        assert n == (n_cores() if device == "cpu" else 1)
        assert worker_environment(0, shared) == {}


def test_a_sweep_without_a_gpu_is_driven_without_torch(tmp_path):
    """The driver composes and waits; workers import what trains."""
    script = "import sys; from adamct.runs.sweep import run_sweep; from contextlib import *\n"
    script += "code = run_sweep(sys.argv[1:], sys.exit, lambda *_: nullcontext())\n"
    script += "assert (code, 'torch' in sys.modules) == (0, False)"
    words = ["-m", "scale=smoke", "n_steps=2", f"runs_dir={tmp_path}"]
    subprocess.run([sys.executable, "-c", script, *words], cwd=ROOT, check=True)


def test_train_run_passes_over_what_is_held(sweep, folders):
    settings = {"runs_dir": sweep.runs_dir, "cache_dir": sweep.cache_dir}
    with folders[0].lock(), pytest.raises(HeldError, match="is held by another process"):
        train_run(sweep[0].spec, sweep.execution, **settings, wait=False)
