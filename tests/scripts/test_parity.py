"""The comparison of a precision with float32, on verdicts and on runs."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from adamct.config.compose import compose_sweep
from adamct.plotting.registry import import_file
from adamct.runs.runner import train_run

ROOT = Path(__file__).parents[2]
parity = import_file(ROOT / "scripts" / "parity.py")


def verdict(statistic):
    return SimpleNamespace(statistic=statistic)


@pytest.mark.parametrize(
    ("exact", "rough", "expected"),
    [
        ([1.0, 1.2, 1.5], verdict(1.9), True),
        ([1.0, 1.2, 1.5], verdict(0.6), True),
        ([1.0, 1.2, 1.5], verdict(2.1), False),
        ([0, 0, 0], verdict(0), True),  # violations of a bound
        ([0, 0, 0], verdict(1), False),
        ([None, None, None], verdict(None), True),
        ([1.0, None, 1.2], verdict(1.1), False),
    ],
)
def test_statistics_agree_within_the_spread_of_seeds(exact, rough, expected):
    assert parity.agree([verdict(value) for value in exact], rough) is expected


def test_the_command_compares_the_runs_of_a_figure(tmp_path, monkeypatch, capsys):
    def called(*words):
        monkeypatch.setattr(sys, "argv", ["parity.py", *words])
        monkeypatch.chdir(ROOT)
        return parity.main()

    here = ("fig3", "--scale", "smoke", "--seeds", "2", f"runs_dir={tmp_path}")
    assert called(*here) == 2
    missing = "-m experiment=max_update_normal_curve scale=smoke runs_dir="
    assert missing in capsys.readouterr().err
    asked = ["experiment=max_update_normal_curve", "scale=smoke", f"runs_dir={tmp_path}"]
    for kind in (["seed=10,11"], ["seed=10", "precision=bfloat16"]):
        sweep = compose_sweep([*asked, *kind])
        for spec in sweep.runs.values():
            train_run(spec, sweep.execution, runs_dir=sweep.runs_dir)
    assert called(*here) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["claim", "float32:", "from", "to", "bfloat16"]
    assert rows
    assert all(line.startswith("fig03 ") for line in rows)
    with pytest.raises(SystemExit):
        called("fig3", "--seeds", "1")
