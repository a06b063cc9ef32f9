import math
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from adamct.config import compose
from adamct.config.compose import compose_sweep
from adamct.config.schema import SCALES, ConfigurationError
from adamct.models.gpt import INIT_STD
from adamct.theory import normal_curve, stability_coefficient

ROOT = Path(__file__).parents[2]
SMOKE = ["experiment=max_update_normal_curve", "scale=smoke"]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("experiment", compose.experiment_names())
def test_every_experiment_composes_at_every_scale(experiment, scale):
    cells = compose_sweep([f"experiment={experiment}", f"scale={scale}"], with_data=False)
    assert cells
    assert {cell.experiment for cell in cells} == {experiment}
    assert {cell.scale for cell in cells} == {scale}


@pytest.mark.parametrize("experiment", compose.experiment_names())
def test_the_header_of_an_experiment_is_its_command(experiment):
    text = (ROOT / "conf" / "experiment" / f"{experiment}.yaml").read_text()
    assert f"# Run:   python scripts/run.py -m experiment={experiment}\n" in text
    assert "# Paper: " in text
    assert "Feeds: Figure" in text


def test_configuration_holds_values_only():
    for path in (ROOT / "conf").rglob("*.yaml"):
        assert "_target_" not in path.read_text(), path


def test_the_points_lie_on_the_normal_curve_and_cover_both_regions():
    cells = compose_sweep(["experiment=max_update_normal_curve"])
    beta = [cell.spec.optimizer.betas[0] for cell in cells]
    gamma = [cell.spec.optimizer.gammas[0] for cell in cells]
    assert len(cells) == len({cell.spec.run_id for cell in cells}) == 64
    assert gamma == pytest.approx(normal_curve(0.999, 0.9).gamma(beta), abs=1e-11)
    n_unstable = int((stability_coefficient(beta, gamma) < 0).sum())
    assert 24 <= n_unstable <= 40
    assert {cell.spec.seed for cell in cells} == {0}


def test_paper_scale_is_appendix_H():
    (cell,) = compose_sweep(
        ["experiment=max_update_normal_curve", "scale=paper", "point=0"], with_data=False
    )
    spec = cell.spec
    assert spec.task.model.model_dump() == {
        "kind": "gpt",
        "n_layer": 6,
        "n_head": 6,
        "d_model": 384,
        "block_size": 256,
        "dropout": 0.2,
        "bias": False,
        "tied": True,
        "qk_norm": False,
    }
    assert (spec.task.data.corpus, spec.task.batch_size, spec.n_steps) == ("c4", 64, 3000)
    assert (spec.optimizer.lr, spec.optimizer.weight_decay) == (1e-3, 0.0)
    assert not spec.optimizer.guard


def test_a_strategy_at_k_1_is_adam():
    adam = compose_sweep([], sweep=False)[0]
    for strategy in ("inverse_exp", "exp", "scaled", "naive", "root"):
        cells = compose_sweep(
            ["optimizer=kadam", f"optimizer.strategy={strategy}", "optimizer.k=1,2"]
        )
        assert cells[0].spec.run_id == adam.spec.run_id
        assert cells[1].spec.run_id != adam.spec.run_id
        assert cells[1].labels["strategy"] == strategy


def test_groups_and_values_are_swept_as_hydra_does(tmp_path):
    overrides = [*SMOKE, "task=gpt_smoke,gpt_laptop", "seed=0,1", "point=1,3", "n_steps=3"]
    cells = compose_sweep(overrides)
    asked = {(c.spec.task.model.d_model, c.spec.seed, c.labels["point"]) for c in cells}
    assert asked == {(d, seed, point) for d in (16, 64) for seed in (0, 1) for point in (1, 3)}
    done = subprocess.run(
        [sys.executable, "scripts/run.py", "-m", *overrides, f"runs_dir={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    folders = {path.parent.name for path in tmp_path.glob("*/outcome.json")}
    assert folders == {cell.spec.run_id for cell in cells}


def test_a_key_of_the_task_can_be_swept():
    cells = compose_sweep(["task.model.qk_norm=true,false", "seed=0,1"])
    assert {(c.spec.task.model.qk_norm, c.spec.seed) for c in cells} == {
        (qk_norm, seed) for qk_norm in (True, False) for seed in (0, 1)
    }


@pytest.mark.parametrize("experiment", compose.experiment_names())
def test_every_experiment_takes_seeds(experiment):
    cells = compose_sweep([f"experiment={experiment}", "scale=smoke", "n_seeds=2"])
    assert {cell.spec.seed for cell in cells} == {0, 1}


@pytest.mark.parametrize("experiment", ["annealed_unstable", "max_update_float64"])
@pytest.mark.parametrize("scale", SCALES)
def test_points_in_the_unstable_region_are_those_of_figure_3(experiment, scale):
    cells = compose_sweep([f"experiment={experiment}", f"scale={scale}"], with_data=False)
    figure3 = compose_sweep(["experiment=max_update_normal_curve"], with_data=False)
    unstable = {(c.labels["beta"], c.labels["gamma"]) for c in figure3 if below_zero(c)}
    chosen = {(c.labels["beta"], c.labels["gamma"]) for c in cells}
    assert chosen <= unstable
    assert scale != "paper" or chosen == unstable


def below_zero(cell):
    return stability_coefficient(cell.labels["beta"], cell.labels["gamma"]) < 0


def test_a_curve_on_the_boundary_can_be_given_by_its_level():
    cells = compose_sweep(
        [
            *SMOKE,
            "curve.kind=level",
            "curve.through=null",
            "+curve.level=0.0",
            "curve.section=[0.5,0.9]",
        ]
    )
    for cell in cells:
        (beta,), (gamma,) = cell.spec.optimizer.betas, cell.spec.optimizer.gammas
        assert gamma == pytest.approx(2 * beta / (1 + beta), abs=1e-12)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["optimizer.gamma=1"], r"optimizer\.gamma: received 1\.0, expected a decay in \[0, 1\)"),
        (["optimizer.beta=-0.1"], r"optimizer\.beta: received -0\.1"),
        (["optimizer=kadam", "optimizer.k=0"], r"optimizer\.k = 0: .*greater than or equal to 1"),
        (["optimizer.level_betas=[0.9,0.9]"], "2 betas and 0 gammas"),
        (
            ["optimizer.level_betas=[0.9,0.9]", "optimizer.level_gammas=[0.9]"],
            "2 betas and 1 gammas",
        ),
        (["optimizer=kadam", "optimizer.strategy=inverse"], "'inverse'.*inverse_exp"),
        ([*SMOKE, "curve.section=[0.9,0.99]"], r"curve\.section = \[0\.9, 0\.99\]: .*0\.9515"),
        ([*SMOKE, "curve.section=[0.96,1.01]"], r"1\.01"),
        ([*SMOKE, "point=4"], r"point = 4, expected one of 0 … 3"),
        ([*SMOKE, "optimizer.beta=0.9"], r"curve gives \(beta, gamma\), but"),
        (["optimizer.beta=null"], "set both, or give a pair"),
        (["observe=[train_loss,sharpness]"], r"observe\.1 = 'sharpness': .*'train_loss', 'max_up"),
        (["+execution.thread=2"], r"execution\.thread: unknown key; did you mean 'threads'"),
        (["task.model.n_head=3"], "d_model = 64 is no multiple of n_head = 3"),
        (["n_steps=0"], "n_steps = 0"),
        (["optimizer.lr=-1"], r"optimizer\.lr = -1.*greater than 0"),
        (["optimizer.level_betas=[1.0]"], r"optimizer\.level_betas: received 1\.0"),
        (["optimizer.strategy=banana"], "'banana'.*inverse_exp"),
        (["optimizer.beta=null", "optimizer.gamma=null", "pair=[1.0,0.6]"], "pair: received 1.0"),
        ([*SMOKE, "curve.n_points=0"], "the sweep has no runs: point ranges over nothing"),
        (["task.model.qk_norm=true", "task.model.bias=true"], "set bias to false"),
        (["execution.device=banana"], r"execution\.device = 'banana'"),
        (["seed=true"], "seed = True"),
        (["seed='3'"], "seed = '3'"),
        (["optimizer.guard=maybe"], r"optimizer\.guard = 'maybe'"),
        (["schedule=annealed", "optimizer.beta=0.0"], r"\|C\|/2, which is inf"),
    ],
)
def test_what_cannot_work_is_refused_with_the_remedy(overrides, message):
    with pytest.raises(ConfigurationError, match=message):
        compose_sweep(overrides)


def test_an_unknown_key_in_a_file_is_named(tmp_path, monkeypatch):
    for path in (ROOT / "conf").rglob("*.yaml"):
        copy = tmp_path / path.relative_to(ROOT / "conf")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    task = tmp_path / "task" / "gpt_laptop.yaml"
    values = yaml.safe_load(task.read_text())
    values["model"]["n_layers"] = 3
    task.write_text(yaml.safe_dump(values))
    monkeypatch.setattr(compose, "CONF_DIR", tmp_path)
    with pytest.raises(ConfigurationError, match=r"task\.model\.n_layers: unknown key; did you m"):
        compose_sweep([])


@pytest.mark.parametrize("scale", SCALES)
def test_figure_14_compares_runs_of_one_schedule(scale):
    """The annealed runs and the default that they are judged by: the same steps and warm-up."""
    (default, *_) = compose_sweep(
        ["experiment=generalization_normal_curve", f"scale={scale}"], with_data=False
    )
    annealed = compose_sweep(["experiment=annealed_unstable", f"scale={scale}"], with_data=False)
    bases = {c.spec.schedule.base for c in annealed if c.spec.schedule.base.kind != "constant"}
    assert bases == {default.spec.schedule}
    assert {c.spec.n_steps for c in annealed} == {default.spec.n_steps}
    assert {c.spec.evaluation for c in annealed} == {default.spec.evaluation}


@pytest.mark.parametrize("scale", SCALES)
def test_the_2_adam_of_section_42_has_the_rates_that_follow_from_adams(scale):
    """β_2 = e^{−2ηλ}, lr_2 = 0.02 √(2ηλ), and the same over √((1+γ)/(1−γ))."""
    cells = compose_sweep(["experiment=direction", f"scale={scale}", "seed=0"], with_data=False)
    adam, printed, corrected, held = (cell.spec.optimizer.query_key for cell in cells)
    forgets = 2 * adam.lr * adam.weight_decay
    assert printed.betas == corrected.betas == pytest.approx((0.999, math.exp(-forgets)))
    assert printed.lr == pytest.approx(INIT_STD * math.sqrt(forgets))
    gamma = adam.gammas[0]
    assert corrected.lr == pytest.approx(printed.lr * math.sqrt((1 - gamma) / (1 + gamma)))
    assert printed.gammas == corrected.gammas == (gamma, 0.0)
    assert (held.lr, held.betas, held.gammas) == (adam.lr, adam.betas, adam.gammas)
    assert [own.fixed_norm for own in (adam, printed, corrected, held)] == [False, True, True, True]


def test_an_element_of_a_list_is_swept_as_hydra_does():
    swept = "curve.section.1=0.965,0.97"
    cells = compose_sweep([*SMOKE, swept, "point=0"], with_data=False)
    last = [
        compose_sweep([*SMOKE, f"curve.section.1={end}", "point=3"], with_data=False)[0]
        for end in ("0.965", "0.97")
    ]
    assert len(cells) == 2
    assert last[0].labels["beta"] == 0.965
    assert last[1].labels["beta"] == 0.97
