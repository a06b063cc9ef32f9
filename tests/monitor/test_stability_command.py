"""What the stability command and the monitor say of a pair is what the theory computes."""

import json
import re
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adamct.theory import (
    discrete_growth_rate,
    discrete_max_update_bound,
    discrete_max_update_limit,
    exactly_stable,
    growth_rate,
    region,
    stability_coefficient,
)
from adamct.theory.diagnosis import diagnose

DECAYS = st.one_of(
    st.sampled_from([0.0, 0.5, 0.9, 0.999, 0.99999]),
    st.floats(0, 1 - 1e-9),
    st.floats(-13, -1).map(lambda x: 1 - 10**x),
)


@pytest.fixture
def output(script, capsys):
    """Return what the command prints."""
    main = script("stability.py").main

    def run(*arguments, code=0):
        assert main([str(x) for x in arguments]) == code
        printed = capsys.readouterr()
        return printed.err if code else printed.out

    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            (0.9, 0.999, "--steps", 1000),
            ["betas=(0.9, 0.999), the paper's (β, γ) = (0.999, 0.9)\nstable: both theories",
             "0.221221", "7.27029", "never", f"{discrete_max_update_bound(1000, 0.999, 0.9):.6g}",
             "beta1 ≤ 0.9994998, √beta2 rounded down; beta1 lies 0.0995",
             "beta2 ≥ 0.8101, beta1² rounded up; beta2 lies 0.189 inside"],
        ),
        (
            (0.99, 0.9),
            ["unstable: where a gradient vanishes", "0.0426299 per step", "16.26 steps",
             "take beta1 ≤ 0.94868 at beta2 = 0.9, or beta2 ≥ 0.98011 at beta1 = 0.99.",
             "In the other order, betas=(0.9, 0.99), the same two are stable."],
        ),
        ((0.69, 0.5), ["stable, in the strip", "the paper's C is negative"]),
        ((2 / 3, 0.5), ["on the paper's boundary"]),
        ((0.5, 0.25), ["on the exact boundary γ² = β: the bound D_n grows like √n"]),
        ((0.3, 0.0), ["no bound from the second step on"]),
        ((0.0, 0.0), ["stable: both theories"]),
        ((0.9999999, 0.999999), ["doubles every 1.733e+06 steps"]),
    ],
)  # fmt: skip
def test_what_is_said_of_a_pair_in_either_order(output, arguments, words):
    text = output(*arguments)
    assert [part for part in words if part not in text] == []
    assert ("To be stable" in text) == ("unstable" in text.splitlines()[1])
    beta1, beta2, *more = arguments
    assert output("--paper-order", beta2, beta1, *more) == text
    values = json.loads(output(beta1, beta2, "--json", "--steps", 10**7))
    assert (values["torch_betas"], values["region"]) == ([beta1, beta2], region(beta2, beta1))
    for name, number in (
        ("C", stability_coefficient(beta2, beta1)),
        ("paper_rate", growth_rate(beta2, beta1)),
        ("D_limit", discrete_max_update_limit(beta2, beta1)),
        ("log_D_n", discrete_max_update_bound(10**7, beta2, beta1, log=True)),
    ):
        assert values[name] == (number if np.isfinite(number) else None)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(beta=DECAYS, gamma=DECAYS)
def test_a_diagnosis_agrees_with_the_theory_and_its_remedy_cures(beta, gamma):
    diagnosis = diagnose(beta, gamma)
    assert diagnosis.stable == exactly_stable(beta, gamma) == diagnosis.verdict.startswith("stable")
    assert diagnosis.stable == (diagnosis.remedy == "") == np.isfinite(diagnosis.D_limit)
    assert diagnosis.exact_rate == discrete_growth_rate(beta, gamma)
    if 0 < diagnosis.exact_rate < np.inf:
        assert diagnosis.exact_rate * diagnosis.doubling_steps == pytest.approx(np.log(2))
    json.dumps(diagnosis.as_dict(), allow_nan=False)
    said = " ".join(chain(*diagnosis.rows()))
    below, above = (re.search(rf"{name} [≤≥] ([0-9.]+)", said)[1] for name in ("beta1", "beta2"))
    assert exactly_stable(beta, float(below))  # as it is typed in
    assert exactly_stable(float(above), gamma)
    for printed, boundary in ((below, beta**0.5), (above, gamma**2)):
        assert abs(float(printed) - boundary) <= 1.51 * max(1e-4, 0.01 * (1 - boundary))
        assert diagnosis.stable or f" {printed} at " in diagnosis.remedy


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_the_picture_is_drawn_and_the_same_each_time_or_named(output, tmp_path, suffix):
    pytest.importorskip("matplotlib")
    paths = [tmp_path / "new" / f"{i}{suffix}" for i in range(2)]
    for path in paths:
        output(0.9, 0.999, "--picture", path)
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert len(first) > 5000
    nowhere = paths[0] / f"a{suffix}"  # below a file
    error = output(0.9, 0.99, "--picture", nowhere, code=2)
    assert f"a{suffix} cannot be written" in error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--paper-order", "1.2", "0.9"], "beta = 1.2 is outside [0, 1)"),
        (["0.9", "0.99", "--steps", "-1"], "--steps -1 is no step index; expected a whole number"),
        (["0.9", "0.99", "--picture", "a.jpg"], "expected a name ending in .png, .pdf, .svg"),
    ],
)
def test_bad_arguments_are_named(script, capsys, arguments, words):
    with pytest.raises(SystemExit) as exit_:
        script("stability.py").main(arguments)
    assert exit_.value.code == 2
    assert words in capsys.readouterr().err
