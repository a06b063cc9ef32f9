import json
import math
from dataclasses import replace

import numpy as np
import pytest

from adamct.config.compose import compose_sweep, experiment_names
from adamct.config.schema import ConfigurationError
from adamct.config.spec import WarmupCosineSchedule
from adamct.records import load
from adamct.runs.store import RunFolder
from adamct.theory import discrete_max_update_bound, max_update_bound, predicted_slope
from adamct.tracking.content import flat, rows, run_config, run_identity, summary

CURVE = ["experiment=max_update_normal_curve"]


def one_point(*overrides):
    return compose_sweep([*CURVE, "scale=smoke", "point=0", *overrides], sweep=False)[0]


def record(n_steps, k=1, seed=0):
    """A record such as a run leaves: a line a step, held-out scores now and then and at the end."""
    random = np.random.default_rng(seed)
    lines = []
    for n in range(n_steps):
        line = {"n": n, "train_loss": random.uniform(1, 4)}
        line |= {"max_update": random.lognormal(size=k).tolist(), "lr": 1e-3}
        lines.append(line | ({"test_loss": random.uniform(1, 4)} if n % 7 == 0 else {}))
    return [*lines, {"n": n_steps, "test_loss": 0.5}]


@pytest.fixture
def summarize(tmp_path):
    """Summarize a point's run that left a record, and took a time or was killed uncounted."""

    def summarized(point, lines, status="finished", step=40, wall_s=None):
        sweep = compose_sweep(["scale=smoke", f"runs_dir={tmp_path}"], sweep=False)
        folder = RunFolder.of(point.spec, tmp_path)
        folder.path.mkdir(exist_ok=True)
        folder.write_spec(point.spec)
        folder.record_path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        folder.write_environments([{"wall_s": wall_s}])
        folder.write_outcome(folder.final_outcome(status, step))
        return summary(point, load(replace(sweep, points=(point,))))

    return summarized


def test_every_line_is_a_row_with_its_values_and_what_theory_says_of_it():
    spec, lines = one_point().spec, record(40)
    *steps, last = rows(spec, lines)
    assert last == lines[40]  # θ_N is scored, but there is no step
    (beta,), (gamma,) = spec.optimizer.betas, spec.optimizer.gammas
    for n, (line, row) in enumerate(zip(lines[:40], steps, strict=True)):
        assert row["n"] == n
        assert row.items() >= (line | {"max_update": line["max_update"][0]}).items()
        assert row["bound/exact"] == discrete_max_update_bound(n, beta, gamma)
        assert row["bound/paper"] == max_update_bound(n, beta, gamma)
        assert ("slope" in row) == (5 <= n < 35)
        if "slope" in row:
            rise = lines[n + 5]["max_update"][0] / lines[n - 5]["max_update"][0]
            assert row["slope"] == pytest.approx(math.log(rise) / 10, abs=1e-14)


@pytest.mark.parametrize("seed", range(5))
def test_rows_of_a_growing_record_are_those_of_the_whole(seed):
    spec, lines = one_point().spec, record(60, seed=seed)
    random = np.random.default_rng(seed)
    seen, mirrored = 0, []
    while seen < len(lines):
        seen += int(random.integers(1, 20))
        mirrored += rows(spec, lines[:seen], len(mirrored), complete=seen >= len(lines))
    assert mirrored == rows(spec, lines)


def test_the_learning_rate_is_in_every_row_of_a_step():
    """Recorded or not: some runs under a schedule observe the losses alone."""
    schedule = WarmupCosineSchedule(kind="warmup_cosine", warmup_steps=3, final_fraction=0.1)
    spec = one_point("n_steps=9", "optimizer.lr=0.5").spec.model_copy(update={"schedule": schedule})
    lines = [{"n": n, "train_loss": 1.0} for n in range(9)] + [{"n": 9, "test_loss": 1.0}]
    mirrored = rows(spec, lines)
    warm_up, middle, last = (mirrored[n]["lr"] for n in (0, 3, 8))
    assert (warm_up, middle, last) == pytest.approx((0.5 / 3, 0.5, 0.05), rel=1e-15)
    assert "lr" not in mirrored[9]
    recorded = rows(spec, [line | {"lr": 7.0} for line in lines])
    assert {row["lr"] for row in recorded} == {7.0}


def test_levels_and_vectors_are_set_off_by_a_slash(summarize):
    assert flat({"n": 1, "max_update": [2.0]}) == {"n": 1, "max_update": 2.0}
    assert flat({"n": 1, "sampled_parameters": [2.0]}) == {"n": 1, "sampled_parameters/1": 2.0}
    assert flat({"n": 1, "head_samples": [2.0, 3.0]}) == {"n": 1}
    point = compose_sweep(["experiment=max_update_levels", "scale=smoke"])[-1]
    kadam = point.spec
    row = rows(kadam, record(20, k=3))[10]
    assert row["max_update"] == row["max_update/3"] != row["max_update/1"]
    pair = kadam.optimizer.betas[-1], kadam.optimizer.gammas[-1]
    assert row["bound/exact"] == discrete_max_update_bound(10, *pair)
    last = summarize(point, record(kadam.n_steps, k=3), step=kadam.n_steps)
    assert last["at_step/slope_exact"] == predicted_slope(last["at_step/n"], *pair)


def test_bounds_that_are_infinite_or_undefined_are_left_out(summarize):
    for pair, bounds in (("[0.0,0.5]", []), ("[0.5,0.0]", ["bound/exact"])):
        at_the_edge = one_point("curve=null", f"pair={pair}", "n_steps=20")
        row = rows(at_the_edge.spec, record(20))[10]
        assert [name for name in row if name.startswith("bound")] == bounds
        last = summarize(at_the_edge, record(20), step=20)
        assert "at_step/slope_paper" not in last
        assert ("at_step/slope_exact" in last) == bool(bounds)
    steep = one_point("curve=null", "pair=[0.1,0.99]").spec
    mirrored = rows(steep, record(400))
    assert max_update_bound(399, 0.1, 0.99) == math.inf
    assert "bound/paper" in mirrored[3]
    assert "bound/paper" not in mirrored[399]
    assert mirrored[399]["bound/exact"] == discrete_max_update_bound(399, 0.1, 0.99)


def test_the_summary_says_how_a_run_ended(summarize):
    point, lines = one_point(), record(40)
    finished = summarize(point, lines, wall_s=12.5)
    expected = {"status": "finished", "best/test_loss": 0.5, "wall_s": 12.5, "at_step/n": 34}
    expected |= {"final/train_loss": lines[39]["train_loss"]}
    assert finished.items() >= expected.items()
    assert finished["at_step/slope"] == rows(point.spec, lines)[34]["slope"]
    assert "diverged_at" not in finished
    lines = [*lines[:20], {"n": 20, "train_loss": math.nan, "max_update": [math.inf], "lr": 1e-3}]
    diverged = summarize(point, lines, "diverged", 21)
    assert (diverged["status"], diverged["diverged_at"]) == ("diverged", 20)
    assert diverged["final/train_loss"] == lines[19]["train_loss"]
    assert not {"wall_s", "at_step/slope"} & set(diverged)
    json.dumps([finished, diverged], allow_nan=False)


@pytest.mark.parametrize("experiment", experiment_names())
def test_every_point_has_its_own_identity(experiment):
    """Points that share a run, too: they are points of their own."""
    points = compose_sweep([f"experiment={experiment}", "scale=smoke"])
    identities = [run_identity(point) for point in points]
    distinct = {json.dumps([point.spec.run_id, point.labels]) for point in points}
    assert len({identity.id for identity in identities}) == len(distinct)
    assert len({identity.name for identity in identities}) == len(distinct)
    assert experiment != "kadam_cifar10_screen" or len(points.runs) < len(distinct)
    for point, identity in zip(points, identities, strict=True):
        assert identity.id.startswith(point.spec.run_id)
        assert identity.group == f"{experiment}-smoke"
        assert f"k={point.labels['k']}" in identity.tags
        config = run_config(point)
        assert config["beta"] == point.labels["beta"]
        assert config["spec"]["seed"] == config["seed"]
        json.dumps(config, allow_nan=False)


def test_names_show_what_differs():
    names = [run_identity(point).name for point in compose_sweep([*CURVE, "seed=10,11"])]
    assert len(set(names)) == len(names)
    assert names[0] == "β=0.9523 γ=0.99859 η=0.001 seed 10"
    chosen = ["optimizer.k=3", "optimizer.strategy=exp", "seed=1"]
    chosen += ["optimizer.lr=1e-3", "optimizer.decoupled=false"]
    (point,) = compose_sweep(["experiment=kadam_cifar10_screen", *chosen])
    whole = "k=3 exp β=0.999 γ=0.9 η=0.001 λ=1e-05 coupled warmup_cosine seed 1"
    assert run_identity(point).name == whole
    assert run_identity(point).tags == ("B+", "k=3", "exp")
    turning = compose_sweep(["experiment=direction", "seed=0"])
    assert [run_identity(point).name.partition(" mean v qk-norm ")[2] for point in turning] == [
        "W_Q,W_K: k=1 η=0.001 seed 0",
        "W_Q,W_K: k=2 η=0.0028284 fixed norm seed 0",
        "W_Q,W_K: k=2 η=0.00064889 fixed norm seed 0",
        "W_Q,W_K: k=1 η=0.001 fixed norm seed 0",
    ]


def test_a_tracker_leaves_the_names_of_runs_as_they_are():
    without = compose_sweep([*CURVE, "scale=smoke"])
    tracked = compose_sweep([*CURVE, "scale=smoke", "tracker=wandb", "tracker.entity=team"])
    assert without.runs == tracked.runs
    assert [run_identity(a).id for a in without] == [run_identity(b).id for b in tracked]
    assert without.tracker is None
    tracker = tracked.tracker
    assert (tracker.project, tracker.entity) == ("adamct", "team")
    assert tracker.folder == tracked.runs_dir / ".wandb"


def test_the_mode_comes_from_the_command_line_or_the_environment(monkeypatch):
    def mode(*overrides):
        return compose_sweep(["scale=smoke", "tracker=wandb", *overrides], sweep=False).tracker.mode

    monkeypatch.setenv("WANDB_MODE", "offline")
    assert (mode(), mode("tracker.mode=online")) == ("offline", "online")
    monkeypatch.delenv("WANDB_MODE")
    assert mode() is None
    with pytest.raises(ConfigurationError, match=r"tracker\.mode = 'sideways'"):
        mode("tracker.mode=sideways")
