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
from functools import partial
from unittest.mock import MagicMock

import pytest
import wandb
from wandb.util import get_core_path

from adamct.config.compose import compose_sweep
from adamct.files import FileError
from adamct.runs.lines import RecordWriter
from adamct.runs.runner import train_run
from adamct.runs.store import RunFolder
from adamct.tracking import live_sync
from adamct.tracking.content import run_identity
from adamct.tracking.live_sync import tracked
from adamct.tracking.mirror import Mirror
from adamct.tracking.mode import TrackingError, tracker_mode
from adamct.tracking.names import at_scale
from adamct.tracking.sending import PointMirror, send

SMOKE = ["experiment=max_update_normal_curve", "scale=smoke", "tracker=wandb"]


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
def overrides(tmp_path):
    return [*SMOKE, f"runs_dir={tmp_path}", "point=0,3", "n_steps=30"]


@pytest.fixture
def sweep(finished, tmp_path, overrides):
    """Return a sweep of two finished runs, in folders of this test's own."""
    without = shutil.ignore_patterns(".wandb")
    shutil.copytree(finished.runs_dir, tmp_path, dirs_exist_ok=True, ignore=without)
    return compose_sweep(overrides)


def locked(sweep):
    return Mirror.locked(sweep.tracker, at_scale(sweep.experiment, sweep.scale))


def first_of(sweep):
    return replace(sweep, points=sweep.points[:1])


def folder_of(point, sweep):
    return RunFolder.of(point.spec, sweep.runs_dir)


def read_back(runs_dir, wandb_id):
    """Read a W&B file with W&B's own reader: what it has of a run, as of the server's runs."""
    (path,) = runs_dir.glob(f".wandb/wandb/*{wandb_id}/*.wandb")
    command = [get_core_path(), "leet", "inspect", "--no-observability", "--json"]
    command += ["--run-file", str(path), str(path.parent)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    history, summary, exit_codes = [], {}, []
    for entry in map(json.loads, text.splitlines()):
        if entry["type"] == "history":
            item = entry["history"]["item"]
            history.append({k: item[k] for k in item if k not in ("_runtime", "_timestamp")})
        elif entry["type"] == "summary":
            summary |= entry["summary"]["update"]
        elif entry["type"] == "run":
            run = entry["run"]
        elif entry["type"] == "exit":
            exit_codes.append(entry["exit"].get("exit_code", 0))
    about = [run[key] for key in ("run_group", "job_type", "display_name")]
    return history, summary, run["config"]["update"], (*about, set(run["tags"])), exit_codes


@pytest.fixture
def assert_written(assert_mirrored):
    """Assert that W&B's files have all of a sweep."""
    return lambda sweep: assert_mirrored(sweep, partial(read_back, sweep.runs_dir))


def test_a_mirror_equals_the_record_and_is_made_once(assert_written, finished):
    with locked(finished) as mirror:
        assert mirror.mode == "offline"
        assert send(mirror, finished) == {"sent": 3, "left": 0}
        assert_written(finished)
        _, summary, *_ = read_back(finished.runs_dir, run_identity(finished[-1]).id)
        scored = folder_of(finished[-1], finished).lines()
        losses = [line["test_loss"] for line in scored if "test_loss" in line]
        assert summary["best/test_loss"] == min(losses)
        files = {path: path.stat().st_mtime for path in finished.runs_dir.rglob("*.wandb")}
        assert send(mirror, finished) == {"was sent": 3, "left": 0}
        assert files == {path: path.stat().st_mtime for path in finished.runs_dir.rglob("*.wandb")}
        with pytest.raises(FileError, match="held by another process"), locked(finished):
            pass


def test_a_mirror_that_was_cut_or_removed_is_made_again_and_a_whole_one_when_asked(
    assert_written, sweep, overrides, script, capsys
):
    with locked(sweep) as mirror:
        send(mirror, first_of(sweep))
        identities = [run_identity(point) for point in sweep]
        cut = mirror.open(identities[1], {})  # as by a kill
        cut.finish(exit_code=1)
        (folder,) = sweep.runs_dir.glob(f".wandb/wandb/*{identities[0].id}")
        shutil.rmtree(folder)
        assert not mirror.is_complete(identities[0], folder_of(sweep[0], sweep).outcome())
    for arguments, count in (([], "2 of 2"), ([], "0 of 2"), (["--again"], "2 of 2")):
        assert script("mirror.py").main([*overrides, *arguments]) == 0
        assert f"{count} points mirrored now" in capsys.readouterr().out
    assert_written(sweep)


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("n_before_the_look", [12, 25])
def test_a_record_cut_at_its_checkpoint_leaves_no_trace(
    assert_written, sweep, shift, n_before_the_look
):
    """The lines after the cut may differ from those before it, as on another device."""
    folder = folder_of(sweep[0], sweep)
    final, outcome = folder.lines(), folder.outcome()
    folder.clear_outcome()
    folder.record_path.unlink()
    before = [line | {"train_loss": line["train_loss"] + shift} for line in final[:20]]
    with locked(sweep) as mirror:
        point = PointMirror(mirror, first_of(sweep))
        assert point.look() == "left"
        assert not (sweep.runs_dir / ".wandb" / "wandb").exists()  # there is nothing yet
        first = RecordWriter(folder.record_path, 0)
        first.write([*final[:10], *before[10:]])
        first.close()
        point = PointMirror(mirror, first_of(sweep), since=time.time() - 60)
        assert point.look() == "left"
        second = RecordWriter(folder.record_path, 10)
        second.write(final[10:n_before_the_look])
        assert point.look() == "left"
        second.write(final[n_before_the_look:])
        second.close()
        assert point.look() == "left"
        folder.write_outcome(outcome)
        assert point.look() == "sent"
    assert_written(first_of(sweep))


def test_online_rows_of_a_record_that_was_cut_are_said_to_be_kept(sweep, capsys, monkeypatch):
    """The server has 17 rows of every run."""
    monkeypatch.setattr(wandb, "init", lambda **_: MagicMock(starting_step=17))
    folder = folder_of(sweep[0], sweep)
    lines = folder.lines()
    folder.clear_outcome()
    online = sweep.tracker.model_copy(update={"mode": "online"})
    with Mirror.locked(online, "group") as mirror:
        point = PointMirror(mirror, first_of(sweep), since=0)
        assert point.look() == "left"
        record = RecordWriter(folder.record_path, 10)
        assert point.look() == "left"
        assert capsys.readouterr().err == ""  # it may go on as before
        # A process that has not seen the cut cannot know.
        assert PointMirror(mirror, first_of(sweep), since=0).look() == "left"
        kept = "was cut to its checkpoint, and W&B keeps the 17 rows that it had"
        assert kept in capsys.readouterr().err
        record.write([line | {"train_loss": 7.0} for line in lines[10:]])
        record.close()
        assert point.look() == "left"
        assert kept in capsys.readouterr().err
        assert point.look() == "left"
        assert capsys.readouterr().err == ""  # once


def test_a_diverged_record_is_mirrored_to_its_last_value_under_a_sweep_agent(sweep, monkeypatch):
    """W&B's agent names one run, by variables that W&B prefers to what it is told."""
    monkeypatch.setenv("WANDB_RUN_ID", "abc")
    monkeypatch.setenv("WANDB_SWEEP_ID", "s1")
    wandb.teardown()  # its settings are read once a session
    folder = folder_of(sweep[0], sweep)
    lines = folder.lines()[:12]
    lines[-1] |= {"train_loss": math.nan, "max_update": [math.inf]}
    folder.record_path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    folder.write_outcome(folder.final_outcome("diverged", 12, "train_loss is not finite"))
    with locked(sweep) as mirror:
        assert send(mirror, sweep)["sent"] == 2
    history, summary, *_ = read_back(sweep.runs_dir, run_identity(sweep[0]).id)
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
    assert_written, sweep, overrides, script, capsys, file, old, new, message
):
    path = folder_of(sweep[0], sweep).path / file
    path.write_text(path.read_text().replace(old, new, 1))
    assert script("mirror.py").main(overrides) == 2
    assert f"error: {path} {message}" in capsys.readouterr().err
    assert_written(replace(sweep, points=sweep.points[1:]))
    if file == "scalars.jsonl":
        assert read_back(sweep.runs_dir, run_identity(sweep[0]).id)[-1] == [1]  # it shows as failed


def test_a_process_of_its_own_says_once_what_it_cannot_read(
    assert_written, sweep, capfd, monkeypatch
):
    monkeypatch.setenv("WANDB_SERVICE", "of a process that is gone")
    (folder_of(sweep[0], sweep).path / "outcome.json").write_text("")
    with tracked(sweep, ["experiment=e"]):
        pass
    err = capfd.readouterr().err
    assert (err.count("warning: "), "is no outcome of a run" in err) == (1, True)
    assert_written(replace(sweep, points=sweep.points[1:]))


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


def test_killed_and_started_again_each_step_is_mirrored_once(
    assert_written, tmp_path, kill_in_second_run, call, script, capsys
):
    asked = [*SMOKE, f"runs_dir={tmp_path}", "point=0,1,2", "n_steps=60"]
    asked += ["execution.checkpoint_minutes=1", "execution.flush_every=10", "tracker.interval=0.5"]
    run = ["scripts/run.py", "-m", *asked, "hydra/launcher=basic"]
    sweep = compose_sweep(asked)
    begun = f".wandb/wandb/*{sweep[1].spec.run_id}*/*.wandb"
    kill_in_second_run(run, when=lambda: list(tmp_path.glob(begun)))
    assert [folder_of(point, sweep).is_done() for point in sweep] == [True, False, False]
    assert folder_of(sweep[1], sweep).steps_recorded() == 40
    code, out, err = call(*run)
    assert (code, "warning" in err) == (0, False), err
    assert "W&B: 3 points mirrored; offline; upload with: wandb sync" in out
    assert_written(sweep)
    assert script("mirror.py").main(asked) == 0
    assert "0 of 3 points mirrored now, 3 before" in capsys.readouterr().out


def test_a_server_that_cannot_be_reached_costs_a_warning(
    assert_written, sweep, train, capfd, monkeypatch
):
    with locked(sweep) as mirror:
        send(mirror, sweep)  # an earlier mirror, which the one online would replace
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    online = ["tracker.mode=online", "tracker.init_timeout=2", "point=0,1", "n_steps=30"]
    swept = compose(sweep.runs_dir, *online)
    train(swept)
    err = capfd.readouterr().err
    assert err.count("warning: the W&B mirror ended: W&B failed") == 1
    assert "Traceback" not in err
    assert {folder_of(point, swept).outcome().status for point in swept} == {"finished"}
    with locked(sweep) as mirror:
        assert not mirror.is_complete(run_identity(sweep[0]), folder_of(sweep[0], sweep).outcome())
        assert send(mirror, swept)["sent"] == 2
    assert_written(swept)


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


def test_a_mirror_that_cannot_start_is_reported(sweep, capsys, monkeypatch):
    def refuse(process):
        raise OSError("Cannot allocate memory")

    monkeypatch.setattr(multiprocessing.context.SpawnProcess, "start", refuse)
    with tracked(sweep, ["experiment=e"]):
        assert not multiprocessing.active_children()
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: the W&B mirror ended: Cannot allocate memory. No training")
    assert warning.endswith("later with: python scripts/mirror.py experiment=e")


def test_mirroring_what_cannot_be_mirrored_is_explained(tmp_path, script, capsys):
    main = script("mirror.py").main
    assert main([*SMOKE, f"runs_dir={tmp_path}"]) == 0
    printed = capsys.readouterr().out
    assert "0 of 4 points mirrored now, 0 before; 4 have no final outcome yet" in printed
    for arguments, message in (
        (["scale=smoke", "tracker=none"], "error: tracker=none, tracker.mode=disabled and"),
        (["scale=smoke", "tracker.mode=disabled"], "WANDB_MODE=disabled mirror nothing"),
        (["scale=smoke", "tracker.interval=1e9"], "tracker.interval"),
        (["tracker.project="], "tracker.project"),
    ):
        assert main(arguments) == 2
        assert message in capsys.readouterr().err


def test_wandb_is_not_imported_without_a_tracker_nor_torch_by_the_mirror(call, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    code = """
import multiprocessing, sys
from adamct.config.compose import compose_sweep
from adamct.tracking.live_sync import tracked
for tracker in ("tracker=none", "tracker=wandb"):
    with tracked(compose_sweep(["scale=smoke", tracker])):
        assert not multiprocessing.active_children()
assert not {"wandb", "pandas"} & set(sys.modules)
import adamct.tracking.sending
assert not {"torch", "matplotlib"} & set(sys.modules)
"""
    code, _, err = call("-c", code)
    assert code == 0, err
