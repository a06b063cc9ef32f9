"""Checkpoints are written from a thread: what training changes meanwhile is not in them."""

import threading

import pytest
import torch

from adamct import files
from adamct.files import FileError
from adamct.train import checkpoint
from adamct.train.checkpoint import CheckpointError, CheckpointWriter, on_host

CPU = torch.device("cpu")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.pt"


@pytest.fixture
def slow(monkeypatch):
    """Hold every write until the event is set; it lists the steps that were begun."""
    written, to_bytes = threading.Event(), checkpoint.to_bytes
    written.begun = []

    def wait(run_id, n, state):
        written.begun.append(n)
        assert written.wait(10)
        return to_bytes(run_id, n, state)

    monkeypatch.setattr(checkpoint, "to_bytes", wait)
    return written


def test_the_state_is_that_of_its_step_whatever_comes_after(path, slow):
    state = {"m": torch.ones(3)}
    with CheckpointWriter(path, "run", 10.0) as writer:
        writer.save(7, state)
        state["m"].zero_()
        slow.set()
    n, found = checkpoint.read(path, "run", CPU)
    assert (n, found["m"].tolist()) == (7, [1.0, 1.0, 1.0])


def test_what_shares_memory_shares_it_in_the_copy():
    """So a tied embedding, and the views of a flat state, are kept once."""
    vector = torch.arange(6.0)
    state = {"tied": [vector, vector], "view": vector[2:].view(2, 2).T, "n": 3, "step": None}
    copied = on_host(state)
    assert torch.equal(copied["view"], state["view"])
    assert copied["view"].stride() == state["view"].stride()
    vector.zero_()
    copied["tied"][0][2:] = 7.0
    assert copied["tied"][1].tolist() == [0.0, 1.0, 7.0, 7.0, 7.0, 7.0]
    assert copied["view"].unique().tolist() == [7.0]
    assert (copied["n"], copied["step"]) == (3, None)


def test_one_is_due_after_the_interval_and_not_while_another_is_written(path, slow):
    seconds = iter([0, 599, 600, 1200, 1201, 1202, 1203])
    with CheckpointWriter(path, "run", 10.0, lambda: next(seconds)) as writer:
        assert [writer.are_due for _ in range(2)] == [False, True]
        writer.save(1, {})
        assert not writer.are_due  # at 1200: the first is still being written
        slow.set()
        writer._pending.result()
        assert writer.are_due
        writer.save(2, {})
        assert not writer.are_due  # at 1202
    assert checkpoint.read(path, "run", CPU) == (2, {})
    assert slow.begun == [1, 2]


def test_the_last_is_on_the_disk_before_the_training_goes_on(path, slow):
    threading.Timer(0.1, slow.set).start()
    with CheckpointWriter(path, "run", 10.0) as writer:
        writer.save(1, {})
        writer.save(2, {})
    assert checkpoint.read(path, "run", CPU) == (2, {})


def failing(error):
    def fail(*_):
        raise error

    return fail


def save_and(then, path):
    with CheckpointWriter(path, "abc", 10.0) as writer:
        writer.save(7, {})
        then(writer)


def wait_for_error(writer):
    while not writer.are_due:
        pass


@pytest.mark.parametrize(
    "then",
    [wait_for_error, lambda writer: writer.save(8, {}), lambda _: None],
    ids=["at the next step", "at the next checkpoint", "at the end"],
)
@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (FileError("/runs/abc/checkpoint.pt cannot"), FileError, "abc/checkpoint.pt cannot"),
        (MemoryError("no room"), CheckpointError, "run abc: .* step 7 .*MemoryError: no room.*set"),
    ],
)
def test_an_error_of_the_thread_names_the_run(path, monkeypatch, then, error, kind, message):
    monkeypatch.setattr(files, "replace", failing(error))
    with pytest.raises(kind, match=message):
        save_and(then, path)


def test_it_does_not_hide_what_ended_the_training(path, monkeypatch):
    monkeypatch.setattr(files, "replace", failing(FileError("no room")))
    with pytest.raises(KeyboardInterrupt):
        save_and(failing(KeyboardInterrupt), path)
