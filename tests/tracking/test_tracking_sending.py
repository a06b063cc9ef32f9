import json
import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import get_args
from unittest.mock import MagicMock

import pytest
import wandb
from wandb.util import get_core_path

from adamct.claims.verdict import Status
from adamct.config.compose import compose_sweep
from adamct.files import FileError
from adamct.runs.lines import RecordWriter
from adamct.runs.runner import train_run
from adamct.runs.store import RunFolder
from adamct.tracking import live_sync
from adamct.tracking.content import rows, run_config, run_identity
from adamct.tracking.figures import mirror_figure
from adamct.tracking.live_sync import tracked
from adamct.tracking.mirror import Mirror
from adamct.tracking.mode import TrackingError, tracker_mode
from adamct.tracking.sending import PointMirror, send

ROOT = Path(__file__).parents[2]
SMOKE = ["experiment=max_update_normal_curve", "scale=smoke", "tracker=wandb"]


@pytest.fixture(scope="module", autouse=True)
def no_account():
    """Keep an account of the person who tests, and a server that answers, out of it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("WANDB_")]:
            patch.delenv(name)
        patch.setenv("NETRC", os.devnull)
        patch.setenv("WANDB_MODE", "offline")
        patch.setattr(live_sync, "END_WAIT_S", 240.0)  # on a busy machine, too
        yield
        wandb.teardown()


def compose(runs_dir, *overrides):
    return compose_sweep([*SMOKE, f"runs_dir={runs_dir}", *overrides])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Train two short runs and one that scores; return their sweep."""
    runs = tmp_path_factory.mktemp("finished")
    short = compose(runs, "point=0,3", "n_steps=30")
    scored = compose(runs, "point=1", "n_steps=20", "evaluation={every:5,n_batches:1}")
    sweep = replace(short, points=short.points + scored.points)
    for spec in sweep.runs.values():
        train_run(spec, sweep.execution, runs_dir=runs)
    return sweep


@pytest.fixture
def sweep(finished, tmp_path):
    """Return a sweep of two finished runs, in folders of this test's own."""
    without = shutil.ignore_patterns(".wandb")
    shutil.copytree(finished.runs_dir, tmp_path, dirs_exist_ok=True, ignore=without)
    return compose(tmp_path, "point=0,3", "n_steps=30")


@pytest.fixture
def mirror_script(script, monkeypatch):
    monkeypatch.chdir(ROOT)  # which it may leave
    return script("mirror.py")


def locked(sweep):
    return Mirror.locked(sweep.tracker, run_identity(sweep[0]).group)


def folder_of(point, sweep):
    return RunFolder.of(point.spec, sweep.runs_dir)


def is_complete(mirror, point, sweep):
    return mirror.is_complete(run_identity(point), folder_of(point, sweep).outcome())


def read_back(sweep, wandb_id):
    """Read a W&B file with W&B's own reader: history, summary, and what else there is of a run."""
    (path,) = sweep.runs_dir.glob(f".wandb/wandb/*{wandb_id}/*.wandb")
    command = [get_core_path(), "leet", "inspect", "--no-observability", "--json"]
    command += ["--run-file", str(path), str(path.parent)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    entries = [json.loads(line) for line in text.splitlines()]
    items = [e["history"]["item"] for e in entries if e["type"] == "history"]
    history = [
        {k: v for k, v in item.items() if k not in ("_runtime", "_timestamp")} for item in items
    ]
    summary = {}
    for entry in entries:
        if entry["type"] == "summary":
            summary |= entry["summary"]["update"]
    (run,) = (entry["run"] for entry in entries if entry["type"] == "run")
    ends = [entry["exit"].get("exit_code", 0) for entry in entries if entry["type"] == "exit"]
    return history, summary, run, ends


def assert_mirrored(sweep):
    """The W&B file of a point holds every step once, with the record's values and the rows'."""
    for point in sweep:
        folder, identity = folder_of(point, sweep), run_identity(point)
        history, summary, run, ends = read_back(sweep, identity.id)
        lines = folder.lines()
        assert [item.pop("_step") for item in history] == [line["n"] for line in lines]
        assert history == rows(point.spec, lines)
        assert [item["train_loss"] for item in history if "train_loss" in item] == [
            line["train_loss"] for line in lines if "train_loss" in line
        ]
        outcome = folder.outcome()
        assert (summary["status"], summary["n_recorded"]) == (outcome.status, outcome.step)
        assert run["config"]["update"].items() >= run_config(point).items()
        assert (run["run_group"], run["job_type"]) == (identity.group, "point")
        assert set(run["tags"]) == set(identity.tags) >= {"figure 3", "k=1", summary["region"]}
        assert ends == [0]


def test_a_mirror_equals_the_record_and_is_made_once(finished):
    with locked(finished) as mirror:
        assert mirror.mode == "offline"
        assert send(mirror, finished) == {"sent": 3, "left": 0}
        assert_mirrored(finished)
        _, summary, *_ = read_back(finished, run_identity(finished[-1]).id)
        losses = [
            x["test_loss"] for x in folder_of(finished[-1], finished).lines() if "test_loss" in x
        ]
        assert summary["best/test_loss"] == min(losses)
        files = {path: path.stat().st_mtime for path in finished.runs_dir.rglob("*.wandb")}
        assert send(mirror, finished) == {"was sent": 3, "left": 0}
        assert files == {path: path.stat().st_mtime for path in finished.runs_dir.rglob("*.wandb")}


def test_a_mirror_that_was_cut_or_removed_is_made_again(sweep):
    with locked(sweep) as mirror:
        send(mirror, replace(sweep, points=sweep.points[:1]))
        cut = mirror.open(run_identity(sweep[1]), {})  # as by a kill
        cut.finish(exit_code=1)
        (folder,) = sweep.runs_dir.glob(f".wandb/wandb/*{run_identity(sweep[0]).id}")
        shutil.rmtree(folder)
        assert not is_complete(mirror, sweep[0], sweep)
        assert send(mirror, sweep)["sent"] == 2
    assert_mirrored(sweep)


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("n_before_the_look", [12, 25])
def test_a_record_cut_at_its_checkpoint_leaves_no_trace(sweep, shift, n_before_the_look):
    """The lines after the cut may differ from those before it, as on another device."""
    folder = folder_of(sweep[0], sweep)
    final, outcome = folder.lines(), folder.outcome()
    folder.clear_outcome()
    folder.record_path.unlink()
    before = [line | {"train_loss": line["train_loss"] + shift} for line in final[:20]]
    with locked(sweep) as mirror:
        point = PointMirror(mirror, sweep[0], sweep.runs_dir)
        assert point.look() == "left"
        assert not (sweep.runs_dir / ".wandb" / "wandb").exists()  # there is nothing yet
        first = RecordWriter(folder.record_path, 0)
        first.write([*final[:10], *before[10:]])
        first.close()
        point = PointMirror(mirror, sweep[0], sweep.runs_dir, since=time.time() - 60)
        assert point.look() == "left"
        second = RecordWriter(folder.record_path, 10)
        second.write(final[10:n_before_the_look])
        assert point.look() == "left"
        second.write(final[n_before_the_look:])
        second.close()
        assert point.look() == "left"
        folder.write_outcome(outcome)
        assert point.look() == "sent"
    assert_mirrored(replace(sweep, points=sweep.points[:1]))


def test_online_rows_of_a_record_that_was_cut_are_said_to_be_kept(sweep, capsys, monkeypatch):
    """The server has 17 rows of every run."""
    monkeypatch.setattr(wandb, "init", lambda **_: MagicMock(starting_step=17))
    folder = folder_of(sweep[0], sweep)
    lines = folder.lines()
    folder.clear_outcome()
    online = sweep.tracker.model_copy(update={"mode": "online"})
    with Mirror.locked(online, "group") as mirror:
        point = PointMirror(mirror, sweep[0], sweep.runs_dir, since=0)
        assert point.look() == "left"
        record = RecordWriter(folder.record_path, 10)
        assert point.look() == "left"
        assert capsys.readouterr().err == ""  # it may go on as before
        # A process that has not seen the cut cannot know.
        assert PointMirror(mirror, sweep[0], sweep.runs_dir, since=0).look() == "left"
        kept = "was cut to its checkpoint, and W&B keeps the 17 rows that it had"
        assert kept in capsys.readouterr().err
        record.write([line | {"train_loss": 7.0} for line in lines[10:]])
        record.close()
        assert point.look() == "left"
        assert kept in capsys.readouterr().err
        assert point.look() == "left"
        assert capsys.readouterr().err == ""  # once


def test_a_diverged_record_is_mirrored_to_its_last_value(sweep):
    folder = folder_of(sweep[0], sweep)
    lines = folder.lines()[:12]
    lines[-1] |= {"train_loss": math.nan, "max_update": [math.inf]}
    folder.record_path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    folder.write_outcome(folder.final_outcome("diverged", 12, "train_loss is not finite"))
    with locked(sweep) as mirror:
        send(mirror, sweep)
    history, summary, *_ = read_back(sweep, run_identity(sweep[0]).id)
    assert [item["n"] for item in history] == list(range(12))
    assert (history[-1]["train_loss"], history[-1]["max_update"]) == ("NaN", "Infinity")
    assert (summary["status"], summary["diverged_at"]) == ("diverged", 11)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("scalars.jsonl", '"n":3', '"n":4', "is torn, altered or another run's"),
        ("scalars.jsonl", '{"n":3', '"n":3', "is no record of a run"),
        ("outcome.json", "{", "", "is no outcome of a run"),
    ],
)
def test_what_cannot_be_read_is_named_and_the_others_are_mirrored(
    sweep, capfd, monkeypatch, mirror_script, file, old, new, message
):
    monkeypatch.setenv("WANDB_SERVICE", "of a process that is gone")
    path = folder_of(sweep[0], sweep).path / file
    path.write_text(path.read_text().replace(old, new, 1))
    with tracked(sweep, ["experiment=e"]):
        pass
    err = capfd.readouterr().err
    assert err.count("warning: ") == 1
    assert f"{path} {message}" in err
    assert_mirrored(replace(sweep, points=sweep.points[1:]))
    monkeypatch.delenv("WANDB_SERVICE")
    overrides = [*SMOKE, f"runs_dir={sweep.runs_dir}", "point=0,3", "n_steps=30"]
    assert mirror_script.main([*overrides, "--again"]) == 1
    assert f"error: {path} {message}" in capfd.readouterr().err
    assert_mirrored(replace(sweep, points=sweep.points[1:]))
    if file == "scalars.jsonl":
        assert read_back(sweep, run_identity(sweep[0]).id)[-1] == [1]  # it shows as failed


def test_two_processes_do_not_mirror_the_same_points(sweep):
    with locked(sweep), pytest.raises(FileError, match="held by another process"), locked(sweep):
        pass


def test_every_point_has_its_own_run_under_a_sweep_agent_of_wandb(sweep, monkeypatch):
    """The agent names one W&B run, by variables that W&B prefers to what it is told."""
    monkeypatch.setenv("WANDB_RUN_ID", "abc")
    monkeypatch.setenv("WANDB_SWEEP_ID", "s1")
    wandb.teardown()  # its settings are read once a session
    with locked(sweep) as mirror:
        assert send(mirror, sweep)["sent"] == 2
    assert_mirrored(sweep)


def test_the_mode_is_online_where_there_is_a_login(sweep, monkeypatch, tmp_path):
    undecided = sweep.tracker.model_copy(update={"mode": None})
    assert (sweep.tracker.mode, tracker_mode(sweep.tracker)) == ("offline", "offline")
    monkeypatch.delenv("WANDB_MODE")
    wandb.teardown()
    assert tracker_mode(undecided) == "offline"
    (tmp_path / "netrc").write_text(f"machine api.wandb.ai login user password {'a' * 40}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert tracker_mode(undecided) == "online"
    assert tracker_mode(sweep.tracker) == "offline"
    for said, mode in (("offline", "offline"), ("dryrun", "offline"), ("online", "online")):
        monkeypatch.setattr(wandb.setup().settings, "mode", said)
        assert tracker_mode(undecided) == mode
    monkeypatch.setattr(wandb.setup().settings, "mode", "disabled")
    with pytest.raises(TrackingError, match="wandb enabled"):
        tracker_mode(undecided)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(TrackingError, match="tracker=none"):
        tracker_mode(undecided)


def test_a_figure_is_a_run_with_its_claims(sweep, tmp_path):
    from matplotlib.figure import Figure

    picture, table = tmp_path / "fig03_max_update.png", tmp_path / "fig03_max_update.csv"
    Figure(figsize=(1, 1)).savefig(picture)
    table.write_text("C,slope\n-0.1,0.05\n0.1,\n")
    claim = {"name": "a", "reference": "Fig. 3", "statement": "s", "criterion": "c", "n": 3}
    reproduced = claim | {"status": "reproduced", "statistic": 0.5, "interval": (0.4, 0.61234)}
    open_one = claim | {"status": "inconclusive", "statistic": None, "interval": None}
    verdicts = [verdict | {"detail": "d"} for verdict in (reproduced, open_one)]
    for _ in range(2):  # drawn again, it replaces what was there
        files = [picture, picture.with_suffix(".pdf"), table]
        mirror_figure(sweep.tracker, "smoke", picture.stem, ["e"], files, verdicts)
    (row,), summary, run, _ = read_back(sweep, "fig03_max_update-smoke")
    assert row["figure._type"] == "image-file"
    assert (row["figure.width"], row["figure.height"]) == (100, 100)
    (folder,) = tmp_path.glob(".wandb/wandb/*fig03_max_update-smoke/files")
    claims, numbers = (
        json.loads((folder / row[f"{n}.path"]).read_text()) for n in ("claims", "numbers")
    )
    assert [line[4:6] for line in claims["data"]] == [[0.5, "[0.4, 0.6123]"], [None, None]]
    assert numbers == {"columns": ["C", "slope"], "data": [["-0.1", "0.05"], ["0.1", ""]]}
    assert [summary[f"claims/{status}"] for status in get_args(Status)] == [1, 0, 1]
    assert (run["run_group"], run["job_type"]) == ("figures-smoke", "figure")
    assert run["tags"] == ["figure 3"]


# Runs a sweep whose second run is killed, with everything else that belongs to it, at step 45: as
# soon as W&B has a part of it.
KILLED = """
import os, pathlib, runpy, signal, sys, time
from adamct.train import Training
runs_dir, *sys.argv = sys.argv[1:]
step, begun = Training.step, []
def killed_step(training, n):
    begun.append(n)
    if begun.count(45) == 2:
        pattern = f".wandb/wandb/*{training.spec.run_id}*/*.wandb"
        while not list(pathlib.Path(runs_dir).glob(pattern)):
            time.sleep(0.05)
        os.killpg(0, signal.SIGKILL)
    return step(training, n)
Training.step = killed_step
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_killed_and_started_again_each_step_is_mirrored_once(
    tmp_path, start, call, mirror_script, capsys
):
    overrides = [*SMOKE, f"runs_dir={tmp_path}", "point=0,1,2", "n_steps=60"]
    overrides += ["execution.checkpoint_every=20", "execution.flush_every=10"]
    run = ["scripts/run.py", "-m", *overrides, "hydra/launcher=basic", "tracker.interval=0.5"]
    sweep = compose_sweep(overrides)
    assert start("-c", KILLED, tmp_path, *run).wait(timeout=120) == -signal.SIGKILL
    assert [folder_of(point, sweep).is_done() for point in sweep] == [True, False, False]
    assert folder_of(sweep[1], sweep).steps_recorded() == 40
    code, out, err = call(*run)
    assert (code, "warning" in err) == (0, False), err
    assert "W&B: 3 points mirrored; offline; upload with: wandb sync" in out
    assert_mirrored(sweep)
    assert mirror_script.main(overrides) == 0
    assert "0 of 3 points mirrored now, 3 before" in capsys.readouterr().out


def test_a_server_that_cannot_be_reached_costs_a_warning(sweep, call):
    with locked(sweep) as mirror:
        send(mirror, sweep)  # an earlier mirror, which the one online would replace
    nowhere = {"WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": "a" * 40}
    overrides = [*SMOKE, "tracker.mode=online", "tracker.init_timeout=2", "point=0,1", "n_steps=30"]
    overrides += [f"runs_dir={sweep.runs_dir}"]
    code, _, err = call("scripts/run.py", "-m", *overrides, "hydra/launcher=basic", **nowhere)
    assert code == 0, err
    assert err.count("warning: the W&B mirror ended: W&B failed") == 1
    assert "Traceback" not in err
    swept = compose_sweep(overrides)
    assert {folder_of(point, swept).outcome().status for point in swept} == {"finished"}
    with locked(sweep) as mirror:
        assert not is_complete(mirror, sweep[0], sweep)
        assert send(mirror, swept)["sent"] == 2
    assert_mirrored(swept)


@pytest.mark.parametrize(
    ("blow", "patience", "message", "exit_code"),
    [
        (signal.SIGKILL, 240.0, "its process died (exit code -9)", -signal.SIGKILL),
        (signal.SIGSTOP, 0.0, "it was not done 0 s after the sweep", -signal.SIGTERM),
    ],
)
def test_a_mirror_that_does_not_end_well_is_reported_with_the_command_that_makes_it(
    sweep, capsys, monkeypatch, blow, patience, message, exit_code
):
    monkeypatch.setattr(live_sync, "END_WAIT_S", patience)
    with tracked(sweep, ["experiment=e", "point=range(0,3)"]):
        (process,) = multiprocessing.active_children()
        os.kill(process.pid, blow)
    if process.is_alive():
        os.kill(process.pid, signal.SIGCONT)
    process.join()
    assert process.exitcode == exit_code
    (warning,) = capsys.readouterr().err.splitlines()
    assert message in warning
    assert "later with: python scripts/mirror.py experiment=e 'point=range(0,3)'" in warning


def test_mirroring_what_cannot_be_mirrored_is_explained(tmp_path, mirror_script, capsys):
    assert mirror_script.main([*SMOKE, f"runs_dir={tmp_path}"]) == 0
    printed = capsys.readouterr().out
    assert "0 of 4 points mirrored now, 0 before; 4 have no final outcome yet" in printed
    for arguments, message in (
        (["scale=smoke", "tracker=none"], "error: tracker=none, tracker.mode=disabled and"),
        (["scale=smoke", "tracker.mode=disabled"], "WANDB_MODE=disabled mirror nothing"),
        (["scale=smoke", "tracker.interval=1e9"], "tracker.interval"),
        (["experiment=nothing"], "nothing"),
        (["tracker.project="], "tracker.project"),
    ):
        assert mirror_script.main(arguments) == 1
        assert message in capsys.readouterr().err


def test_the_script_mirrors_again_when_asked(sweep, mirror_script, capsys):
    overrides = [*SMOKE, f"runs_dir={sweep.runs_dir}", "point=0,3", "n_steps=30"]
    for arguments, count in (([], "2 of 2"), ([], "0 of 2"), (["--again"], "2 of 2")):
        assert mirror_script.main([*overrides, *arguments]) == 0
        assert f"{count} points mirrored now" in capsys.readouterr().out
    assert_mirrored(sweep)


def test_without_a_tracker_wandb_is_not_imported(call):
    code = """
import multiprocessing, sys
from adamct.config.compose import compose_sweep
from adamct.tracking.live_sync import tracked
for tracker in ("tracker=none", "tracker=wandb"):
    with tracked(compose_sweep(["scale=smoke", tracker])):
        assert not multiprocessing.active_children()
assert not {"wandb", "pandas"} & set(sys.modules)
"""
    code, _, err = call("-c", code, WANDB_MODE="disabled")
    assert code == 0, err
