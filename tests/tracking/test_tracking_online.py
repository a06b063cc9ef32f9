"""The mirror online: W&B's real process, in front of a server on this machine."""

import json
import os
import signal
import time

import pytest

from adamct.config.compose import compose_sweep
from adamct.runs.store import RunFolder
from adamct.tracking.content import rows, run_config, run_identity

SWEEP = ["experiment=max_update_normal_curve", "scale=smoke", "point=0,1", "n_steps=60"]
SWEEP += ["execution.checkpoint_every=20", "execution.flush_every=10"]
RUN = ["scripts/run.py", "-m", *SWEEP, "hydra/launcher=basic"]
MIRROR = ["scripts/mirror.py", *SWEEP]
ONLINE = ["tracker=wandb", "tracker.mode=online"]


@pytest.fixture
def online(wandb_server, tmp_path):
    """What a program of the project is given, so that it is logged in at the server."""
    env = {"WANDB_BASE_URL": wandb_server.url, "WANDB_API_KEY": "a" * 40, "NO_PROXY": "127.0.0.1"}
    env |= {"WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1"}  # seconds; 15 otherwise
    return lambda *command: ((*command, *ONLINE, f"runs_dir={tmp_path / 'runs'}"), env)


@pytest.fixture
def begin(start, online):
    """Start a program that is logged in."""

    def begun(*command):
        words, env = online(*command)
        return start(*words, **env)

    return begun


@pytest.fixture
def done(call, online):
    """Run a program that is logged in to its end; return what it prints and complains of."""

    def called(*command):
        words, env = online(*command)
        code, out, err = call(*words, **env)
        assert code == 0, err
        return out, err

    return called


@pytest.fixture
def sweep(tmp_path):
    return compose_sweep([*SWEEP, *ONLINE, f"runs_dir={tmp_path / 'runs'}"])


def assert_served(server, sweep):
    """The server has every step of every run once, with the values of the records."""
    assert set(server.runs) == {run_identity(point).id for point in sweep}
    for point in sweep:
        identity, run = run_identity(point), server.runs[run_identity(point).id]
        folder = RunFolder.of(point.spec, sweep.runs_dir)
        lines = folder.lines()
        assert [row["n"] for row in run.rows()] == [line["n"] for line in lines]
        assert run.rows() == rows(point.spec, lines)
        assert run.config().items() >= run_config(point).items()
        assert run.summary["status"] == folder.outcome().status == "finished"
        assert run.upsert["groupName"] == identity.group
        assert run.upsert["displayName"] == identity.name
        assert set(run.upsert["tags"]) == set(identity.tags)
        assert run.exit_code == 0


def test_a_sweep_arrives_whole_and_once(wandb_server, done, sweep):
    printed, complaints = done(*RUN, "tracker.interval=0.2")
    assert "W&B: 2 points mirrored; online, in project adamct" in printed
    assert "warning" not in complaints
    assert_served(wandb_server, sweep)
    n_calls = len(wandb_server.asked)
    printed, _ = done(*MIRROR)
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


def test_killed_and_started_again_each_step_arrives_once(wandb_server, begin, done, sweep):
    second = run_identity(sweep[1]).id
    process = begin("-c", HANGING, *RUN, "tracker.interval=0.2")
    patience = time.monotonic() + 120
    # All that can come of the 40 steps recorded: the slopes of the last five are open, and W&B
    # holds back the last row.
    while second not in wandb_server.runs or len(wandb_server.runs[second].history) < 34:
        assert process.poll() is None
        assert time.monotonic() < patience
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert len(wandb_server.runs[second].history) == 34
    _, complaints = done(*RUN)
    assert "warning" not in complaints
    assert_served(wandb_server, sweep)


@pytest.mark.parametrize("is_silent", [False, True])
def test_a_server_that_is_lost_costs_a_warning_and_gets_the_rest_later(
    wandb_server, done, sweep, is_silent
):
    wandb_server.dies_after, wandb_server.is_silent = 40, is_silent
    impatient = ["tracker.interval=0.2", "tracker.init_timeout=3", "tracker.finish_timeout=3"]
    _, complaints = done(*RUN, *impatient)
    assert complaints.count("warning: the W&B mirror ended: W&B failed") == 1
    assert "Traceback" not in complaints
    assert wandb_server.is_down
    for point in sweep:
        assert RunFolder.of(point.spec, sweep.runs_dir).outcome().status == "finished"
    wandb_server.is_down, wandb_server.dies_after = False, float("inf")
    printed, _ = done(*MIRROR)
    assert "of 2 points mirrored now" in printed
    assert "0 of 2" not in printed
    assert_served(wandb_server, sweep)


def test_a_figure_arrives_with_its_claims(wandb_server, done, tmp_path):
    drawing = ["scripts/plot.py", "fig2", "--scale", "smoke", "--out", str(tmp_path / "pictures")]
    for times in (1, 2):
        _, complaints = done(*drawing)
        assert "warning" not in complaints
        run = wandb_server.runs["fig02_level_curves-smoke"]
        assert len(run.history) == times  # the latest is what W&B shows
        assert run.exit_code == 0
        (picture,) = (tmp_path / "pictures").rglob("fig02_level_curves.png")
        assert run.files[run.summary["figure"]["path"]] == picture.read_bytes()
        claims = json.loads(run.files[run.summary["claims"]["path"]])
        assert json.loads(run.files["claims.table.json"])["data"] == claims["data"]
        judged = [run.summary[name] for name in run.summary if name.startswith("claims/")]
        assert len(claims["data"]) == sum(judged) > 0
