"""What a task trains on and is scored on, for text and for images."""

import pytest
import torch

from adamct.config.compose import compose_sweep
from adamct.config.schema import ConfigurationError
from adamct.config.spec import RunSpec
from adamct.data import DataError, open_corpus
from adamct.data.batches import Augmentation, image_batch
from adamct.data.images import open_images
from adamct.data.rng import stream_seed
from adamct.train import Training

EVALUATED = "evaluation={every:10}"


def test_scores_are_those_of_the_whole_held_out_splits(training):
    ours = training("scale=smoke", "task=cnn_smoke", EVALUATED)
    for n in range(30):
        ours.step(n)
    digits = open_images("digits").hold_out(0.2)
    scores = ours.evaluate()
    assert set(scores) == {
        "test_loss", "test_accuracy", "validation_loss", "validation_accuracy"
    }  # fmt: skip
    for name, split in (("test", digits.test), ("validation", digits.validation)):
        correct, loss = 0, 0.0
        with torch.no_grad():
            for image, label in zip(split.images, split.labels, strict=True):
                x = (image[None].double() / 255 - digits.mean[:, None, None]) / digits.std
                logits = ours.model(x.float())[0].double()
                correct += int(logits.argmax() == label)
                loss -= float(logits.log_softmax(0)[label])
        assert scores[f"{name}_accuracy"].item() == pytest.approx(correct / len(split))
        assert scores[f"{name}_loss"].item() == pytest.approx(loss / len(split), rel=1e-5)


def test_a_few_epochs_learn_the_digits(training):
    ours = training("scale=smoke", "task=cnn_laptop", EVALUATED, "optimizer.lr=3e-3")
    for n in range(120):
        ours.step(n)
    assert ours.evaluate()["test_accuracy"] > 0.8


def test_images_depend_on_seed_and_step_and_are_augmented_as_the_task_says(training):
    augmented = "task.data.augmentation={padding: 2, flip: true}"
    ours = training("scale=smoke", "task=cnn_smoke", f"+{augmented}")
    digits = open_images("digits").hold_out(0.2)
    x, y = image_batch(
        digits, batch_size=32, seed=stream_seed(0, "batches"), step=5,
        augmentation=Augmentation(2, flip=True),
    )  # fmt: skip
    assert torch.equal(ours.batch(5)[0], x)
    assert torch.equal(ours.batch(5)[1], y)
    plain = training("scale=smoke", "task=cnn_smoke")
    assert torch.equal(plain.batch(5)[1], y)
    assert not torch.equal(plain.batch(5)[0], x)
    assert not torch.equal(training("scale=smoke", "task=cnn_smoke", "seed=1").batch(5)[1], y)


def test_batch_norm_is_scored_with_its_running_statistics(training):
    ours = training("scale=smoke", "task=cnn_smoke", "+task.model.batch_norm=true", EVALUATED)
    ours.step(0)
    before = {name: value.clone() for name, value in ours.state_dict()["model"].items()}
    first, second = ours.evaluate(), ours.evaluate()
    assert first == second
    after = ours.state_dict()["model"]
    assert any("running_mean" in name for name in after)
    assert all(torch.equal(before[name], after[name]) for name in after)


def test_held_out_text_is_the_end_of_the_train_split(training):
    whole = training("scale=smoke", "evaluation={every: 10, n_batches: 2}")
    held = training(
        "scale=smoke", "evaluation={every: 10, n_batches: 2}", "+task.data.validation_fraction=0.25"
    )
    assert set(whole.evaluate()) == {"test_loss"}
    scores = held.evaluate()
    assert set(scores) == {"test_loss", "validation_loss"}
    assert scores["test_loss"] == whole.evaluate()["test_loss"]
    assert scores["validation_loss"] != scores["test_loss"]
    train = open_corpus("pydoc_topics", source=None, prepared=None).train
    kept = held.task._train
    assert len(kept) == round(0.75 * len(train))
    assert (kept == train[: len(kept)]).all()
    assert (held.task._held_out["validation"] == train[len(kept) :]).all()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["task=cnn_smoke", "evaluation={every:5,n_batches:2}"], "images take none"),
        (["evaluation={every:5}"], "text needs a number of batches"),
        (["task=cnn_smoke", "task.model={kind:gpt}"], r"task\.model\.n_layer"),
        (["task=cnn_smoke", "task.data.validation_fraction=1"], r"validation_fraction = 1"),
        (["task=cnn_smoke", "task.data.corpus=a/../b"], r"task\.data\.corpus = 'a/\.\./b'"),
        (["task=cnn_smoke", "+task.model.n_layer=2"], r"task\.model\.n_layer: unknown key"),
    ],
)
def test_what_cannot_work_is_refused_at_composition(overrides, message):
    with pytest.raises(ConfigurationError, match=message):
        compose_sweep(overrides, sweep=False)


def test_data_that_are_not_there_are_refused_at_composition():
    with pytest.raises(DataError, match=r"'mnist' are not prepared, .*: expected mnist/"):
        compose_sweep(["task=cnn_smoke", "task.data.corpus=mnist"], sweep=False)


def test_a_model_refuses_the_other_kind_of_data():
    sweep = compose_sweep(["task=cnn_smoke"], sweep=False)
    values = sweep[0].spec.model_dump()
    values["task"]["data"] = {"kind": "text", "corpus": "c4"}
    with pytest.raises(ValueError, match="'cnn' takes data of kind 'images', received 'text'"):
        RunSpec.model_validate(values)


def test_data_that_changed_since_composition_are_refused():
    sweep = compose_sweep(["task=cnn_smoke"], sweep=False)
    data = sweep[0].spec.task.data.model_copy(update={"sha256": "0" * 64})
    task = sweep[0].spec.task.model_copy(update={"data": data})
    with pytest.raises(ValueError, match="changed since the spec was composed"):
        Training(
            sweep[0].spec.model_copy(update={"task": task}), sweep.execution,
            data_dir=None, cache_dir=sweep.cache_dir,
        )  # fmt: skip
