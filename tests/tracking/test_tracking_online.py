"""The mirror online: W&B's real process, in front of a server on this machine."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adamct.compose import compose_cells
from adamct.store import RunFolder
from adamct.tracking.content import rows, run_config, run_identity

ROOT = Path(__file__).parents[2]
SWEEP = ["experiment=max_update_normal_curve", "scale=smoke", "point=0,1", "n_steps=60"]
SWEEP += ["tracker=wandb", "tracker.mode=online", "hydra/launcher=basic"]
SWEEP += ["execution.checkpoint_every=20", "execution.flush_every=10"]


@pytest.fixture
def start(wandb_server, tmp_path):
    """Start a program of the project, logged in at the server."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    env |= {"WANDB_BASE_URL": wandb_server.url, "WANDB_API_KEY": "a" * 40}

    def started(*command):
        command = [sys.executable, *command, *SWEEP, f"runs_dir={tmp_path / 'runs'}"]
        # Not through pipes: W&B's process outlives a kill for a while, and would keep them open.
        with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
            return subprocess.Popen(
                command, cwd=ROOT, env=env, stdout=out, stderr=err, start_new_session=True
            )

    return started


@pytest.fixture
def call(start, tmp_path):
    """Run a program of the project to its end; return what it prints and complains of."""

    def called(*command):
        process = start(*command)
        code = process.wait(timeout=300)
        out, err = ((tmp_path / name).read_text() for name in ("out", "err"))
        assert code == 0, err
        return out, err

    return called


@pytest.fixture
def cells(tmp_path):
    sweep = [word for word in SWEEP if not word.startswith("hydra/")]
    return compose_cells([*sweep, f"runs_dir={tmp_path / 'runs'}"])


def assert_served(server, cells):
    """The server has every step of every run once, with the values of the records."""
    assert set(server.runs) == {run_identity(cell).id for cell in cells}
    for cell in cells:
        identity, run = run_identity(cell), server.runs[run_identity(cell).id]
        folder = RunFolder.of(cell.spec, cell.runs_dir)
        lines = folder.lines()
        assert [row["n"] for row in run.rows()] == [line["n"] for line in lines]
        assert run.rows() == rows(cell.spec, lines)
        assert run.config().items() >= run_config(cell).items()
        assert run.summary["status"] == folder.outcome().status == "finished"
        assert run.upsert["groupName"] == identity.group
        assert run.upsert["displayName"] == identity.name
        assert set(run.upsert["tags"]) == set(identity.tags)
        assert run.exit_code == 0


def test_a_sweep_arrives_while_it_trains_and_whole(wandb_server, start, call, cells):
    printed, complaints = call("scripts/run.py", "-m", "tracker.interval=0.2")
    assert "W&B: 2 points mirrored; online, in project adamct" in printed
    assert "warning" not in complaints
    assert_served(wandb_server, cells)
    n_calls = len(wandb_server.asked)
    printed, _ = call("scripts/mirror.py")
    assert "0 of 2 points mirrored now, 2 before" in printed
    assert "UpsertBucket" not in wandb_server.asked[n_calls:]


# Hangs in step 45 of its second run.
HANGING = """
import runpy, sys, time
from adamct.train import Training
step, begun = Training.step, []
def hanging_step(training, n):
    begun.append(n)
    while begun.count(45) == 2:
        time.sleep(1.0)
    return step(training, n)
Training.step = hanging_step
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_killed_and_started_again_each_step_arrives_once(wandb_server, start, call, cells):
    growing = run_identity(cells[1]).id
    sweep = start("-c", HANGING, "scripts/run.py", "-m", "tracker.interval=0.2")
    patience = time.monotonic() + 120
    while growing not in wandb_server.runs or not wandb_server.runs[growing].history:
        assert sweep.poll() is None and time.monotonic() < patience
        time.sleep(0.05)
    os.killpg(sweep.pid, signal.SIGKILL)
    assert sweep.wait() == -signal.SIGKILL
    assert 0 < len(wandb_server.runs[growing].history) < 60
    _, complaints = call("scripts/run.py", "-m")
    assert "warning" not in complaints
    assert_served(wandb_server, cells)


def test_a_server_that_is_lost_costs_a_warning_and_gets_the_rest_later(wandb_server, call, cells):
    wandb_server.dies_after = 40
    impatient = ["tracker.interval=0.2", "tracker.init_timeout=3", "tracker.finish_timeout=3"]
    _, complaints = call("scripts/run.py", "-m", *impatient)
    assert complaints.count("warning: the W&B mirror ended: W&B failed") == 1
    assert "Traceback" not in complaints
    assert wandb_server.is_down
    for cell in cells:
        assert RunFolder.of(cell.spec, cell.runs_dir).outcome().status == "finished"
    wandb_server.is_down, wandb_server.dies_after = False, float("inf")
    printed, _ = call("scripts/mirror.py")
    assert "of 2 points mirrored now" in printed
    assert_served(wandb_server, cells)
