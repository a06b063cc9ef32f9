import threading
from types import SimpleNamespace

import pytest
import wandb

from adamct.tracking.handover import ROWS_AT_ONCE, log_rows


class Asyncer:
    """Runs at once, and counts how often it is called from where."""

    def __init__(self):
        self.calls = []

    def run(self, function):
        self.calls.append(threading.get_ident())
        coroutine = function()
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value


class FakeRun:
    """Passes every row on as W&B's run does: through the ``run`` of its interface's asyncer."""

    def __init__(self, during=lambda: None):
        self.direct = Asyncer()
        self._interface = SimpleNamespace(_asyncer=self.direct)
        self.passed_on = []
        self.during = during

    def log(self, row, step):
        async def pass_on():
            self.passed_on.append((step, row))

        self.during()
        self._interface._asyncer.run(pass_on)


def rows(n):
    return [{"n": i, "lr": 0.1 / (i + 1)} for i in range(n)]


def test_rows_are_passed_on_in_order_and_many_at_a_time():
    run = FakeRun()
    n = 2 * ROWS_AT_ONCE + 7
    log_rows(run, rows(n))
    assert run.passed_on == [(row["n"], row) for row in rows(n)]
    assert len(run.direct.calls) == 3
    assert run._interface._asyncer is run.direct


def test_another_thread_is_answered_while_rows_wait():
    answers = []

    def ask():
        async def answer():
            return "here"

        asking = threading.Thread(
            target=lambda: answers.append(run._interface._asyncer.run(answer))
        )
        asking.start()
        asking.join()
        assert not run.passed_on

    run = FakeRun(during=ask)
    log_rows(run, rows(3))
    assert answers == ["here"] * 3
    assert len(run.passed_on) == 3


def test_a_row_that_is_refused_leaves_the_run_as_it_was():
    run = FakeRun()

    def refuse():
        raise ValueError("refused")

    run.during = refuse
    with pytest.raises(ValueError, match="refused"):
        log_rows(run, rows(3))
    assert run._interface._asyncer is run.direct


def test_the_installed_wandb_takes_rows_many_at_a_time(tmp_path, monkeypatch):
    """Fails where an upgrade of W&B has moved the parts that this relies on for its speed."""
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    run = wandb.init(mode="offline", dir=tmp_path, settings=wandb.Settings(silent=True))
    try:
        kind = type(run._interface._asyncer)
        n_calls = 0
        direct = kind.run

        def counting(self, function):
            nonlocal n_calls
            n_calls += 1
            return direct(self, function)

        monkeypatch.setattr(kind, "run", counting)
        log_rows(run, rows(ROWS_AT_ONCE))
        assert 1 <= n_calls < ROWS_AT_ONCE / 10
        n_calls = 0
        for row in rows(3):
            run.log({"lr": row["lr"]}, step=ROWS_AT_ONCE + row["n"])
        assert n_calls >= 3
    finally:
        run.finish()
        wandb.teardown()
