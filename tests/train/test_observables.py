"""The observables: head matrices, the run's end, and Equation (4) beside the steps."""

import numpy as np
import pytest
import torch

from adamct.config.compose import compose_sweep
from adamct.config.observables import OBSERVABLES
from adamct.continuous import solve
from adamct.records import load
from adamct.runs.runner import train_run
from adamct.theory import exact_squared_norm, squared_norm_growth, update_scale
from adamct.train import observe
from adamct.train.observables import FUNCTIONS
from adamct.train.ode import flat_parameters

HEADS = ["head_squared_norms", "head_squared_updates", "head_mean_second_moments"]
NORMALIZED = ["scale=smoke", "task.model.qk_norm=true"]
BESIDE = ["scale=smoke", "continuous={scheme:exponential,n_substeps:1}"]
FIXED_NORM = "{lr:2.0e-3,betas:[0.999,0.98],gammas:[0.9,0.0],fixed_norm:true}"
WARMUP = ["schedule=warmup_cosine", "schedule.warmup_steps=4", "n_steps=8"]
OF_MODEL = [name for name, declared in OBSERVABLES.items() if declared.at == "model"]


def gradients(model):
    return [g.clone() for _, W in model.query_key_parameters() for g in W.grad]


def weights(model):
    return [W.clone() for _, Ws in model.query_key_parameters() for W in Ws.detach()]


@pytest.mark.parametrize("name", OBSERVABLES)
def test_every_observable_is_taken_with_what_it_declares_to_need(training, name):
    """By the run that is asked for it alone, so that nothing else supplies its needs."""
    assert FUNCTIONS.keys() == OBSERVABLES.keys()
    needs = OBSERVABLES[name].needs
    task = ["task=gpt_smoke"] if "heads" in needs else ["task=cnn_smoke"]
    run = training(*BESIDE[: 1 + ("ode" in needs)], *task, "n_steps=2")
    run.spec = run.spec.model_copy(update={"observe": (name,)})  # composed once for all names
    run.look_ahead()
    seen = [observe([name], state) for n in range(2) for state in (run.state(n), run.step(n))]
    assert sum(name in values for values in seen) == (1 if name == "head_samples" else 2)


@pytest.mark.parametrize("second_moment", ["elementwise", "tensor_mean"])
def test_head_observables_are_those_of_the_steps_taken(training, second_moment):
    kind = f"optimizer.query_key_second_moment={second_moment}"
    run = training(*NORMALIZED, kind, "observe=[head_squared_turns]")
    eta, beta = run.spec.optimizer.lr, run.spec.optimizer.betas[0]
    v = [torch.zeros_like(W, dtype=torch.float64) for W in weights(run.model)]
    for n in range(4):
        before = weights(run.model)
        norms = observe(HEADS, run.state(n))
        step = observe([*HEADS, "head_squared_gradients", "head_squared_turns"], run.step(n))
        g, after = gradients(run.model), weights(run.model)
        moved = [(W - V).double() / eta for W, V in zip(before, after, strict=True)]
        at, to = ([W.double() / W.double().norm() for W in side] for side in (before, after))
        turns = [(V - W).square().sum() for W, V in zip(at, to, strict=True)]
        v = [beta * x + (1 - beta) * y.double().square() for x, y in zip(v, g, strict=True)]
        for values, expected, tolerance in (
            (norms["head_squared_norms"], [W.double().square().sum() for W in before], 1e-12),
            (step["head_squared_updates"], [u.square().sum() for u in moved], 1e-4),
            (step["head_mean_second_moments"], [x.mean() for x in v], 1e-5),
            (step["head_squared_gradients"], [x.double().square().sum() for x in g], 1e-12),
            (step["head_squared_turns"], turns, 1e-9),
        ):
            assert values.numpy() == pytest.approx(np.array(expected), rel=tolerance)
    for name, parameter in run.model.named_parameters():
        averaged = second_moment == "tensor_mean" and name.endswith(("query", "key"))
        shape = (len(parameter), 1, 1) if averaged else parameter.shape  # one mean a head
        assert run.optimizer.state[parameter]["v_1"].shape == shape


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_the_recursion_is_exact_for_a_coarse_grained_head_and_equation_8_is_not(
    training, gamma, weight_decay
):
    run = training(
        *NORMALIZED,
        "optimizer.query_key_second_moment=tensor_mean",
        f"optimizer.gamma={gamma}",
        f"optimizer.weight_decay={weight_decay}",
    )
    lines = []
    for n in range(40):
        before = observe(HEADS, run.state(n))
        lines.append({**before, **observe(HEADS, run.step(n))})
    lines.append(observe(HEADS, run.state(40)))
    norms = np.array([line["head_squared_norms"].numpy() for line in lines])
    u2, v = (np.array([line[name].numpy() for line in lines[:-1]]) for name in HEADS[1:])
    settings = {"lr": run.spec.optimizer.lr, "weight_decay": weight_decay}
    scales = update_scale(np.arange(40)[:, None], run.spec.optimizer.betas[0], gamma, v)
    exact = exact_squared_norm(norms[0], u2, scales, gamma=gamma, **settings)
    growth = squared_norm_growth(norms[0] * 0, u2, **settings)
    decayed = norms[0] * (1 - settings["lr"] * weight_decay) ** (2 * np.arange(41)[:, None])
    error = np.abs(exact - norms)[1:] / (norms - decayed)[1:]
    assert error.shape == (40, 4)
    assert error.max() < 1e-3
    printed = squared_norm_growth(norms[0], u2, **settings)
    ratio = (norms - (printed - growth))[1:] / growth[1:]
    if gamma == 0:  # with decay, Eq. (8) leaves out its second order
        assert np.abs(ratio - 1).max() < (0.02 if weight_decay else 1e-3)
    else:
        assert ratio[-1].min() > {0.5: 2, 0.9: 5}[gamma]


def test_queries_and_keys_go_their_own_way_at_a_fixed_norm_under_the_schedule_of_all(training):
    run = training(*NORMALIZED, *WARMUP, f"optimizer.query_key={FIXED_NORM}")
    plain = training(*NORMALIZED, *WARMUP)
    norms = [W.norm().item() for W in weights(run.model)]
    before = weights(run.model)
    for n in range(3):
        run.step(n)
        plain.step(n)
        others, theirs = run.optimizer.param_groups
        lrs = ((n + 1) / 4 * run.spec.optimizer.lr, (n + 1) / 4 * 2e-3)
        assert (others["lr"], theirs["lr"]) == pytest.approx(lrs)
        assert [W.norm().item() for W in weights(run.model)] == pytest.approx(norms, rel=1e-6)
        if n == 0:
            # γ_2 = 0 and bias correction: u^{(2)} = sign u at first. All else goes as before.
            ours, plains = (dict(r.model.named_parameters()) for r in (run, plain))
            moved = {name for name, p in ours.items() if not p.equal(plains[name])}
            assert moved == {name for name, _ in run.model.query_key_parameters()}
            for W, V, g in zip(before, weights(run.model), gradients(run.model), strict=True):
                step = W - lrs[1] * g.sign()
                expected = step * W.norm() / step.norm()
                assert V.numpy() == pytest.approx(expected.numpy(), abs=1e-6)


def test_weight_decay_of_queries_and_keys_alone(training):
    own = "{lr:1.0e-3,betas:[0.999],gammas:[0.9],weight_decay:10.0}"
    run, plain = training(*NORMALIZED, f"optimizer.query_key={own}"), training(*NORMALIZED)
    start = weights(run.model)
    for r in (run, plain):
        r.step(0)
    for W, V, U in zip(start, weights(run.model), weights(plain.model), strict=True):
        assert V.numpy() == pytest.approx((U - 0.01 * W).numpy(), abs=1e-7)
    assert run.model.token_embedding.weight.equal(plain.model.token_embedding.weight)


def test_head_samples_are_the_same_parameters_of_each_head(training):
    run = training(*NORMALIZED)
    W = torch.stack(weights(run.model)).flatten(1)
    samples = observe(["head_samples"], run.state(0))["head_samples"].view(len(W), -1)
    at = [(W[0] == value).nonzero().item() for value in samples[0]]
    assert samples.equal(W[:, at])
    assert samples.shape[1] == min(32, W.shape[1])
    assert observe(["head_samples"], run.state(1)) == {}  # every 20 steps


def test_looking_ahead_gives_the_inner_products_with_the_weights_at_the_end(training):
    overrides = ["scale=smoke", "n_steps=6", "observe=[final_inner_products]"]
    run, again = training(*overrides), training(*overrides)
    again.look_ahead()
    seen, kept = [], []
    for n in range(6):
        seen.append(observe(run.spec.observe, again.step(n))["final_inner_products"])
        run.step(n)
        kept.append(gradients(run.model))
    end = weights(run.model)
    expected = [
        [(W.double() * g.double()).sum().item() for W, g in zip(end, row, strict=True)]
        for row in kept
    ]
    assert flat_parameters(run.model).equal(flat_parameters(again.model))
    assert torch.stack(seen).numpy() == pytest.approx(np.array(expected), rel=1e-9, abs=1e-15)


def inner_product(params, gradients):
    return sum((params[name] * g).sum() for name, g in gradients.items())


def test_equation_4_is_solved_on_the_same_batches(training):
    run = training(*BESIDE, "optimizer.weight_decay=0.1")
    start = {name: p.detach().clone() for name, p in run.model.named_parameters()}

    def loss(params, batch):
        logits = torch.func.functional_call(run.model, params, batch[:1])
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[1].flatten())

    settings = {"lr": 1e-3, "beta": 0.999, "gamma": 0.9, "weight_decay": 0.1}
    batches = [run.batch(n) for n in range(3)]
    scheme = {"scheme": "exponential", "n_substeps": 1}
    states = list(solve(loss, start, batches, **scheme, **settings))
    θ_0 = flat_parameters(run.model)
    gradients = []
    for n, expected in enumerate(states):
        seen = observe(OF_MODEL, run.state(n))
        θ = flat_parameters(run.model)
        forced = list(solve(inner_product, start, gradients, **scheme, **settings))[-1]
        moved, continuous = (θ - θ_0).numpy(), (expected.theta - θ_0).numpy()
        for name, value, tolerance in (
            ("displacement", np.linalg.norm(moved), 1e-5),
            ("continuous_displacement", np.linalg.norm(continuous), 1e-3),
            ("continuous_gap", np.linalg.norm(moved - continuous), 1e-3),
            ("continuous_correlation", np.corrcoef(moved, continuous)[0, 1] if n else 1.0, 1e-4),
            ("driven_gap", (forced.theta - θ).norm().item(), 1e-3),
        ):
            assert seen[name] == pytest.approx(value, rel=tolerance, abs=1e-9)
        assert set(seen["sampled_parameters"].tolist()) <= set(θ.tolist())
        run.step(n)
        gradients.append({name: p.grad.clone() for name, p in run.model.named_parameters()})
    assert seen["driven_gap"] < seen["continuous_gap"]


@pytest.mark.parametrize(
    "overrides", [BESIDE, [*NORMALIZED, *WARMUP, f"optimizer.query_key={FIXED_NORM}"]]
)
def test_a_run_goes_on_from_its_state_bit_for_bit(training, overrides):
    whole, stopped, resumed = (training(*overrides) for _ in range(3))
    for n in range(2):
        stopped.step(n)
    resumed.load_state_dict(stopped.state_dict())
    for n in range(6):
        whole.step(n)
        if n >= 2:
            resumed.step(n)
    names = set(OF_MODEL if overrides is BESIDE else HEADS) - {"head_samples"}  # not due
    one, other = (observe(names, run.state(6)) for run in (whole, resumed))
    assert one.keys() == other.keys() == names & set(OF_MODEL)
    assert all(one[name].equal(other[name]) for name in one)
    assert flat_parameters(whole.model).equal(flat_parameters(resumed.model))


def test_vectors_of_a_record_become_columns_and_come_back(tmp_path):
    overrides = [*NORMALIZED, "n_steps=4", f"observe=[{','.join(HEADS)},max_update]"]
    sweep = compose_sweep([*overrides, f"runs_dir={tmp_path}"], sweep=False)
    train_run(sweep[0].spec, sweep.execution, runs_dir=tmp_path)
    records = load(sweep)
    run_id = sweep[0].spec.run_id
    for name, n_lines in (("head_squared_norms", 5), ("head_squared_updates", 4)):
        n, values = records.vectors(run_id, name)
        assert (n.tolist(), values.shape) == ([*range(n_lines)], (n_lines, 4))
    n, values = records.series(run_id, "max_update")
    assert len(n) == 4
    assert (values == records.series(run_id, "max_update_1")[1]).all()
    assert records.runs.qk_norm.all()
    with pytest.raises(KeyError, match="has no 'head_names'"):
        records.vectors(run_id, "head_names")
