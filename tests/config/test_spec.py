import dataclasses
import json

import pytest
import torch
from pydantic import ValidationError

from adamct.config.frozen import Frozen
from adamct.config.observables import OBSERVABLES
from adamct.config.optimizer import KAdamOptions, OptimizerConfig
from adamct.config.spec import RunSpec

GPT_TASK = {
    "model": {"kind": "gpt", "n_layer": 1, "n_head": 2, "d_model": 16}
    | {"block_size": 16, "dropout": 0.0},
    "data": {"kind": "text", "corpus": "pydoc_topics", "vocab_size": 100, "sha256": "0" * 64},
    "batch_size": 4,
}
# Every option of KAdam that a spec can name, none of them at its default.
OPTIONS = {"lr": 0.5, "eps": 1e-8, "weight_decay": 0.1}
OPTIONS |= {"decoupled": False, "guard": True, "state_dtype": "float64"}


def spec(**changes):
    values = {
        "task": GPT_TASK,
        "optimizer": {"lr": 1e-3, "betas": [0.999], "gammas": [0.9]},
        "schedule": {"kind": "constant"},
        "n_steps": 10,
        "seed": 0,
        "observe": ["train_loss"],
    }
    return RunSpec.model_validate({**values, **changes})


def optimizer(**changes):
    return spec(optimizer={"lr": 1e-3, "betas": [0.999], "gammas": [0.9], **changes})


def test_the_name_follows_from_all_that_tells_runs_apart_and_from_nothing_else():
    """Every digit, the seed, the data; not how a number is written, nor an option switched off."""
    other = spec().model_dump(mode="json")
    other["task"]["data"]["sha256"] = "1" * 64
    apart = [spec(), spec(seed=1), RunSpec.model_validate(other)]
    apart += [optimizer(gammas=[0.9 + ulp]) for ulp in (2**-53, -(2**-53))]
    apart += [optimizer(decoupled=d, weight_decay=0.1) for d in (False, True)]
    apart.append(optimizer(state_dtype="float64"))
    apart += [spec(precision=precision) for precision in ("tf32", "bfloat16")]
    masked = spec().task.model.model_copy(update={"dropout": 0.1})
    with_dropout = spec(task=spec().task.model_copy(update={"model": masked}))
    apart += [with_dropout, with_dropout.model_copy(update={"dropout_generator": "cpu"})]
    assert len({one.run_id for one in apart}) == len(apart) == 12
    same = [
        spec(continuous=None),
        spec(precision="float32"),
        optimizer(eps=1e-30, state_dtype="float32"),
    ]
    same += [optimizer(decoupled=False), optimizer(query_key_second_moment="elementwise")]
    assert {one.run_id for one in same} == {spec().run_id}
    assert optimizer(lr=1).run_id == optimizer(lr=1.0).run_id
    with pytest.raises(ValueError, match="without dropout"):
        spec(dropout_generator="cpu")
    with pytest.raises(ValueError, match="composed without its data"):
        _ = spec().without_data().run_id


def test_a_spec_survives_its_json_and_is_frozen():
    again = RunSpec.model_validate_json(spec().canonical_json())
    assert again == spec()
    assert again.run_id == spec().run_id
    assert json.loads(spec().canonical_json())["format"] == 1
    with pytest.raises(ValidationError, match="frozen"):
        again.seed = 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"betas": [1.0]}, r"beta = 1\.0 is outside \[0, 1\)"),
        ({"gammas": [-0.1]}, r"gamma = -0\.1 is outside"),
        ({"betas": [0.9, 0.9]}, "2 betas and 1 gammas"),
        ({"betas": [], "gammas": []}, "k ≥ 1"),
        ({"lr": 0.0}, "greater than 0"),
        ({"eps": float("inf")}, "finite"),
        ({"momentum": 0.9}, "Extra inputs"),
    ],
)
def test_what_cannot_work_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        optimizer(**changes)


CNN = {
    "model": {"kind": "cnn"},
    "data": {"kind": "images", "corpus": "digits", "sha256": "0" * 64},
    "batch_size": 4,
}
SOLVED = {"continuous": {"scheme": "exponential", "n_substeps": 1}}


@pytest.mark.parametrize(("name", "declared"), OBSERVABLES.items())
def test_an_observable_is_refused_where_its_needs_are_not_met(name, declared):
    assert spec(observe=[name], **SOLVED).needs == declared.needs
    if "ode" in declared.needs:
        with pytest.raises(ValidationError, match=rf"{name}.*set continuous="):
            spec(observe=[name])
    if "heads" in declared.needs:
        with pytest.raises(ValidationError, match=rf"{name} .*only a GPT"):
            spec(observe=[name], task=CNN)
    else:
        assert spec(observe=[name], task=CNN, **SOLVED).observe == (name,)


def test_queries_and_keys_need_a_gpt_and_their_decay_alone_may_be_coupled():
    own = {"lr": 1e-3, "betas": [0.9], "gammas": [0.9]}
    for option in ({"query_key": own}, {"query_key_second_moment": "tensor_mean"}):
        with pytest.raises(ValidationError, match="only a GPT"):
            spec(task=CNN, optimizer={**own, **option})
    kept = optimizer(decoupled=False, query_key={**own, "weight_decay": 1.0})
    again = RunSpec.model_validate(kept.model_dump())
    assert not kept.optimizer.decoupled
    assert not again.optimizer.decoupled
    assert optimizer(decoupled=False, query_key=own).optimizer.decoupled


def test_an_option_of_the_optimizer_reaches_it_from_its_one_declaration():
    built = spec(optimizer={"betas": [0.9, 0.8], "gammas": [0.5, 0.0], **OPTIONS}).optimizer.build(
        torch.nn.Linear(2, 1)
    )
    (group,) = built.param_groups
    assert OPTIONS.keys() == KAdamOptions.model_fields.keys() <= OptimizerConfig.model_fields.keys()
    assert {name: group[name] for name in OPTIONS} == {**OPTIONS, "state_dtype": torch.float64}
    assert (group["level_betas"], group["level_gammas"]) == ((0.9, 0.8), (0.5, 0.0))


@pytest.mark.parametrize(
    ("model", "of_data"),
    [
        (GPT_TASK["model"] | {"qk_norm": True}, {"vocab_size": 7}),
        ({"kind": "cnn", "width": 0.25}, {"image_size": 8, "channels": 1, "n_classes": 5}),
    ],
)
def test_a_model_is_built_as_specified_for_its_data(model, of_data):
    task = CNN | {"model": model} if model["kind"] == "cnn" else GPT_TASK | {"model": model}
    config = spec(task=task).task.model.build(**of_data).config
    expected = {name: value for name, value in model.items() if name != "kind"} | of_data
    assert expected.items() <= dataclasses.asdict(config).items()


@pytest.mark.parametrize(
    "change", [{"d_model": 15}, {"n_layer": 0}, {"dropout": 1.0}, {"qk_norm": True, "bias": True}]
)
def test_what_a_model_refuses_no_spec_says(change):
    with pytest.raises(ValidationError):
        spec(task=GPT_TASK | {"model": GPT_TASK["model"] | change})
    with pytest.raises(ValidationError, match="multiple of 1/32"):
        spec(task=CNN | {"model": {"kind": "cnn", "width": 0.01}})


def test_only_options_may_have_defaults_never_what_tells_kinds_apart():
    """Defaults are left out of the name; without its kind, one schedule could pass for another."""
    for model in Frozen.descendants():
        if "kind" in model.model_fields:
            assert model.model_fields["kind"].is_required(), model


def test_names_of_runs_stay():
    """A name changes only together with ``format``, when the same spec gives other numbers.

    Then, and only then, put the new names here; otherwise every finished run would be lost.
    """
    assert spec().run_id == "1780232fdd6ec6fc"
    evaluated = spec(evaluation={"every": 5, "n_batches": 2})
    assert evaluated.run_id == "adb81ad79b1c66d9"
