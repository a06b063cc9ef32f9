import errno
import hashlib
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from adamct import files
from adamct.files import FileError
from adamct.runs import arrays
from adamct.runs.lines import RecordWriter, StoreError, non_finite
from adamct.runs.store import Outcome, RunFolder


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    return RunFolder(path)


def lines(n):
    return [{"n": i, "train_loss": 1.0 / (i + 1)} for i in range(n)]


def failing(code):
    """Return a function of the system that fails."""

    def fail(*_):
        raise OSError(code, os.strerror(code))

    return fail


def write(folder, start, some):
    writer = RecordWriter(folder.record_path, start)
    writer.write(some)
    writer.close()


def test_a_record_is_cut_where_the_run_goes_on(folder):
    write(folder, 0, lines(10))
    with folder.record_path.open("a") as handle:
        handle.write('{"n": 10, "train_l')  # torn by a kill
    write(folder, 4, lines(12)[4:])
    folder.write_outcome(folder.final_outcome("finished", 12))
    assert folder.lines() == lines(12)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"n":3', '"n":4'),
        lambda text: text.replace("{", "", 1),
        lambda text: "\n".join(text.splitlines()[:-2]) + "\n",
        lambda text: text.replace("0.5", "2.0"),  # another run's
    ],
)
def test_a_damaged_record_is_named_with_the_remedy(folder, damage):
    write(folder, 0, lines(6))
    folder.write_outcome(folder.final_outcome("finished", 6))
    folder.record_path.write_text(damage(folder.record_path.read_text()))
    with pytest.raises(StoreError, match=r"scalars\.jsonl .*delete .*to train it again"):
        folder.lines()


class Spec:
    def canonical_json(self):
        return "{}"


@pytest.mark.parametrize(
    ("name", "contents", "read", "message"),
    [
        (
            "outcome.json",
            [
                *(b'{"status": ', b"null", b"\xff\xfe", b'{"status": "finished", "step": 6}'),
                b'{"status": "banana", "step": 1, "reason": "", "record_sha256": "0"}',
                b'{"status": "finished", "step": "x", "reason": "", "record_sha256": "0"}',
            ],
            RunFolder.is_done,
            r"outcome\.json is no outcome of a run .*delete",
        ),
        (
            "environment.json",
            [b'{"a": 1}', b"[1]", b"[", b'[{"a": 1}]'],
            RunFolder.environments,
            r"environment\.json is no environment .*delete",
        ),
        (
            "spec.json",
            [b'{"format":1}', b"{}", b""],
            lambda folder: folder.write_spec(Spec()),
            "does not hold the spec that names its folder",
        ),
        (
            "scalars.jsonl",
            [b"", b"{}\n", b"garbage\n", b'{"n": 1}\n', b"[0]\n"],
            lambda folder: RecordWriter(folder.record_path, 1),
            "ends or breaks at step 0, before the checkpoint's step 1; delete",
        ),
    ],
)
def test_a_foreign_file_is_named_with_the_remedy(folder, name, contents, read, message):
    for content in contents:
        (folder.path / name).write_bytes(content)
        with pytest.raises(StoreError, match=message):
            read(folder)


@pytest.fixture
def over(folder):
    """Return the folder of a run that is over: scalars, vectors, and what is taken now and then."""
    some = [line | {"u": [0.1 * line["n"], 5e-324]} for line in lines(6)]
    some[3] |= {"u": [1.0, float("inf")], "test_loss": 0.3}
    write(folder, 0, some)
    folder.write_outcome(folder.final_outcome("finished", 6))
    return folder


def flip_one_bit(data):
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        None,
        lambda path: path.unlink(),  # as of older code
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(flip_one_bit(path.read_bytes())),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(arrays.to_bytes({"n": np.arange(6)}, "another record's")),
    ],
)
def test_the_arrays_are_the_lines_whatever_became_of_their_file(over, damage):
    if damage:
        damage(over.arrays_path)
    found = over.arrays()
    assert list(found) == ["n", "train_loss", "u", "test_loss"]
    for line in over.lines():
        for name, array in found.items():
            np.testing.assert_array_equal(array[line["n"]], line.get(name, np.nan))
    assert found["n"].dtype == np.int64
    assert list(over.arrays(without=["u", "train_loss"])) == ["n", "test_loss"]


def test_whole_arrays_do_not_hide_a_damaged_record(over):
    over.record_path.write_bytes(flip_one_bit(over.record_path.read_bytes()))
    with pytest.raises(StoreError, match=r"scalars\.jsonl is torn, altered .*delete"):
        over.arrays()


def test_only_an_outcome_makes_a_run_done(folder):
    write(folder, 0, lines(6))
    assert not folder.is_done()
    folder.write_outcome(Outcome("failed", 6, "why"))
    assert not folder.is_done()
    folder.write_outcome(folder.final_outcome("finished", 6))
    assert folder.is_done()


def test_leavings_of_a_killed_process_are_removed(folder):
    (folder.path / ".checkpoint.pt.123").write_text("half")
    folder.checkpoint_path.write_text("of a run that has ended since")
    write(folder, 0, lines(1))
    folder.clean()
    assert folder.checkpoint_path.exists()
    folder.write_outcome(folder.final_outcome("finished", 1))
    folder.clean()
    kept = {"scalars.jsonl", "scalars.npz", "outcome.json"}
    assert {path.name for path in folder.path.iterdir()} == kept


def test_steps_recorded_ignores_a_torn_line(folder):
    assert folder.steps_recorded() == 0
    write(folder, 0, lines(1000))
    assert folder.steps_recorded() == 1000
    with folder.record_path.open("a") as handle:
        handle.write('{"n": 1000')
    assert folder.steps_recorded() == 1000


def test_an_atomic_write_leaves_the_old_file_or_the_new(tmp_path, monkeypatch):
    path = tmp_path / "outcome.json"
    files.replace(path, "old")
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(FileError, match=r"outcome\.json cannot be written \(No space .*: make"):
        files.replace(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


# A real limit of the kernel, in a process of its own: the write fails half way.
NO_ROOM = """
import resource, signal, sys
from adamct.files import FileError
from adamct.runs.lines import RecordWriter
from pathlib import Path
path = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = RecordWriter(path, 3)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, resource.RLIM_INFINITY))
try:
    writer.write([{"n": 3, "train_loss": 0.25}])
except FileError as error:
    print(error)
"""
LOCKING = """
import sys, time
from pathlib import Path
from adamct.runs.store import RunFolder
with RunFolder(Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def test_a_line_that_does_not_fit_is_taken_back(folder):
    write(folder, 0, lines(3))
    before = folder.record_path.read_bytes()
    command = [sys.executable, "-c", NO_ROOM, str(folder.record_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "scalars.jsonl cannot be written" in said
    assert folder.record_path.read_bytes() == before


def test_a_second_process_waits_for_the_lock(tmp_path):
    command = [sys.executable, "-c", LOCKING, str(tmp_path / "run")]
    first = subprocess.Popen([*command, "60"], stdout=subprocess.PIPE, text=True)
    assert first.stdout.readline() == "held\n"
    second = subprocess.Popen([*command, "0"], stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    assert second.poll() is None
    first.kill()  # the kernel lets the lock go
    assert second.communicate(timeout=60)[0] == "held\n"
    first.wait()


def test_non_finite_names_the_scalar():
    assert non_finite({"n": 3, "max_update": [1.0, 2.0]}) is None
    assert non_finite({"n": 3, "max_update": [1.0, float("nan")]}) == "max_update"
    assert non_finite({"n": 3, "train_loss": float("inf")}) == "train_loss"


@pytest.mark.parametrize(("status", "n_lines"), [("finished", 3), ("finished", 4), ("diverged", 3)])
def test_a_whole_record_is_final_and_keeps_every_float(folder, status, n_lines):
    """A finished one may hold what was observed after the last step, too."""
    values = [0.1 + 0.2, 5e-324, float("inf"), 1.0]
    whole = [{"n": n, "x": values[n]} for n in range(n_lines)]
    write(folder, 0, whole)
    folder.write_outcome(folder.final_outcome(status, 3))
    assert folder.lines() == whole


@pytest.mark.parametrize(
    "steps", [[0, 1, 2, 2, 3], [0, 1, 3], [1, 2, 3], [0, 1], [0, 1, 2, 0, 1, 2], [0, 1, 2, 3, 4]]
)
def test_a_record_of_other_steps_is_never_final_and_never_read(folder, steps):
    """Of two writers, say, where the file system has no locks; three steps were to be taken."""
    text = "".join(json.dumps({"n": n, "train_loss": 1.0}) + "\n" for n in steps)
    folder.record_path.write_text(text)
    with pytest.raises(StoreError, match="once each"):
        folder.final_outcome("finished", 3)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    folder.write_outcome(Outcome("finished", 3, record_sha256=sha256))  # by older code
    with pytest.raises(StoreError, match=r"delete .* to train it again"):
        folder.lines()


def test_a_second_writer_is_noticed(folder):
    first, second = (RecordWriter(folder.record_path, 0) for _ in range(2))
    first.write(lines(2))
    with pytest.raises(StoreError, match="another one writes to it"):
        second.write(lines(2))
    first.write(lines(4)[2:])


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK])
def test_a_file_system_without_locks_is_named(folder, monkeypatch, code):
    monkeypatch.setattr(files.fcntl, "flock", failing(code))
    with pytest.raises(FileError, match="cannot be locked"), folder.lock():
        pass
