import importlib.util
import json
import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from wandb.util import get_core_path

from adamct.claims.verdict import Status
from adamct.config.compose import compose_sweep
from adamct.files import FileError
from adamct.runs.runner import train_run
from adamct.runs.store import RecordWriter, RunFolder, StoreError
from adamct.tracking import live
from adamct.tracking.content import rows, run_config, run_identity
from adamct.tracking.figures import mirror_figure
from adamct.tracking.live import tracked
from adamct.tracking.mirror import Mirror
from adamct.tracking.mode import TrackingError, tracker_mode
from adamct.tracking.points import PointMirror, PointMirrors
from adamct.tracking.tail import RecordTail

ROOT = Path(__file__).parents[2]
SMOKE = ["experiment=max_update_normal_curve", "scale=smoke", "tracker=wandb"]


@pytest.fixture(scope="module", autouse=True)
def no_account():
    """Keep an account of the person who tests, and a server that answers, out of it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("WANDB_")]:
            patch.delenv(name)
        patch.setenv("NETRC", "/dev/null")
        patch.setenv("WANDB_MODE", "offline")
        patch.setattr(live, "END_WAIT_S", 240.0)  # on a busy machine, too
        yield
        if "wandb" in sys.modules:
            sys.modules["wandb"].teardown()


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


def only(sweep, *indices):
    return replace(sweep, points=tuple(sweep[i] for i in indices))


@pytest.fixture
def sweep(finished, tmp_path):
    """Return a sweep of two finished runs, in folders of this test's own."""
    without = shutil.ignore_patterns(".wandb")
    shutil.copytree(finished.runs_dir, tmp_path, dirs_exist_ok=True, ignore=without)
    return compose(tmp_path, "point=0,3", "n_steps=30")


def mirror_all(mirror, sweep):
    """Mirror what is over; return how many points were mirrored now."""
    mirrors = PointMirrors(mirror, sweep)
    mirrors.look()
    mirrors.close()
    return mirrors.n_now


def held(sweep):
    return Mirror.held(sweep.tracker, run_identity(sweep[0]).group)


def folder_of(point, runs_dir):
    return RunFolder.of(point.spec, runs_dir)


def wandb_files(runs_dir, point):
    return sorted(runs_dir.glob(f".wandb/wandb/*{run_identity(point).id}/*.wandb"))


def read_back(path):
    """Read a W&B file with W&B's own reader: history, summary, and what else there is of a run."""
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
    ends = [entry["exit"] for entry in entries if entry["type"] == "exit"]
    return history, summary, run, ends


def assert_mirrored(point, runs_dir):
    """The W&B file of a point holds every step once, with the record's values and the rows'."""
    (path,) = wandb_files(runs_dir, point)
    history, summary, run, ends = read_back(path)
    lines = folder_of(point, runs_dir).lines()
    assert [item.pop("_step") for item in history] == [line["n"] for line in lines]
    assert history == rows(point.spec, lines)
    assert [item["train_loss"] for item in history if "train_loss" in item] == [
        line["train_loss"] for line in lines if "train_loss" in line
    ]
    assert summary["status"] == folder_of(point, runs_dir).outcome().status
    assert summary["n_recorded"] == folder_of(point, runs_dir).outcome().step
    assert run["config"]["update"].items() >= run_config(point).items()
    assert run["run_group"] == run_identity(point).group
    assert len(ends) == 1
    return summary, run


def test_a_mirror_equals_the_record_and_is_made_once(finished):
    sweep, runs = finished, finished.runs_dir
    with held(sweep) as mirror:
        assert mirror.mode == "offline"
        assert mirror_all(mirror, sweep) == 3
        for point in sweep:
            summary, run = assert_mirrored(point, runs)
            assert run["job_type"] == "point"
            assert set(run["tags"]) >= {"figure 3", "k=1"}
            assert summary["region"] in run["tags"]
        lines = folder_of(sweep[-1], runs).lines()
        assert summary["best/test_loss"] == min(x["test_loss"] for x in lines if "test_loss" in x)
        before = {path: path.stat().st_mtime for path in runs.rglob("*.wandb")}
        assert mirror_all(mirror, sweep) == 0
        assert before == {path: path.stat().st_mtime for path in runs.rglob("*.wandb")}
        mirror.forget(sweep[0])
        assert mirror_all(mirror, sweep) == 1
    assert_mirrored(sweep[0], runs)


def test_a_mirror_that_was_cut_or_removed_is_made_again(sweep, tmp_path):
    with held(sweep) as mirror:
        mirror_all(mirror, only(sweep, 0))
        (path,) = wandb_files(tmp_path, sweep[0])
        # As a sweep that ends before its run does leaves it.
        PointMirror(mirror, sweep[1], tmp_path).close(complete=False)
        shutil.rmtree(path.parent)
        assert not mirror.is_complete(sweep[0], tmp_path)
        assert mirror_all(mirror, sweep) == 2
    for point in sweep:
        assert_mirrored(point, tmp_path)


@pytest.mark.parametrize("noticed", [True, False])
def test_a_record_cut_at_its_checkpoint_leaves_no_trace(sweep, tmp_path, noticed):
    """The lines after the cut differ from those before it, as they would on another device."""
    folder = folder_of(sweep[0], tmp_path)
    final = folder.lines()
    outcome = folder.outcome()
    folder.clear_outcome()
    before = [line | {"train_loss": line["train_loss"] + 1} for line in final[:20]]
    folder.record_path.unlink()
    first = RecordWriter(folder.record_path, 0)
    first.write([*final[:10], *before[10:]])
    first.close()
    with held(sweep) as mirror:
        point = PointMirror(mirror, sweep[0], tmp_path)
        assert not point.advance()
        second = RecordWriter(folder.record_path, 10)
        second.write(final[10:12] if noticed else final[10:25])
        assert not point.advance()
        second.write(final[12:] if noticed else final[25:])
        second.close()
        assert not point.advance()
        folder.write_outcome(outcome)
        assert point.advance()
    assert_mirrored(sweep[0], tmp_path)


def test_a_diverged_record_is_mirrored_to_its_last_value(sweep, tmp_path):
    point = sweep[0]
    folder = folder_of(point, tmp_path)
    lines = folder.lines()[:12]
    lines[-1] |= {"train_loss": math.nan, "max_update": [math.inf]}
    folder.record_path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    folder.write_outcome(folder.final_outcome("diverged", 12, "train_loss is not finite"))
    with held(sweep) as mirror:
        mirror_all(mirror, only(sweep, 0))
    history, summary, _, _ = read_back(*wandb_files(tmp_path, point))
    assert [item["n"] for item in history] == list(range(12))
    assert (history[-1]["train_loss"], history[-1]["max_update"]) == ("NaN", "Infinity")
    assert (summary["status"], summary["diverged_at"]) == ("diverged", 11)


@pytest.fixture
def _server_with_17_rows(monkeypatch):
    """Put a server that has 17 rows of every run in the place of W&B."""
    from unittest.mock import MagicMock

    import wandb

    monkeypatch.setattr(wandb, "init", lambda **_: MagicMock(starting_step=17))


def online(sweep):
    tracker = sweep.tracker.model_copy(update={"mode": "online"})
    return Mirror.held(tracker, run_identity(sweep[0]).group)


@pytest.mark.usefixtures("_server_with_17_rows")
def test_online_rows_of_a_record_that_was_cut_are_said_to_be_kept(sweep, capsys):
    folder = folder_of(sweep[0], sweep.runs_dir)
    lines = folder.lines()
    folder.clear_outcome()
    with online(sweep) as mirror:
        point = PointMirror(mirror, sweep[0], sweep.runs_dir)
        assert not point.advance()
        assert capsys.readouterr().err == ""
        RecordWriter(folder.record_path, 10).close()
        assert not point.advance()
        err = capsys.readouterr().err
        assert "was cut to its checkpoint, and W&B keeps the 17 rows that it had" in err
        assert len(lines) > 17
        assert not point.advance()
        assert capsys.readouterr().err == ""  # once
    with online(sweep) as mirror:  # a process that has not seen the cut
        assert not PointMirror(mirror, sweep[0], sweep.runs_dir).advance()
    assert "W&B keeps the 17 rows" in capsys.readouterr().err


def test_an_altered_record_is_named_and_the_others_are_mirrored(sweep, tmp_path):
    path = folder_of(sweep[0], tmp_path).record_path
    path.write_text(path.read_text().replace('"n":3', '"n":4'))
    with held(sweep) as mirror:
        with pytest.raises(StoreError, match="torn, altered or another"):
            mirror_all(mirror, sweep)
        assert not mirror.is_complete(sweep[0], tmp_path)
        assert mirror.is_complete(sweep[1], tmp_path)
    assert_mirrored(sweep[1], tmp_path)
    *_, ends = read_back(*wandb_files(tmp_path, sweep[0]))
    assert [end["exit_code"] for end in ends] == [1]


def test_a_record_that_was_cut_and_has_outgrown_what_was_read_is_noticed(tmp_path):
    path = tmp_path / "scalars.jsonl"
    record = RecordTail(path)
    assert record.read()  # there is nothing yet
    path.write_text('{"n":0}\n{"n":1}\n')
    assert record.read()
    path.write_text('{"n":0,"train_loss":1.5}\n{"n":1}\n')
    assert not record.read()  # it would have read on inside the first line
    path.write_text("no JSON\n")
    with pytest.raises(StoreError, match=r"scalars\.jsonl is no record"):
        RecordTail(path).read()


def test_two_processes_do_not_mirror_the_same_points(sweep):
    with held(sweep), pytest.raises(FileError, match="held by another process"), held(sweep):
        pass


def test_the_mode_is_online_where_there_is_a_login(sweep, monkeypatch, tmp_path):
    import wandb

    tracker = sweep.tracker
    assert tracker.mode == "offline"
    undecided = tracker.model_copy(update={"mode": None})
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    wandb.teardown()  # its settings are read once a session
    assert tracker_mode(undecided) == "offline"
    (tmp_path / "netrc").write_text(f"machine api.wandb.ai login user password {'a' * 40}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert tracker_mode(undecided) == "online"
    assert tracker_mode(tracker) == "offline"
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
    table.write_text("C,slope\n-0.1,0.05\n")
    claim = {"name": "a", "reference": "Fig. 3", "statement": "s", "criterion": "c", "n": 3}
    reproduced = claim | {"status": "reproduced", "statistic": 0.5, "interval": (0.4, 0.61234)}
    open_one = claim | {"status": "inconclusive", "statistic": None, "interval": None}
    verdicts = [verdict | {"detail": "d"} for verdict in (reproduced, open_one)]
    for _ in range(2):  # drawn again, it replaces what was there
        files = [picture, picture.with_suffix(".pdf"), table]
        mirror_figure(sweep.tracker, "smoke", picture.stem, ["e"], files, verdicts)
    (path,) = tmp_path.glob(".wandb/wandb/*fig03_max_update-smoke/*.wandb")
    (row,), summary, run, _ = read_back(path)
    assert row["figure._type"] == "image-file"
    assert (row["figure.width"], row["figure.height"]) == (100, 100)
    claims = json.loads((path.parent / "files" / row["claims.path"]).read_text())
    assert [line[5] for line in claims["data"]] == ["[0.4, 0.6123]", ""]
    assert row["numbers.nrows"] == 1
    counts = [summary[f"claims/{status}"] for status in get_args(Status)]
    assert counts == [1, 0, 1]
    assert (run["run_group"], run["job_type"]) == ("figures-smoke", "figure")
    assert run["tags"] == ["figure 3"]


@pytest.fixture
def door(monkeypatch):
    """Import scripts/mirror.py, in a folder that it may leave."""
    monkeypatch.chdir(ROOT)
    spec = importlib.util.spec_from_file_location("mirror_door", ROOT / "scripts" / "mirror.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def call(*command, **env):
    # W&B's service of the tests is not that of the program under test.
    inherited = {k: v for k, v in os.environ.items() if k != "WANDB_SERVICE"}
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**inherited, **env},
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=300,
    )


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


def test_killed_and_started_again_each_step_is_mirrored_once(tmp_path, door, capsys):
    overrides = [*SMOKE, f"runs_dir={tmp_path}", "point=0,1,2", "n_steps=60"]
    overrides += ["execution.checkpoint_every=20", "execution.flush_every=10"]
    run = ["scripts/run.py", "-m", *overrides, "hydra/launcher=basic", "tracker.interval=0.5"]
    sweep = compose_sweep(overrides)
    # Without pipes: W&B's service outlives the kill for a while, and would keep them open.
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), *run],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "WANDB_SERVICE"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL
    assert [folder_of(point, tmp_path).is_done() for point in sweep] == [True, False, False]
    assert folder_of(sweep[1], tmp_path).steps_recorded() == 40
    done = call(*run)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    assert "W&B: 3 points mirrored; offline; upload with: wandb sync" in done.stdout
    for point in sweep:
        assert_mirrored(point, tmp_path)
    assert door.main(overrides) == 0
    assert "0 of 3 points mirrored now, 3 before" in capsys.readouterr().out


def test_a_server_that_cannot_be_reached_costs_a_warning(sweep, tmp_path):
    with held(sweep) as mirror:
        mirror_all(mirror, sweep)  # an earlier mirror, which the one online would replace
    nowhere = {"WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": "a" * 40}
    server = ["tracker.mode=online", "tracker.init_timeout=2", f"runs_dir={tmp_path}"]
    overrides = [*SMOKE, *server, "point=0,1", "n_steps=30"]
    done = call("scripts/run.py", "-m", *overrides, "hydra/launcher=basic", **nowhere)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("warning: the W&B mirror ended: W&B failed") == 1
    assert "Traceback" not in done.stderr
    swept = compose_sweep(overrides)
    assert {folder_of(point, tmp_path).outcome().status for point in swept} == {"finished"}
    with held(sweep) as mirror:
        assert not mirror.is_complete(sweep[0], tmp_path)
        assert mirror_all(mirror, swept) == 2
    for point in swept:
        assert_mirrored(point, tmp_path)


def test_a_mirror_beside_a_sweep_leaves_out_a_bad_record_and_says_so(
    sweep, tmp_path, capfd, monkeypatch
):
    monkeypatch.setenv("WANDB_SERVICE", "of a process that is gone")
    path = folder_of(sweep[0], tmp_path).record_path
    path.write_text(path.read_text().replace('"n":3', '"n":4'))
    with tracked(sweep, ["experiment=e"]):
        pass
    err = capfd.readouterr().err
    assert err.count("warning: ") == 1
    assert "torn, altered or another" in err
    assert_mirrored(sweep[1], tmp_path)


def test_an_outcome_that_cannot_be_read_costs_its_own_mirror_alone(sweep, tmp_path, door, capfd):
    outcome = folder_of(sweep[0], tmp_path).path / "outcome.json"
    outcome.write_text("{")
    with tracked(sweep):
        pass
    err = capfd.readouterr().err
    assert err.count("warning: ") == 1
    assert f"{outcome} is no outcome of a run" in err
    assert_mirrored(sweep[1], tmp_path)
    overrides = [*SMOKE, f"runs_dir={tmp_path}", "point=0,3", "n_steps=30"]
    assert door.main([*overrides, "--again"]) == 2
    assert f"{outcome} is no outcome of a run" in capfd.readouterr().err
    assert_mirrored(sweep[1], tmp_path)


def test_a_mirror_that_dies_is_reported_with_the_command_that_makes_it(sweep, capsys):
    with tracked(sweep, ["experiment=e", "point=range(0,3)"]):
        (process,) = multiprocessing.active_children()
        process.kill()
    err = capsys.readouterr().err
    assert "its process died (exit code -9)" in err
    assert "later with: python scripts/mirror.py experiment=e 'point=range(0,3)'" in err


def test_mirroring_what_cannot_be_mirrored_is_explained(tmp_path, door, capsys):
    assert door.main([*SMOKE, f"runs_dir={tmp_path}"]) == 0
    printed = capsys.readouterr().out
    assert "0 of 4 points mirrored now, 0 before; 4 have no final outcome yet" in printed
    for arguments, message in (
        (["scale=smoke", "tracker=none"], "error: tracker=none, tracker.mode=disabled and"),
        (["scale=smoke", "tracker.mode=disabled"], "WANDB_MODE=disabled mirror nothing"),
        (["scale=smoke", "tracker.interval=1e9"], "tracker.interval"),
        (["experiment=nothing"], "nothing"),
        (["tracker.project="], "tracker.project"),
    ):
        assert door.main(arguments) == 2
        assert message in capsys.readouterr().err


def test_a_mirror_that_does_not_end_is_waited_for_a_while(sweep, capsys, monkeypatch):
    monkeypatch.setattr(live, "END_WAIT_S", 0.0)
    with tracked(sweep, ["experiment=e"]):
        (process,) = multiprocessing.active_children()
        os.kill(process.pid, signal.SIGSTOP)
    os.kill(process.pid, signal.SIGCONT)
    process.join()
    assert process.exitcode == -signal.SIGTERM
    (warning,) = capsys.readouterr().err.splitlines()
    assert "it was not done 0 s after the sweep" in warning
    assert "later with: python scripts/mirror.py experiment=e" in warning


def test_without_a_tracker_wandb_is_not_imported(sweep):
    script = """
import multiprocessing, sys
from adamct.config.compose import compose_sweep
from adamct.tracking.live import tracked
for tracker in ("tracker=none", "tracker=wandb"):
    with tracked(compose_sweep(["scale=smoke", tracker])):
        assert not multiprocessing.active_children()
assert not {"wandb", "pandas"} & set(sys.modules)
"""
    done = call("-c", script, WANDB_MODE="disabled")
    assert done.returncode == 0, done.stderr


def test_the_script_mirrors_again_when_asked(sweep, door, capsys):
    overrides = [*SMOKE, f"runs_dir={sweep.runs_dir}", "point=0,3", "n_steps=30"]
    for arguments, count in (([], "2 of 2"), ([], "0 of 2"), (["--again"], "2 of 2")):
        assert door.main([*overrides, *arguments]) == 0
        assert f"{count} points mirrored now" in capsys.readouterr().out
    for point in sweep:
        assert_mirrored(point, sweep.runs_dir)
