import json

import pytest
from pydantic import ValidationError

from adamct.config.spec import Frozen, RunSpec


def spec(**changes):
    values = {
        "task": {
            "model": {
                "kind": "gpt",
                "n_layer": 1,
                "n_head": 2,
                "d_model": 16,
                "block_size": 16,
                "dropout": 0.0,
            },
            "data": {
                "kind": "text",
                "corpus": "pydoc_topics",
                "vocab_size": 100,
                "sha256": "0" * 64,
            },
            "batch_size": 4,
        },
        "optimizer": {"lr": 1e-3, "betas": [0.999], "gammas": [0.9]},
        "schedule": {"kind": "constant"},
        "n_steps": 10,
        "seed": 0,
        "observe": ["train_loss"],
    }
    return RunSpec.model_validate({**values, **changes})


def optimizer(**changes):
    return spec(optimizer={"lr": 1e-3, "betas": [0.999], "gammas": [0.9], **changes})


def test_the_name_depends_on_every_digit():
    neighbours = [0.9, 0.9 + 2**-53, 0.9 - 2**-53]
    names = {optimizer(gammas=[gamma]).run_id for gamma in neighbours}
    assert len(set(neighbours)) == len(names) == 3


def test_the_name_depends_on_seed_and_data():
    other = spec().model_dump(mode="json")
    other["task"]["data"]["sha256"] = "1" * 64
    assert len({spec().run_id, spec(seed=1).run_id, RunSpec.model_validate(other).run_id}) == 3


def test_a_spec_survives_its_json():
    again = RunSpec.model_validate_json(spec().canonical_json())
    assert again == spec()
    assert again.run_id == spec().run_id
    assert json.loads(spec().canonical_json())["format"] == 1


def test_runs_that_coincide_have_one_name():
    assert optimizer(decoupled=False).run_id == optimizer(decoupled=True).run_id
    apart = {optimizer(decoupled=d, weight_decay=0.1).run_id for d in (False, True)}
    assert len(apart) == 2
    assert optimizer(lr=1).run_id == optimizer(lr=1.0).run_id


def test_without_data_there_is_no_name():
    values = spec().model_dump(mode="json")
    values["task"]["data"]["sha256"] = None
    with pytest.raises(ValueError, match="composed without its data"):
        _ = RunSpec.model_validate(values).run_id


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"betas": [1.0]}, r"received 1\.0, expected a decay in \[0, 1\)"),
        ({"gammas": [-0.1]}, r"received -0\.1"),
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


@pytest.mark.parametrize(
    ("observe", "word"),
    [
        (["displacement"], "displacement"),
        (["driven_gap"], "driven_gap"),
        (["continuous_gap"], "continuous_gap"),
    ],
)
def test_what_looks_at_equation_4_needs_it(observe, word):
    with pytest.raises(ValidationError, match=rf"{word}.*set continuous="):
        spec(observe=observe)


@pytest.mark.parametrize(
    "changes",
    [
        {"observe": ["head_squared_norms"]},
        {"observe": ["query_key_sample"]},
        {"observe": ["final_inner_products"]},
        {
            "optimizer": {
                "lr": 1e-3,
                "betas": [0.9],
                "gammas": [0.9],
                "query_key": {"lr": 1e-3, "betas": [0.9], "gammas": [0.9]},
            }
        },
    ],
)
def test_only_a_gpt_has_query_and_key_matrices(changes):
    task = {
        "model": {"kind": "cnn"},
        "data": {"kind": "images", "corpus": "digits", "sha256": "0" * 64},
        "batch_size": 4,
    }
    assert spec(**changes).task.model.kind == "gpt"
    with pytest.raises(ValidationError, match="only a GPT"):
        spec(task=task, **changes)


def test_the_decay_of_queries_and_keys_alone_may_be_coupled():
    own = {"lr": 1e-3, "betas": [0.9], "gammas": [0.9]}
    kept = optimizer(decoupled=False, query_key={**own, "weight_decay": 1.0})
    assert not kept.optimizer.decoupled
    again = RunSpec.model_validate(kept.model_dump())
    assert not again.optimizer.decoupled
    assert optimizer(decoupled=False, query_key=own).optimizer.decoupled


def test_specs_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        spec().seed = 1


def test_only_options_may_have_defaults_never_what_tells_kinds_apart():
    """Defaults are left out of the name; without its kind, one schedule could pass for another."""
    for model in Frozen.__subclasses__():
        if "kind" in model.model_fields:
            assert model.model_fields["kind"].is_required(), model


def test_an_option_at_its_default_leaves_the_name_alone():
    assert optimizer(eps=1e-30, state_dtype="float32").run_id == optimizer().run_id
    assert optimizer(state_dtype="float64").run_id != optimizer().run_id


def test_names_of_runs_stay():
    """A name changes only together with ``format``, when the same spec gives other numbers.

    Then, and only then, put the new names here; otherwise every finished run would be lost.
    """
    assert spec().run_id == "1780232fdd6ec6fc"
    evaluated = spec(evaluation={"every": 5, "n_batches": 2})
    assert evaluated.run_id == "adb81ad79b1c66d9"
