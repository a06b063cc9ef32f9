"""What a task trains on and is scored on, for text and for images."""

import gzip
import io
import json
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from adamct.config.compose import compose_sweep
from adamct.data import DataError, open_corpus, preparation
from adamct.data.batches import image_batch
from adamct.data.images import open_images
from adamct.data.rng import stream_seed
from adamct.train.tasks import open_task

EVALUATED = "evaluation={every:10}"


def test_a_few_epochs_learn_the_digits_and_scores_are_those_of_the_whole_splits(training):
    ours = training("scale=smoke", "task=cnn_laptop", EVALUATED, "optimizer.lr=3e-3")
    for n in range(120):
        ours.step(n)
    digits = open_images("digits").hold_out(0.2)
    scores = ours.evaluate()
    assert scores["test_accuracy"] > 0.8
    assert len(scores) == 4
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


def test_images_depend_on_seed_and_step_and_are_augmented_as_the_task_says(training):
    task = ("scale=smoke", "task=cnn_smoke")
    augmented = training(*task, "+task.data.augmentation={padding: 2, flip: true}")
    digits = open_images("digits").hold_out(0.2)
    at = {"batch_size": 32, "seed": stream_seed(0, "batches"), "step": 5}
    x, y = image_batch(digits, padding=2, flip=True, **at)
    assert torch.equal(augmented.batch(5)[0], x)
    assert torch.equal(augmented.batch(5)[1], y)
    plain = training(*task)
    assert torch.equal(plain.batch(5)[0], image_batch(digits, **at)[0])
    assert torch.equal(plain.batch(5)[1], y)
    assert not torch.equal(training(*task, "seed=1").batch(5)[1], y)


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
    evaluated = ("scale=smoke", "evaluation={every: 10, n_batches: 2}")
    whole = training(*evaluated).evaluate()
    held = training(*evaluated, "+task.data.validation_fraction=0.25")
    scores = held.evaluate()
    assert (whole.keys(), scores.keys()) == ({"test_loss"}, {"test_loss", "validation_loss"})
    assert held.evaluate() == scores  # on the batches drawn once
    assert scores["test_loss"] == whole["test_loss"] != scores["validation_loss"]
    train = open_corpus("pydoc_topics", source=None, prepared=None).train
    kept = held.task._train
    assert len(kept) == round(0.75 * len(train))
    assert (kept == train[: len(kept)]).all()
    assert (held.task._held_out["validation"] == train[len(kept) :]).all()


def test_any_corpus_in_c4s_layout_trains(tmp_path, training, monkeypatch):
    """A folder of json.gz files, and its name and column in the task: no more."""
    encoding = SimpleNamespace(encode_ordinary_batch=lambda texts: [[*t.encode()] for t in texts])
    monkeypatch.setattr(preparation, "load_gpt2", lambda _: encoding)
    (tmp_path / "my_corpus").mkdir(parents=True)
    rows = "\n".join(json.dumps({"content": f"the {i}th of them", "n": i}) for i in range(99))
    for split in ("train", "validation"):
        path = tmp_path / "my_corpus" / f"docs-{split}.00000-of-00001.json.gz"
        path.write_bytes(gzip.compress(rows.encode()))
    places = (f"data_dir={tmp_path}", f"cache_dir={tmp_path / 'prepared'}")
    task = ("scale=smoke", "task=gpt_smoke", "task.data.corpus=my_corpus", *places)
    run = training(*task, "+task.data.text_column=content")
    assert run.task.of_data["vocab_size"] == 50257
    assert run.step(0).loss.isfinite()
    with pytest.raises(DataError, match=r"prepared from the column 'content', but asked is 'text'"):
        training(*task)


def test_any_labelled_images_train(tmp_path, training):
    """A folder of parquet files, and its name and columns in the task: no more."""
    file = io.BytesIO()
    Image.radial_gradient("L").resize((16, 16)).save(file, "png")
    images = [{"bytes": file.getvalue()}] * 64
    table = pa.table({"image": images, "label": [i % 4 for i in range(64)]})
    (tmp_path / "shapes").mkdir()
    for split in ("train", "test"):
        pq.write_table(table, tmp_path / "shapes" / f"{split}-00000-of-00001.parquet")
    places = (f"data_dir={tmp_path}", f"cache_dir={tmp_path / 'prepared'}")
    named = ("task.data.corpus=shapes", "+task.data.image_column=image")
    run = training("scale=smoke", "task=cnn_smoke", *named, *places)
    assert run.task.of_data == {"image_size": 16, "channels": 1, "n_classes": 4}
    assert run.step(0).loss.isfinite()


def test_data_that_changed_since_composition_are_refused():
    spec = compose_sweep(["task=cnn_smoke"], sweep=False)[0].spec
    data = spec.task.data.model_copy(update={"sha256": "0" * 64})
    spec = spec.model_copy(update={"task": spec.task.model_copy(update={"data": data})})
    with pytest.raises(ValueError, match="changed since the spec was composed"):
        open_task(spec, "cpu", data_dir=None, cache_dir=None)
