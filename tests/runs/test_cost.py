"""The cost of a run, against closed forms."""

import sys

import pytest

from adamct.config.compose import compose_sweep
from adamct.data import DataError
from adamct.models import CNN, CNNConfig
from adamct.runs import cost


def spec_of(*overrides):
    return compose_sweep(overrides, sweep=False, with_data=False)[0].spec


def test_a_transformer_costs_what_its_matrices_say():
    spec = spec_of("scale=paper")
    model, tokens = spec.task.model, spec.task.batch_size * spec.task.model.block_size
    d, n_layer, T = model.d_model, model.n_layer, model.block_size
    matrices = 12 * d * d * n_layer + 50257 * d
    attention = 2 * 2 * T * d * n_layer  # scores and averages, a token
    forward, gradient = cost._task_flops(spec.task)
    assert forward == tokens * (2 * matrices + attention)
    assert gradient == pytest.approx(3 * forward, rel=0.02)  # attention may be recomputed
    assert cost.run_flops(spec) == spec.n_steps * gradient


def test_a_network_of_convolutions_costs_one_product_a_weight_and_position():
    spec = spec_of("scale=paper", "task=cnn_paper")
    positions = [32 * 32] * 2 + [16 * 16] * 2 + [8 * 8] * 2 + [1] * 3
    weights = [p.numel() for p in CNN(CNNConfig()).parameters() if p.dim() > 1]
    forward, _ = cost._task_flops(spec.task)
    products = sum(w * n for w, n in zip(weights, positions, strict=True))
    assert forward == 2 * spec.task.batch_size * products


def test_evaluations_and_equation_4_are_counted():
    plain = spec_of()
    forward, gradient = cost._task_flops(plain.task)
    scored = spec_of("evaluation={every: 300, n_batches: 7}", "n_steps=1000")
    assert cost.run_flops(scored) == 1000 * gradient + 5 * 7 * forward  # at 0, 300, …, 900, 1000
    beside = spec_of("continuous={scheme: euler, n_substeps: 10}", "n_steps=100")
    assert cost.run_flops(beside) == 100 * 11 * gradient


def test_a_set_of_images_without_known_size_is_named():
    with pytest.raises(DataError, match=r"'mnist' is not known without its data.*catalogue\.py"):
        cost.run_flops(spec_of("task=cnn_smoke", "task.data.corpus=mnist"))


def test_the_command_prints_a_table(script, monkeypatch, capsys):
    command = script("cost.py")

    def hours_of_a_pflop(*arguments):
        monkeypatch.setattr(sys, "argv", ["cost.py", "max_update_normal_curve", *arguments])
        assert command.main() == 0
        table = capsys.readouterr().out.splitlines()
        row = next(line.split() for line in table if line.startswith("max_update"))
        return float(row[4]) / float(row[3])

    assert hours_of_a_pflop("--tflops", "10") == pytest.approx(1e15 / 10e12 / 3600, rel=0.01)
    for precision, rate in command.ASSUMED.items():
        expected = pytest.approx(1e3 / rate / 3600, rel=0.01)
        assert hours_of_a_pflop(f"precision={precision}") == expected
