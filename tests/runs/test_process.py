"""What a process says of itself, and under which other one a run may go on."""

import pytest
import torch

from adamct import environment
from adamct.config.execution import Execution
from adamct.runs.process import DECIDE_ROUNDING, ResumeError, check_resume, describe
from adamct.runs.store import RunFolder

CPU = torch.device("cpu")


def entry(deterministic=True, **changes):
    execution = Execution(device="cpu", deterministic=deterministic)
    return describe(execution, CPU, compiled=False, first_step=0) | changes


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "abc")


def test_the_entry_names_all_that_decides_rounding():
    found = entry()
    assert set(DECIDE_ROUNDING) <= set(found)
    assert (found["device_kind"], found["gpu"], found["numerics"]) == (
        "cpu", None, environment.NUMERICS,
    )  # fmt: skip
    assert (found["torch"], found["cuda"]) == (torch.__version__, torch.version.cuda)
    assert found["cudnn"] == torch.backends.cudnn.version()


@pytest.mark.parametrize("newer", [False, True])
@pytest.mark.parametrize("on", [False, True])
def test_the_switches_of_tf32_are_those_in_force(monkeypatch, newer, on):
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    if newer and not hasattr(matmul, "fp32_precision"):
        pytest.skip("this torch has one interface")
    try:
        if newer:
            matmul.fp32_precision = cudnn.conv.fp32_precision = "tf32" if on else "ieee"
        else:
            matmul.allow_tf32 = cudnn.allow_tf32 = on
        found = entry()
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
    assert (found["tf32_matmul"], found["tf32_convolution"]) == (on, on)


@pytest.mark.parametrize("name", DECIDE_ROUNDING)
@pytest.mark.parametrize("position", [0, 1])
def test_other_rounding_is_refused_where_the_run_must_repeat(folder, capsys, name, position):
    """Whichever of the processes before it was of another kind."""
    before = [entry(), entry()]
    before[position] = entry(**{name: "another"})
    now = entry()
    back = DECIDE_ROUNDING[name].format("another")
    remedies = (
        f"go back to {back}, or set execution.deterministic=false",
        f"delete {folder.checkpoint_path}",
    )
    with pytest.raises(ResumeError, match=f"abc was begun with {name} = another ") as caught:
        check_resume(folder, before, now)
    assert all(remedy in str(caught.value) for remedy in remedies)
    check_resume(folder, before, entry(deterministic=False))
    err = capsys.readouterr().err
    assert err.startswith(f"warning: {folder.path} was begun with ")
    assert f"{name} = another (here {now[name]})" in err


@pytest.mark.parametrize("deterministic", [False, True])
def test_other_numerics_are_refused_always(folder, deterministic):
    now, older = entry(deterministic), entry(commit="f00")
    del older["numerics"]  # as code left it that did not number its rounding
    message = rf"numerics = 0, here {now['numerics']}\).*commit f00, or delete .*checkpoint\.pt"
    with pytest.raises(ResumeError, match=message):
        check_resume(folder, [older], now)


def test_what_is_the_same_or_was_not_recorded_goes_on(folder, capsys):
    older = {name: value for name, value in entry().items() if name not in DECIDE_ROUNDING}
    check_resume(folder, [older, entry()], entry())
    assert capsys.readouterr().err == ""
    check_resume(folder, [entry(device="another CPU")], entry())
    assert "device = another CPU" in capsys.readouterr().err
