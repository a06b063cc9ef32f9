import copy
import math

import pytest
import torch

from adamct.config.compose import compose_sweep
from adamct.config.schema import ConfigurationError
from adamct.train import Training, check_device, drain, resolve_device
from adamct.train.compiled_loss import compiled_loss
from adamct.train.schedules import lr_factor


def test_at_k_1_the_gpt_trains_as_with_torchs_adamw(training):
    """50 steps of the laptop's GPT from one seed, in float64.

    The two round otherwise, and training spreads that: over eight seeds a rounding grew up to a
    thousandfold in 50 steps, to 1e-13 of a loss here, but to 2e-5 in float32, where a tolerance
    that holds for every text would say little.
    """
    ours = training("optimizer.weight_decay=0.1", "optimizer.state_dtype=float64")
    ours.model.double()
    model, start = copy.deepcopy(ours.model), copy.deepcopy(ours.model)
    theirs = torch.optim.AdamW(
        model.parameters(), lr=1e-3, betas=(0.9, 0.999), eps=1e-30, weight_decay=0.1
    )
    for n in range(50):
        expected = model.loss(*ours.batch(n))
        theirs.zero_grad()
        expected.backward()
        theirs.step()
        assert float(ours.step(n).loss) == pytest.approx(float(expected.detach()), abs=1e-11)
    theta, theirs_theta, theta_0 = (
        torch.nn.utils.parameters_to_vector(net.parameters()) for net in (ours.model, model, start)
    )
    assert (theta - theirs_theta).norm() < 1e-10 * (theirs_theta - theta_0).norm()


def test_batches_depend_on_seed_and_step_and_weights_on_the_seed_alone(training):
    one, same = training("scale=smoke"), training("scale=smoke", "optimizer.beta=0.5")
    other = training("scale=smoke", "seed=1")
    assert all(map(torch.equal, one.model.parameters(), same.model.parameters()))
    assert not torch.equal(one.model.head.weight, other.model.head.weight)
    assert all(map(torch.equal, one.batch(7), same.batch(7)))
    assert not torch.equal(one.batch(7)[0], one.batch(8)[0])
    assert not torch.equal(one.batch(7)[0], other.batch(7)[0])


@pytest.mark.parametrize("task", ["gpt_smoke", "cnn_smoke"])
def test_precision_is_that_of_products_alone(training, task):
    """Parameters, gradients, optimizer state, softmax and loss are float32 in each."""
    asked = ("scale=smoke", f"task={task}", "optimizer=kadam")
    losses = {}
    for precision in ("float32", "tf32", "bfloat16"):
        run = training(*asked, f"precision={precision}")
        switches = (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)
        assert switches == 2 * (precision == "tf32",)
        logits = []
        run.model.register_forward_hook(lambda *args, logits=logits: logits.append(args[-1]))
        losses[precision] = [float(run.step(n).loss) for n in range(3)]
        assert {z.dtype for z in logits} == {getattr(torch, precision, torch.float32)}
        of_batch = run.batch(2)[1].flatten()
        softmax = logits[2].detach().float().flatten(0, -2).log_softmax(-1)
        expected = -softmax.gather(1, of_batch[:, None]).mean()
        assert losses[precision][2] == pytest.approx(float(expected), rel=1e-6)
        state = [t for held in run.optimizer.state.values() for t in held.values()]
        tensors = [*run.model.parameters(), *(p.grad for p in run.model.parameters()), *state]
        assert {t.dtype for t in tensors if torch.is_tensor(t)} == {torch.float32}
        resumed = training(*asked, f"precision={precision}")
        resumed.load_state_dict(copy.deepcopy(run.state_dict()))
        assert resumed.step(3).loss.equal(run.step(3).loss)
        assert all(map(torch.equal, resumed.model.parameters(), run.model.parameters()))
    assert losses["float32"] == losses["tf32"] != losses["bfloat16"]  # no TF32 on a CPU
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)


def test_a_compiled_loss_is_the_loss_with_the_same_dropout(training):
    run = training("scale=smoke", "task.model.dropout=0.2", "n_steps=1")
    names = run.model.state_dict().keys()
    found = []
    for loss in (run.model.loss, compiled_loss(run.model, deterministic=True)):
        run.model.zero_grad()
        torch.manual_seed(0)
        value = loss(*run.batch(0))
        value.backward()
        found.append([value.detach(), *(p.grad for p in run.model.parameters())])
    for plain, compiled in zip(*found, strict=True):
        torch.testing.assert_close(compiled, plain, rtol=1e-4, atol=1e-7)
    assert run.model.state_dict().keys() == names


def test_the_loss_is_compiled_where_the_execution_says_so(training, monkeypatch):
    calls = []

    def compile(loss, **_):
        return lambda *batch: calls.append("loss") or loss(*batch)

    monkeypatch.setattr(torch, "compile", compile)
    evaluated = ("scale=smoke", "evaluation={every: 10, n_batches: 2}")
    for said, expected in (("false", 0), ("null", 0), ("true", 3)):
        calls.clear()
        run = training(*evaluated, f"execution.compiled={said}")
        run.optimizer.compiled = False
        assert run.step(0).loss.isfinite()
        assert run.evaluate()["test_loss"].isfinite()
        assert len(calls) == expected

    def fail(*_):
        raise torch._dynamo.exc.TorchDynamoException("no g++")

    monkeypatch.setattr(torch, "compile", lambda *_, **__: fail)
    run = training(*evaluated, "execution.compiled=true")
    with pytest.raises(RuntimeError, match=r"compile failed: no g\+\+.*execution.compiled=false"):
        run.step(0)


def test_drain_keeps_every_digit_and_order():
    steps = [
        {"n": n, "x": torch.tensor(0.1 + n), "u": torch.tensor([1.0 / 3, n]), "lr": 1e-3}
        for n in range(3)
    ]
    lines = drain(steps)
    assert [line["n"] for line in lines] == [0, 1, 2]
    assert lines[2]["x"] == float(torch.tensor(2.1))
    assert lines[1]["u"] == [float(torch.tensor(1.0 / 3)), 1.0]
    assert list(lines[0]) == ["n", "x", "u", "lr"]


def test_numbers_stay_on_the_device_between_flushes(training, monkeypatch):
    """A step reads nothing out of a tensor; only drain does, once for all steps."""
    calls = []
    for name in ("item", "tolist", "cpu", "numpy", "__float__", "__int__", "__bool__"):
        original = getattr(torch.Tensor, name)

        def counted(self, *args, original=original, name=name, **kwargs):
            calls.append(name)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(torch.Tensor, name, counted)
    one = training("scale=smoke")
    calls.clear()
    states = [one.step(n) for n in range(5)]
    assert calls == []
    drain([{"loss": state.loss, "u": state.optimizer.max_update} for state in states])
    assert calls == ["tolist"]


def test_annealing_is_equation_19(training):
    pair = ("optimizer.beta=0.95", "optimizer.gamma=0.99")
    schedule = training("scale=smoke", "schedule=annealed", *pair).spec.schedule
    half_C = -(2 / 0.99 - 1 / 0.95 - 1) / 2
    for n in (0, 1, 100, 1000):
        factor = lr_factor(schedule, n, 3000)
        assert factor == pytest.approx(math.exp(-n * half_C), rel=1e-12)


def test_paper_scale_is_not_trained_on_a_cpu_unasked(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    paper = ["scale=paper", "experiment=trajectory"]
    for here in ("local", "basic"):
        with pytest.raises(ConfigurationError, match=r"no GPU here; set execution\.device=cpu"):
            check_device(compose_sweep([*paper, f"hydra/launcher={here}"], with_data=False))
    for device in ("cpu", "auto"):
        asked = compose_sweep([*paper, f"execution.device={device}"], with_data=False)
        check_device(asked)
        assert resolve_device(asked.execution.device).type == "cpu"
    elsewhere = "hydra/launcher=slurm"
    check_device(compose_sweep([*paper, elsewhere], with_data=False))
    single = compose_sweep(["scale=paper", elsewhere], sweep=False, with_data=False)
    with pytest.raises(ConfigurationError, match="no GPU here"):
        check_device(single)


def test_masks_of_dropout_are_drawn_where_the_spec_says(composed):
    sweep = composed("task.model.dropout=0.1", sweep=False)
    dirs = {"data_dir": sweep.data_dir, "cache_dir": sweep.cache_dir}
    assert sweep[0].spec.dropout_generator == "cpu"
    assert '"dropout_generator":"cpu"' in sweep[0].spec.canonical_json()
    Training(sweep[0].spec, sweep.execution, **dirs)
    of_gpu = sweep[0].spec.model_copy(update={"dropout_generator": "cuda"})
    with pytest.raises(ConfigurationError, match=r"drawn on 'cuda'.*execution\.device=cpu"):
        Training(of_gpu, sweep.execution, **dirs)
