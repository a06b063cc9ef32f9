import importlib.util
import json
import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from wandb.util import get_core_path

from adamct.claims.verdict import Status
from adamct.config.compose import compose_sweep
from adamct.files import FileError
from adamct.runs.runner import carry_out
from adamct.runs.store import RecordWriter, RunFolder, StoreError
from adamct.tracking import follow, handover
from adamct.tracking.content import rows, run_config, run_identity
from adamct.tracking.follow import mirror_all, tracked
from adamct.tracking.growing import GrowingRecord
from adamct.tracking.login import TrackingError, tracker_mode
from adamct.tracking.mirror import Mirror, PointMirror
from adamct.tracking.pictures import mirror_figure

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
        yield
        if "wandb" in sys.modules:
            sys.modules["wandb"].teardown()


def compose(runs_dir, *overrides):
    return compose_sweep([*SMOKE, f"runs_dir={runs_dir}", *overrides])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Train two short runs and a k-Adam run that scores; return their cells."""
    runs = tmp_path_factory.mktemp("finished")
    cells = compose(runs, "point=0,3", "n_steps=30")
    cells += compose(runs, "point=1", "n_steps=20", "evaluation={every:5,n_batches:1}")
    for cell in cells:
        carry_out(cell.spec, cell.execution, runs_dir=runs)
    return cells


@pytest.fixture
def cells(finished, tmp_path):
    """Return the cells of finished runs, in folders of this test's own."""
    without = shutil.ignore_patterns(".wandb")
    shutil.copytree(finished[0].runs_dir, tmp_path, dirs_exist_ok=True, ignore=without)
    return compose(tmp_path, "point=0,3", "n_steps=30")


def held(cells):
    return Mirror.held(cells.tracker, run_identity(cells[0]).group)


def folder_of(cell):
    return RunFolder.of(cell.spec, cell.runs_dir)


def wandb_files(runs_dir, cell):
    return sorted(runs_dir.glob(f".wandb/wandb/*{run_identity(cell).id}/*.wandb"))


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


def assert_mirrored(cell, runs_dir):
    """The W&B file of a point holds every step once, with the record's values and the rows'."""
    (path,) = wandb_files(runs_dir, cell)
    history, summary, run, ends = read_back(path)
    lines = folder_of(cell).lines()
    assert [item.pop("_step") for item in history] == [line["n"] for line in lines]
    assert history == rows(cell.spec, lines)
    assert [item["train_loss"] for item in history if "train_loss" in item] == [
        line["train_loss"] for line in lines if "train_loss" in line
    ]
    assert summary["status"] == folder_of(cell).outcome().status
    assert summary["n_recorded"] == folder_of(cell).outcome().step
    assert run["config"]["update"].items() >= run_config(cell).items()
    assert run["run_group"] == run_identity(cell).group
    assert len(ends) == 1
    return summary, run


def test_a_mirror_equals_the_record_and_is_made_once(finished):
    cells, runs = finished, finished[0].runs_dir
    with held(cells) as mirror:
        assert mirror.mode == "offline"
        assert mirror_all(mirror, cells).now == 3
        for cell in cells:
            summary, run = assert_mirrored(cell, runs)
            assert run["job_type"] == "point"
            assert set(run["tags"]) >= {"figure 3", "k=1"}
            assert summary["region"] in run["tags"]
        lines = folder_of(cells[-1]).lines()
        assert summary["best/test_loss"] == min(x["test_loss"] for x in lines if "test_loss" in x)
        before = {path: path.stat().st_mtime for path in runs.rglob("*.wandb")}
        assert mirror_all(mirror, cells).now == 0
        assert before == {path: path.stat().st_mtime for path in runs.rglob("*.wandb")}
        mirror.forget(cells[0])
        assert mirror_all(mirror, cells).now == 1
    assert_mirrored(cells[0], runs)


def test_a_mirror_that_was_cut_or_removed_is_made_again(cells, tmp_path):
    with held(cells) as mirror:
        mirror_all(mirror, cells[:1])
        (path,) = wandb_files(tmp_path, cells[0])
        cut = PointMirror(mirror, cells[1])  # as a sweep that ends before its run does leaves it
        cut.close(complete=False)
        shutil.rmtree(path.parent)
        assert not mirror.is_complete(cells[0])
        assert mirror_all(mirror, cells).now == 2
    for cell in cells:
        assert_mirrored(cell, tmp_path)


@pytest.mark.parametrize("noticed", [True, False])
def test_a_record_cut_at_its_checkpoint_leaves_no_trace(cells, tmp_path, noticed):
    """The lines after the cut differ from those before it, as they would on another device."""
    cell = cells[0]
    folder = folder_of(cell)
    final = folder.lines()
    outcome = folder.outcome()
    folder.clear_outcome()
    before = [line | {"train_loss": line["train_loss"] + 1} for line in final[:20]]
    folder.record_path.unlink()
    first = RecordWriter(folder.record_path, 0)
    first.write([*final[:10], *before[10:]])
    first.close()
    with held(cells) as mirror:
        point = PointMirror(mirror, cell)
        assert not point.advance()
        second = RecordWriter(folder.record_path, 10)
        second.write(final[10:12] if noticed else final[10:25])
        assert not point.advance()
        second.write(final[12:] if noticed else final[25:])
        second.close()
        assert not point.advance()
        folder.write_outcome(outcome)
        assert point.advance()
    assert_mirrored(cell, tmp_path)


def test_a_diverged_record_is_mirrored_to_its_last_value(cells, tmp_path):
    cell = cells[0]
    folder = folder_of(cell)
    lines = folder.lines()[:12]
    lines[-1] |= {"train_loss": math.nan, "max_update": [math.inf]}
    folder.record_path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    folder.write_outcome(folder.final_outcome("diverged", 12, "train_loss is not finite"))
    with held(cells) as mirror:
        mirror_all(mirror, [cell])
    history, summary, _, _ = read_back(*wandb_files(tmp_path, cell))
    assert [item["n"] for item in history] == list(range(12))
    assert (history[-1]["train_loss"], history[-1]["max_update"]) == ("NaN", "Infinity")
    assert (summary["status"], summary["diverged_at"]) == ("diverged", 11)


@pytest.fixture
def server(monkeypatch):
    """Put a server that has 17 rows of every run in the place of W&B; return what it hears."""
    import wandb

    class Server:
        starting_step = 17

        def __init__(self):
            self.opened, self.logged, self.summary, self.ends = [], [], {}, []

        def open(self, **asked):
            self.opened.append(asked)
            return self

        def log(self, row, step):
            self.logged.append((step, row))

        def define_metric(self, *_, **__):
            pass

        def finish(self, exit_code):
            self.ends.append(exit_code)

    there = Server()
    monkeypatch.setattr(wandb, "init", there.open)
    return there


def online(cells):
    tracker = cells.tracker.model_copy(update={"mode": "online"})
    return Mirror.held(tracker, run_identity(cells[0]).group)


def test_online_the_rows_that_the_server_has_are_not_sent_again(cells, server):
    with online(cells) as mirror:
        assert PointMirror(mirror, cells[0]).advance()
    (asked,) = server.opened
    assert (asked["id"], asked["resume"]) == (run_identity(cells[0]).id, "allow")
    assert (asked["settings"].mode, asked["project"]) == ("online", "adamct")
    lines = folder_of(cells[0]).lines()
    assert server.logged == [(row["n"], row) for row in rows(cells[0].spec, lines, 17)]
    assert server.summary["status"] == "finished"
    assert server.ends == [0]


def test_online_rows_of_a_record_that_was_cut_are_said_to_be_kept(cells, server, capsys):
    folder = folder_of(cells[0])
    lines = folder.lines()
    folder.clear_outcome()
    with online(cells) as mirror:
        point = PointMirror(mirror, cells[0])
        assert not point.advance()
        assert capsys.readouterr().err == ""
        RecordWriter(folder.record_path, 10).close()
        assert not point.advance()
        err = capsys.readouterr().err
        assert "was cut to its checkpoint, and W&B keeps the 17 rows that it had" in err
        assert len(lines) > 17
        assert not point.advance()
        assert capsys.readouterr().err == ""  # once
    with online(cells) as mirror:  # a process that has not seen the cut
        assert not PointMirror(mirror, cells[0]).advance()
    assert "W&B keeps the 17 rows" in capsys.readouterr().err


def test_a_server_that_is_lost_is_not_waited_for(cells, server, capsys, monkeypatch):
    """The process ends at once, without W&B's own goodbye, which waits for the server."""
    import wandb

    class Left(BaseException):
        pass

    def lost(row, step):
        raise TimeoutError("no answer")

    def leave(code):
        raise Left(code)

    goodbyes = []
    monkeypatch.setattr(server, "log", lost)
    monkeypatch.setattr(wandb, "teardown", lambda **_: goodbyes.append(1))
    monkeypatch.setattr(follow, "_give_way", lambda: None)
    monkeypatch.setattr(follow.signal, "signal", lambda *_: None)
    monkeypatch.setattr(follow.os, "_exit", leave)
    tracker = cells.tracker.model_copy(update={"mode": "online"})
    there = [replace(cell, tracker=tracker) for cell in cells]
    with pytest.raises(Left, match="0"):
        follow._follow(there, "remedy", 0.0, multiprocessing.Pipe()[0])
    err = capsys.readouterr().err
    assert err.count("warning: the W&B mirror ended: W&B failed (TimeoutError: no answer)") == 1
    assert not goodbyes


def test_rows_are_handed_to_wandb_many_at_a_time(finished, tmp_path, monkeypatch):
    """Fails where an upgrade of W&B has moved the parts that this takes for its speed."""
    cells = finished[:1]
    shutil.copytree(finished[0].runs_dir, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / ".wandb", ignore_errors=True)
    (cell,) = compose(tmp_path, "point=0", "n_steps=30")
    assert cell.spec == cells[0].spec
    monkeypatch.setattr(handover, "ROWS_AT_ONCE", 11)
    with held([cell]) as mirror:
        point = PointMirror(mirror, cell)
        kind = type(point._run._interface._asyncer)
        direct, n_calls = kind.run, []

        def counted(asyncer, function):
            n_calls.append(function)
            return direct(asyncer, function)

        monkeypatch.setattr(kind, "run", counted)
        handover.log_rows(point._run, rows(cell.spec, folder_of(cell).lines()))
        assert len(n_calls) == 3  # 11, 11 and 8 rows
        point.close(complete=False)
        monkeypatch.undo()
        mirror_all(mirror, [cell])
    assert_mirrored(cell, tmp_path)


def test_an_altered_record_is_named_and_the_others_are_mirrored(cells, tmp_path):
    path = folder_of(cells[0]).record_path
    path.write_text(path.read_text().replace('"n":3', '"n":4'))
    with held(cells) as mirror:
        with pytest.raises(StoreError, match="torn, altered or another"):
            mirror_all(mirror, cells)
        assert not mirror.is_complete(cells[0])
        assert mirror.is_complete(cells[1])
    assert_mirrored(cells[1], tmp_path)
    *_, ends = read_back(*wandb_files(tmp_path, cells[0]))
    assert [end["exit_code"] for end in ends] == [1]


def test_a_record_that_was_cut_and_has_outgrown_what_was_read_is_noticed(tmp_path):
    path = tmp_path / "scalars.jsonl"
    record = GrowingRecord(path)
    assert record.read()  # there is nothing yet
    path.write_text('{"n":0}\n{"n":1}\n')
    assert record.read()
    path.write_text('{"n":0,"train_loss":1.5}\n{"n":1}\n')
    assert not record.read()  # it would have read on inside the first line
    path.write_text("no JSON\n")
    with pytest.raises(StoreError, match=r"scalars\.jsonl is no record"):
        GrowingRecord(path).read()


def test_two_processes_do_not_mirror_the_same_points(cells):
    with held(cells), pytest.raises(FileError, match="held by another process"), held(cells):
        pass


def test_the_mode_is_online_where_there_is_a_login(cells, monkeypatch, tmp_path):
    import wandb

    tracker = cells.tracker
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


def test_a_figure_is_a_run_with_its_claims(cells, tmp_path):
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
        mirror_figure(cells.tracker, "smoke", picture.stem, ["e"], files, verdicts)
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
    sweep = [*SMOKE, f"runs_dir={tmp_path}", "point=0,1,2", "n_steps=60"]
    sweep += ["execution.checkpoint_every=20", "execution.flush_every=10"]
    run = ["scripts/run.py", "-m", *sweep, "hydra/launcher=basic", "tracker.interval=0.5"]
    cells = compose_sweep(sweep)
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
    assert [folder_of(cell).is_done() for cell in cells] == [True, False, False]
    assert folder_of(cells[1]).steps_recorded() == 40
    done = call(*run)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    assert "W&B: 3 points mirrored; offline; upload with: wandb sync" in done.stdout
    for cell in cells:
        assert_mirrored(cell, tmp_path)
    assert door.main(sweep) == 0
    assert "0 of 3 points mirrored now, 3 before" in capsys.readouterr().out


def test_a_server_that_cannot_be_reached_costs_a_warning(cells, tmp_path):
    with held(cells) as mirror:
        mirror_all(mirror, cells)  # an earlier mirror, which the one online would replace
    nowhere = {"WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": "a" * 40}
    server = ["tracker.mode=online", "tracker.init_timeout=2", f"runs_dir={tmp_path}"]
    sweep = [*SMOKE, *server, "point=0,1", "n_steps=30"]
    done = call("scripts/run.py", "-m", *sweep, "hydra/launcher=basic", **nowhere)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("warning: the W&B mirror ended: W&B failed") == 1
    assert "Traceback" not in done.stderr
    swept = compose_sweep(sweep)
    assert {folder_of(cell).outcome().status for cell in swept} == {"finished"}
    with held(cells) as mirror:
        assert not mirror.is_complete(cells[0])
        assert mirror_all(mirror, swept).now == 2
    for cell in swept:
        assert_mirrored(cell, tmp_path)


def test_a_mirror_beside_a_sweep_leaves_out_a_bad_record_and_says_so(
    cells, tmp_path, capfd, monkeypatch
):
    monkeypatch.setenv("WANDB_SERVICE", "of a process that is gone")
    path = folder_of(cells[0]).record_path
    path.write_text(path.read_text().replace('"n":3', '"n":4'))
    with tracked(cells, ["experiment=e"]):
        pass
    err = capfd.readouterr().err
    assert err.count("warning: ") == 1
    assert "torn, altered or another" in err
    assert_mirrored(cells[1], tmp_path)


def test_an_outcome_that_cannot_be_read_costs_its_own_mirror_alone(cells, tmp_path, door, capfd):
    outcome = folder_of(cells[0]).path / "outcome.json"
    outcome.write_text("{")
    with tracked(cells):
        pass
    err = capfd.readouterr().err
    assert err.count("warning: ") == 1
    assert f"{outcome} is no outcome of a run" in err
    assert_mirrored(cells[1], tmp_path)
    overrides = [*SMOKE, f"runs_dir={tmp_path}", "point=0,3", "n_steps=30"]
    assert door.main([*overrides, "--again"]) == 2
    assert f"{outcome} is no outcome of a run" in capfd.readouterr().err
    assert_mirrored(cells[1], tmp_path)


def test_a_mirror_that_dies_is_reported_with_the_command_that_makes_it(cells, capsys):
    with tracked(cells, ["experiment=e", "point=range(0,3)"]):
        (process,) = multiprocessing.active_children()
        process.kill()
    err = capsys.readouterr().err
    assert "its process died (exit code -9)" in err
    assert "later with: python scripts/mirror.py experiment=e 'point=range(0,3)'" in err


def test_a_mirror_that_does_not_end_is_waited_for_aloud_and_not_for_ever(
    cells, capsys, monkeypatch
):
    monkeypatch.setattr(follow, "QUIET_S", 0.0)
    monkeypatch.setattr(follow, "PATIENCE_S", 0.0)
    with tracked(cells):
        (process,) = multiprocessing.active_children()
        os.kill(process.pid, signal.SIGSTOP)
    os.kill(process.pid, signal.SIGCONT)
    process.join()
    assert process.exitcode == -signal.SIGTERM
    waiting, warning = capsys.readouterr().err.splitlines()
    assert waiting == "mirroring the rest in W&B, at most 0 s more (Ctrl-C: stop waiting)"
    assert "it was not done after 0 s" in warning


@pytest.mark.parametrize(
    ("mode", "interval", "expected"),
    [("offline", None, 600.0), ("online", None, 10.0), ("offline", 7.0, 7.0), ("online", 7.0, 7.0)],
)
def test_records_are_looked_at_at_intervals_when_a_core_is_free_and_at_the_end(
    cells, monkeypatch, mode, interval, expected
):
    tracker = cells.tracker.model_copy(update={"interval": interval})
    monkeypatch.setattr(follow, "n_cores", lambda: 2)
    now, looks = [0.0], []
    monkeypatch.setattr(follow.time, "monotonic", lambda: now[0])
    following = follow._Following(Mirror(tracker, mode), cells, began=0.0)
    monkeypatch.setattr(RunFolder, "is_over", lambda _: False)

    class Sweep:
        def poll(self, timeout=0.0):
            now[0] += timeout
            return now[0] > 2 * expected + 1

    following._look = lambda: looks.append(now[0])
    following.until_closed(Sweep())
    at_once, first, second, last = looks
    assert (at_once, first, second) == (0.0, expected, 2 * expected)
    assert 2 * expected < last <= 3 * expected
    # With one of two runs over, a core is free: more often, but where an interval is set.
    monkeypatch.setattr(
        RunFolder, "is_over", lambda folder: folder.path == folder_of(cells[0]).path
    )
    now, looks[:] = [0.0], []
    following.until_closed(Sweep())
    assert (len(looks) > 4) == (interval is None)


def test_a_mirror_that_another_process_holds_is_had_when_it_is_left(cells):
    about = cells.tracker, run_identity(cells[0]).group
    earlier = ExitStack()
    earlier.enter_context(held(cells))

    class Sweep:
        ended = False

        def poll(self, _):
            earlier.close()
            return self.ended

    with follow._held(*about, Sweep()) as mirror:
        assert mirror.tracker == cells.tracker
        Sweep.ended = True
        with pytest.raises(FileError, match="held by another"), follow._held(*about, Sweep()):
            pass


def test_without_a_tracker_wandb_is_not_imported():
    script = """
import multiprocessing, sys
import adamct.runs.sweep
from adamct.config.compose import compose_sweep
with adamct.runs.sweep.tracked(compose_sweep(["scale=smoke"])):
    assert not multiprocessing.active_children()
assert not {"wandb", "pandas"} & set(sys.modules)
"""
    done = call("-c", script)
    assert done.returncode == 0, done.stderr


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


def test_the_door_mirrors_again_when_asked(cells, door, capsys):
    overrides = [*SMOKE, f"runs_dir={cells.runs_dir}", "point=0,3", "n_steps=30"]
    for arguments, count in ((overrides, "2 of 2"), (overrides, "0 of 2"), (["--again"], "2 of 2")):
        assert door.main([*overrides, *arguments]) == 0
        assert f"{count} points mirrored now" in capsys.readouterr().out
    for cell in cells:
        assert_mirrored(cell, cell.runs_dir)
