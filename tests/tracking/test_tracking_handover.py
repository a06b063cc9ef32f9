import threading
from types import SimpleNamespace

import pytest

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


def test_where_a_row_is_refused_none_of_its_piece_is_passed_on():
    """As after a broken connection, the mirror ends there, and is made again from the record."""
    n_before = ROWS_AT_ONCE + 2

    def refuse_the_last():
        nonlocal n_before
        n_before -= 1
        if n_before < 0:
            raise ValueError("refused")

    run = FakeRun(during=refuse_the_last)
    with pytest.raises(ValueError, match="refused"):
        log_rows(run, rows(2 * ROWS_AT_ONCE))
    assert len(run.passed_on) == ROWS_AT_ONCE
    assert run._interface._asyncer is run.direct
