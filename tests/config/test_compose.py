import math
import runpy
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from adamct.config import compose
from adamct.config.compose import compose_sweep
from adamct.config.schema import SCALES, ConfigurationError
from adamct.models.gpt import INIT_STD
from adamct.plotting.registry import fed_by
from adamct.runs import runner
from adamct.theory import normal_curve, stability_coefficient

ROOT = Path(__file__).parents[2]
SMOKE = ["experiment=max_update_normal_curve", "scale=smoke"]
EXACT = {"1", "5", "8", "9", "E2"}  # figures about differences that bfloat16 would drown
BESIDE = ["scale=smoke", "continuous={scheme:exponential,n_substeps:1}"]


@pytest.mark.parametrize("experiment", compose.experiment_names())
@pytest.mark.parametrize("scale", SCALES)
def test_every_experiment_composes_at_every_scale(composed, scale, experiment):
    seeds = ["seed=10,11"] if scale == "smoke" else []
    sweep = composed(f"experiment={experiment}", f"scale={scale}", *seeds, with_data=False)
    assert {(point.experiment, point.scale) for point in sweep} == {(experiment, scale)}
    assert sweep.question.endswith("?")
    assert sweep.paper
    assert not seeds or {point.spec.seed for point in sweep} == {10, 11}
    rough = scale == "paper" and not EXACT & set(fed_by(experiment))
    assert {point.spec.precision for point in sweep} == {"bfloat16" if rough else "float32"}


@pytest.mark.parametrize("experiment", compose.experiment_names())
def test_the_header_of_an_experiment_is_its_command(experiment):
    text = (ROOT / "conf" / "experiment" / f"{experiment}.yaml").read_text()
    assert f"# Run:   python scripts/run.py -m experiment={experiment}\n" in text


def test_configuration_holds_values_only():
    for path in (ROOT / "conf").rglob("*.yaml"):
        assert "_target_" not in path.read_text(), path


def test_the_points_lie_on_the_normal_curve_and_cover_both_regions():
    sweep = compose_sweep(["experiment=max_update_normal_curve"])
    beta = [point.spec.optimizer.betas[0] for point in sweep]
    gamma = [point.spec.optimizer.gammas[0] for point in sweep]
    assert len(sweep) == len(sweep.runs) == 3 * 21
    assert gamma == pytest.approx(normal_curve(0.999, 0.9).gamma(beta), abs=1e-11)
    C = stability_coefficient(beta, gamma)
    unstable, near = ((C < 0).sum(), ((C > -0.02) & (C < 0)).sum())
    assert (unstable, near) == (3 * 12, 3 * 5)
    assert {point.spec.seed for point in sweep} == {10, 11, 12}


def test_paper_scale_is_appendix_H():
    (point,) = compose_sweep(
        ["experiment=max_update_normal_curve", "scale=paper", "point=0", "seed=10"],
        with_data=False,
    )
    spec = point.spec
    model = spec.task.model
    assert (model.kind, model.n_layer, model.n_head, model.d_model) == ("gpt", 6, 6, 384)
    assert (model.block_size, model.dropout) == (256, 0.2)
    assert (model.bias, model.tied, model.qk_norm) == (False, True, False)
    assert (spec.task.data.corpus, spec.task.batch_size, spec.n_steps) == ("c4", 64, 3000)
    assert (spec.optimizer.lr, spec.optimizer.weight_decay) == (1e-3, 0.0)
    assert not spec.optimizer.guard


def test_a_strategy_at_k_1_is_adam():
    adam = compose_sweep([], sweep=False)[0]
    strategies = "inverse_exp,exp,scaled,naive,root"
    kadam = ["optimizer=kadam", f"optimizer.strategy={strategies}", "optimizer.k=1,2"]
    sweep = compose_sweep(kadam).points
    assert [point.labels["strategy"] for point in sweep][::2] == strategies.split(",")
    for one, two in zip(sweep[::2], sweep[1::2], strict=True):
        assert one.spec.run_id == adam.spec.run_id != two.spec.run_id


UNSTABLE = ("annealed_unstable", "max_update_float64", "max_update_cnn")


@pytest.mark.parametrize("experiment", UNSTABLE)
@pytest.mark.parametrize("scale", SCALES)
def test_points_in_the_unstable_region_are_those_of_figure_3(composed, experiment, scale):
    def pairs(*asked):
        sweep = composed(*asked, with_data=False)
        return {(point.labels["beta"], point.labels["gamma"]) for point in sweep}

    chosen = pairs(f"experiment={experiment}", f"scale={scale}")
    figure3 = pairs("experiment=max_update_normal_curve", "scale=paper")
    unstable = {pair for pair in figure3 if stability_coefficient(*pair) < 0}
    assert chosen <= unstable
    assert experiment == "max_update_cnn" or scale != "paper" or chosen == unstable


@pytest.mark.parametrize(
    ("overrides", "of_a_point", "expected"),
    [
        (
            [*SMOKE, "task=gpt_smoke,gpt_laptop", "seed=0,1", "point=1,3", "n_steps=3"],
            lambda p: (p.spec.task.model.d_model, p.spec.seed, p.labels["point"]),
            [(d, seed, point) for d in (16, 64) for seed in (0, 1) for point in (1, 3)],
        ),
        (
            ["task.model.qk_norm=true,false", "seed=0,1"],
            lambda p: (p.spec.task.model.qk_norm, p.spec.seed),
            [(True, 0), (True, 1), (False, 0), (False, 1)],
        ),
        (
            [*SMOKE, "curve.section.1=0.965,0.97", "point=3"],
            lambda p: p.labels["beta"],
            [0.965, 0.97],
        ),
    ],
    ids=["groups and values", "keys of the task", "elements of a list"],
)
def test_all_that_can_be_overridden_can_be_swept(
    overrides, of_a_point, expected, tmp_path, monkeypatch
):
    """As Hydra sweeps it: its own launcher, in this process, is handed the same runs."""
    swept = compose_sweep(overrides)
    assert sorted(map(of_a_point, swept)) == sorted(expected)
    launched, here = [], [f"runs_dir={tmp_path}", "hydra/launcher=basic"]
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["run.py", "-m", *overrides, *here])
    monkeypatch.setattr(runner, "train_run", lambda spec, *_, **__: launched.append(spec.run_id))
    with pytest.raises(SystemExit):
        runpy.run_path("scripts/run.py", run_name="__main__")
    assert set(launched) == set(swept.runs)


def test_a_curve_on_the_boundary_can_be_given_by_its_level():
    level = ["curve.kind=level", "curve.through=null", "+curve.level=0.0"]
    for point in compose_sweep([*SMOKE, *level, "curve.section=[0.5,0.9]"]):
        (beta,), (gamma,) = point.spec.optimizer.betas, point.spec.optimizer.gammas
        assert gamma == pytest.approx(2 * beta / (1 + beta), abs=1e-12)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["optimizer.gamma=1"], r"optimizer\.gamma: gamma = 1\.0 is outside \[0, 1\)"),
        (["optimizer=kadam", "optimizer.k=0"], r"optimizer\.k = 0: .*greater than or equal to 1"),
        (["optimizer.level_betas=[0.9,0.9]"], "2 betas and 0 gammas"),
        ([*SMOKE, "curve.section=[0.9,0.99]"], r"curve\.section = \[0\.9, 0\.99\]: .*0\.9515"),
        ([*SMOKE, "curve.section=[0.96,1.01]"], r"1\.01"),
        ([*SMOKE, "point=4"], r"point = 4, expected one of 0 … 3"),
        ([*SMOKE, "optimizer.beta=0.9"], r"curve gives \(beta, gamma\), but"),
        (["optimizer.beta=null"], "set both, or give a pair"),
        (
            ["observe=[train_loss,sharpness]"],
            r"observe\.1: received 'sharpness', .* train_loss, max_up",
        ),
        (["+execution.thread=2"], r"execution\.thread: unknown key; did you mean 'threads'"),
        (["execution.device=mps"], r"execution\.device = 'mps': .*no float64.*device=cpu"),
        (["n_steps=0"], "n_steps = 0"),
        (["optimizer.strategy=banana"], "'banana'.*inverse_exp"),
        (
            ["optimizer.beta=null", "optimizer.gamma=null", "pair=[1.0,0.6]"],
            r"pair\.0: beta = 1\.0 is outside",
        ),
        ([*SMOKE, "curve.n_points=0"], "the sweep has no runs: point ranges over nothing"),
        (["task.model.qk_norm=true", "task.model.bias=true"], "set bias=False"),
        (["execution.device=banana"], r"execution\.device = 'banana'"),
        (["precision=float16"], r"precision = 'float16': .*'tf32' or 'bfloat16'"),
        (["seed=true"], "seed = True"),
        (["seed='3'"], "seed = '3'"),
        (["optimizer.guard=maybe"], r"optimizer\.guard = 'maybe'"),
        (["schedule=annealed", "optimizer.beta=0.0"], r"\|C\|/2, which is inf"),
        ([*SMOKE, "execution.threads=1,2"], "execution is swept"),
        (["task=cnn_smoke", "evaluation={every:5,n_batches:2}"], "images take none"),
        (["evaluation={every:5}"], "text needs a number of batches"),
        (["task=cnn_smoke", "task.model={kind:gpt}"], r"task\.model\.n_layer"),
        (["task=cnn_smoke", "task.data.validation_fraction=1"], r"validation_fraction = 1"),
        (["task=cnn_smoke", "task.data.corpus=a/../b"], r"task\.data\.corpus = 'a/\.\./b'"),
        (["task=cnn_smoke", "+task.model.n_layer=2"], r"task\.model\.n_layer: unknown key"),
        (["task=cnn_smoke", "task.data.kind=text"], "'cnn' takes data of kind 'images', .* 'text'"),
        # What Equation (4) does not cover.
        ([*BESIDE, "optimizer.gamma=0"], r"\(beta, gamma\) = \(0\.999, 0\.0\)"),
        ([*BESIDE, "optimizer=kadam"], "k = 2"),
        ([*BESIDE, "precision=tf32"], "in float32; received precision = 'tf32'"),
        ([*BESIDE, "task.model.dropout=0.2"], "dropout = 0.2"),
        ([*BESIDE, "schedule=warmup_cosine"], "schedule of kind 'warmup_cosine'"),
        ([*BESIDE, "optimizer.query_key_second_moment=tensor_mean"], "a tensor mean for v"),
        ([*BESIDE, "optimizer.decoupled=false", "optimizer.weight_decay=0.1"], "coupled weight"),
        ([*BESIDE, "optimizer.query_key={lr:1.0e-3,betas:[0.9],gammas:[0.9]}"], "on their own"),
        ([*BESIDE, "optimizer.query_key={lr:1.0,betas:[0.9],gammas:[]}"], "1 betas and 0 gammas"),
        ([*BESIDE, "continuous.n_substeps=0"], r"continuous\.n_substeps = 0"),
    ],
)
def test_what_cannot_work_is_refused_with_the_remedy(overrides, message):
    with pytest.raises(ConfigurationError, match=message):
        compose_sweep(overrides, with_data=False)


def test_an_unknown_key_in_a_file_is_named(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "conf", tmp_path, dirs_exist_ok=True)
    task = tmp_path / "task" / "gpt_laptop.yaml"
    values = yaml.safe_load(task.read_text())
    values["model"]["n_layers"] = 3
    task.write_text(yaml.safe_dump(values))
    monkeypatch.setattr(compose, "CONF_DIR", tmp_path)
    with pytest.raises(ConfigurationError, match=r"task\.model\.n_layers: unknown key; did you m"):
        compose_sweep([])


@pytest.mark.parametrize("control", ["generalization_fixed_gamma", "generalization_level_curve"])
def test_figure_4_shares_its_default_pair_with_its_controls(composed, control):
    names = ("generalization_normal_curve", control)
    curve, others = (
        {point.spec for point in composed(f"experiment={name}", "scale=smoke", with_data=False)}
        for name in names
    )
    assert {spec.optimizer.betas for spec in curve & others} == {(0.999,)}


@pytest.mark.parametrize("scale", SCALES)
def test_figure_14_compares_runs_of_one_schedule(composed, scale):
    """Annealed runs, the same without it, and the default that both are judged by."""
    (default, *_), annealed = (
        composed(f"experiment={name}", f"scale={scale}", with_data=False)
        for name in ("generalization_normal_curve", "annealed_unstable")
    )
    by_schedule = {}
    for p in annealed:
        schedule = p.spec.schedule
        base = getattr(schedule, "base", schedule)
        by_schedule.setdefault((schedule.kind, base), []).append((p.labels["point"], p.spec.seed))
    plain, alone = default.spec.schedule, {("annealed", base) for kind, base in by_schedule}
    assert set(by_schedule) == alone | {(plain.kind, plain)}
    assert len(alone) == 2
    assert len({tuple(sorted(points)) for points in by_schedule.values()}) == 1
    assert {p.spec.n_steps for p in annealed} == {default.spec.n_steps}
    assert {p.spec.evaluation for p in annealed} == {default.spec.evaluation}


@pytest.mark.parametrize("scale", SCALES)
def test_the_2_adam_of_section_42_has_the_rates_that_follow_from_adams(scale):
    """β_2 = e^{−2ηλ}, lr_2 = 0.02 √(2ηλ), and the same over √((1+γ)/(1−γ))."""
    sweep = compose_sweep(["experiment=direction", f"scale={scale}", "seed=0"], with_data=False)
    adam, printed, corrected, fixed = (point.spec.optimizer.query_key for point in sweep)
    forgets = 2 * adam.lr * adam.weight_decay
    assert printed.betas == corrected.betas == pytest.approx((0.999, math.exp(-forgets)))
    assert printed.lr == pytest.approx(INIT_STD * math.sqrt(forgets))
    gamma = adam.gammas[0]
    assert corrected.lr == pytest.approx(printed.lr * math.sqrt((1 - gamma) / (1 + gamma)))
    assert printed.gammas == corrected.gammas == (gamma, 0.0)
    assert (fixed.lr, fixed.betas, fixed.gammas) == (adam.lr, adam.betas, adam.gammas)
    assert not adam.fixed_norm
    assert all(own.fixed_norm for own in (printed, corrected, fixed))
