"""The screens of Section 4.3 are Appendix H's grids, point by point."""

import pytest

from adamct.config.compose import compose_sweep
from adamct.config.schema import ConfigurationError
from adamct.data.batches import steps_per_epoch
from adamct.data.images import open_images

CIFAR10 = ["experiment=kadam_cifar10_screen", "scale=paper"]
C4 = ["experiment=kadam_c4_screen", "scale=paper"]


@pytest.mark.parametrize(
    ("overrides", "n_points", "n_runs"), [(CIFAR10, 2400, 2220), (C4, 300, 255)]
)
def test_the_grids_of_appendix_H_and_what_they_share(overrides, n_points, n_runs):
    sweep = compose_sweep(overrides, with_data=False)
    assert len(sweep) == n_points
    assert len({point.spec.canonical_json() for point in sweep}) == n_runs
    optimizers = [point.spec.optimizer for point in sweep]
    ks = {len(optimizer.betas) for optimizer in optimizers}
    strategies = {point.labels["strategy"] for point in sweep}
    assert strategies == {"inverse_exp", "exp", "scaled", "naive"}
    assert {(point.labels["beta"], point.labels["gamma"]) for point in sweep} == {(0.999, 0.9)}
    rates, decays = ({getattr(o, name) for o in optimizers} for name in ("lr", "weight_decay"))
    if overrides is CIFAR10:
        assert ks == set(range(1, 11))
        assert rates == {6e-5, 1e-4, 3e-4, 6e-4, 1e-3, 3e-3}
        assert decays == {1e-6, 1e-5, 1e-4, 1e-3, 1e-2}
        assert {optimizer.decoupled for optimizer in optimizers} == {True, False}
    else:
        assert ks == set(range(1, 6))
        assert rates == {1e-5, 5e-5, 1e-4, 5e-4, 1e-3}
        assert decays == {1e-2, 1e-3, 1e-4}
        assert {optimizer.decoupled for optimizer in optimizers} == {True}
        assert {point.spec.n_steps for point in sweep} == {20_000}


@pytest.mark.parametrize(
    ("experiment", "every"), [("kadam_c4", 500), ("kadam_lr_grid", 500), ("annealed_unstable", 100)]
)
def test_how_often_text_is_evaluated_at_paper_scale(composed, experiment, every):
    sweep = composed(f"experiment={experiment}", "scale=paper", with_data=False)
    assert {(p.spec.evaluation.every, p.spec.evaluation.n_batches) for p in sweep} == {(every, 200)}


def test_epochs_of_cifar10_in_steps():
    spec = compose_sweep([*CIFAR10, "optimizer.k=2"], with_data=False)[0].spec
    epoch = steps_per_epoch(50_000, spec.task.batch_size)
    assert (spec.task.batch_size, epoch) == (512, 97)
    assert spec.n_steps == 100 * epoch
    assert (spec.schedule.warmup_steps, spec.schedule.final_fraction) == (2 * epoch, 0.1)
    assert spec.evaluation.every == 5 * epoch
    assert spec.task.data.augmentation.model_dump() == {"padding": 4, "flip": True}
    assert spec.task.data.validation_fraction == 0  # the paper trains on all of it


def test_epochs_of_the_digits_in_steps():
    spec = compose_sweep(["experiment=kadam_cifar10", "seed=10"], with_data=False)[0].spec
    digits = open_images("digits", held_out=spec.task.data.validation_fraction)
    epoch = steps_per_epoch(len(digits.train), spec.task.batch_size)
    assert spec.n_steps == 10 * epoch
    assert spec.schedule.warmup_steps == epoch
    assert spec.evaluation.every == 2 * epoch


def test_the_strategy_that_appendix_O_found_bad_can_be_asked_for():
    asked = ["experiment=kadam_root_screen", "optimizer.k=2"]
    sweep = compose_sweep([*asked, "scale=smoke"], with_data=False)
    assert {point.spec.optimizer.gammas for point in sweep} == {(0.9**0.5, 0.9**0.5)}


def test_the_learning_rate_grid_has_adam_with_a_normalization_layer():
    sweep = compose_sweep(["experiment=kadam_lr_grid_screen"], with_data=False)
    levels = {(p.labels["strategy"], p.labels["k"]): p.spec.optimizer for p in sweep}
    layer = levels.pop(("normalization_layer", 2))
    assert set(levels) == {(None, 1), ("inverse_exp", 2), ("inverse_exp", 3)}
    assert (layer.betas, layer.gammas) == ((0.999, 0.999), (0.9, 0.0))
    assert max(point.spec.optimizer.lr for point in sweep) > 1e-3  # beyond Appendix H's


def test_an_optimizer_can_be_swept_with_its_point():
    """Its levels are those of its strategy, or those that the label of explicit ones names."""
    settings = "[null,1,true,2e-3,0],[exp,2,false,1e-3,1e-2],[normalization_layer,2,true,1e-3,0]"
    asked = ["optimizer=kadam_normalization_layer", f"setting={settings}"]
    adam, exp, layer = (point.spec.optimizer for point in compose_sweep(asked, with_data=False))
    assert (adam.betas, adam.gammas, adam.lr) == ((0.999,), (0.9,), 2e-3)
    assert exp.betas == pytest.approx((0.999**2,) * 2)
    assert (exp.decoupled, exp.lr, exp.weight_decay) == (False, 1e-3, 1e-2)
    assert layer.gammas == (0.9, 0.0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("[exp,2,true,1e-3]", "setting"),
        ("[exp,0,true,1e-3,0]", "k = 0"),
        ("[exp,2,true,-1,0]", "lr = -1"),
        ("[expo,2,true,1e-3,0]", "'expo' is unknown"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(setting, message):
    with pytest.raises(ConfigurationError, match=message):
        compose_sweep([f"setting={setting}"], sweep=False, with_data=False)
