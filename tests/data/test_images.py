"""Image sets in both layouts, built small; what is wrong with a file; and the real thing."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torchvision.datasets import CIFAR10

from adamct.data import DataError, image_files, images
from adamct.data.catalogue import IMAGE_SETS
from adamct.data.image_files import HUB_COLUMNS, Columns
from adamct.data.images import open_images, prepare_images

N = {"train": 12, "test": 5}
TEST_FILE = "test-00000-of-00001.parquet"


def pixels_and_labels(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Random images, (N, 32, 32, 3), and labels."""
    rng = np.random.default_rng(len(split))
    pixels = rng.integers(0, 256, (N[split], 32, 32, 3), dtype=np.uint8)
    return pixels, rng.integers(0, 10, N[split])


def png(pixels: np.ndarray, kind: str = "png") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def write_parquet(
    path: Path, encoded: list[bytes | None], labels: list, columns: Columns = HUB_COLUMNS
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = [{"bytes": image, "path": "x.png"} for image in encoded]
    table = pa.table({columns.image: image, "other": ["x"] * len(labels), columns.label: labels})
    pq.write_table(table, path, row_group_size=4)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """CIFAR-10 in the hub's layout, the train split in two shards."""
    for split, n_shards in (("train", 2), ("test", 1)):
        pixels, labels = pixels_and_labels(split)
        for shard, rows in enumerate(np.array_split(np.arange(N[split]), n_shards)):
            path = f"source/cifar10/{split}-{shard:05d}-of-{n_shards:05d}.parquet"
            write_parquet(
                tmp_path / path, [png(pixels[row]) for row in rows], labels[rows].tolist()
            )
    return tmp_path / "source"


@pytest.fixture
def write_torchvision_layout(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Path]:
    """Return what writes torchvision's layout, and lets torchvision expect these files' md5."""

    def write_layout(root: Path) -> Path:
        folder = root / "cifar-10-batches-py"
        folder.mkdir(parents=True)

        def write(name: str, content: dict) -> list[str]:
            data = pickle.dumps(content)
            (folder / name).write_bytes(data)
            return [name, hashlib.md5(data).hexdigest()]

        def batch(pixels: np.ndarray, labels: np.ndarray) -> dict:
            flat = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)
            return {"data": flat, "labels": labels.tolist()}

        pixels, labels = pixels_and_labels("train")
        parts = enumerate(np.array_split(np.arange(N["train"]), 5), start=1)
        train = [write(f"data_batch_{i}", batch(pixels[rows], labels[rows])) for i, rows in parts]
        meta = write("batches.meta", {"label_names": list("abcdefghij")})
        monkeypatch.setattr(CIFAR10, "train_list", train)
        monkeypatch.setattr(
            CIFAR10, "test_list", [write("test_batch", batch(*pixels_and_labels("test")))]
        )
        monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": meta[1]})
        return root

    return write_layout


def assert_right(images) -> None:
    for split in ("train", "test"):
        pixels, labels = pixels_and_labels(split)
        got = getattr(images, split)
        np.testing.assert_array_equal(got.images.numpy(), pixels.transpose(0, 3, 1, 2))
        np.testing.assert_array_equal(got.labels.numpy(), labels)
    assert (images.name, images.n_classes) == ("cifar10", 10)


# --- Both layouts


@pytest.mark.parametrize("place", ["source", "prepared", "source/cifar10", "prepared/cifar10"])
def test_both_layouts_give_the_same_data(
    tmp_path: Path, source: Path, write_torchvision_layout: Callable[[Path], Path], place: str
) -> None:
    hub = open_images("cifar10", source=source)
    assert_right(hub)
    write_torchvision_layout(tmp_path / "tv" / place)
    prepared = tmp_path / "tv" / "prepared"
    ours = open_images("cifar10", source=tmp_path / "tv" / "source", prepared=prepared)
    assert_right(ours)
    assert ours.sha256 == hub.sha256


def test_grey_images_and_jpegs_become_the_colour_of_the_set(tmp_path: Path) -> None:
    grey = np.arange(1024, dtype=np.uint8).reshape(32, 32)
    jpeg = png(pixels_and_labels("test")[0][0], "jpeg")
    for split in ("train", "test"):
        write_parquet(tmp_path / "cifar10" / f"{split}-0.parquet", [png(grey), jpeg], [0, 1])
    found = open_images("cifar10", source=tmp_path).train.images
    assert torch.equal(found[0], torch.from_numpy(grey).expand(3, 32, 32))
    expected = np.asarray(Image.open(io.BytesIO(jpeg))).transpose(2, 0, 1)
    np.testing.assert_array_equal(found[1].numpy(), expected)


@pytest.mark.parametrize("by_datasets", [True, False])
@pytest.mark.parametrize("shape", [(28, 20), (9, 16, 3)])
def test_any_labelled_set_in_the_hubs_layout_opens(
    tmp_path: Path, by_datasets: bool, shape: tuple[int, ...]
) -> None:
    import datasets

    rng = np.random.default_rng(0)
    columns = Columns("image", "fine_label")
    raw = {split: rng.integers(0, 256, (n, *shape), dtype=np.uint8) for split, n in N.items()}
    for split, pixels in raw.items():
        path = tmp_path / "source" / "shapes" / "data" / f"{split}-00000-of-00001.parquet"
        labels = [i % 3 for i in range(len(pixels))]
        write_parquet(path, [png(image) for image in pixels], labels, columns)
        if by_datasets:
            table = {"image": [Image.fromarray(image) for image in pixels], "fine_label": labels}
            kinds = {"image": datasets.Image(), "fine_label": datasets.ClassLabel(3)}
            data = datasets.Dataset.from_dict(table, features=datasets.Features(kinds))
            data.to_parquet(str(path))
    place = {"source": tmp_path / "source", "prepared": tmp_path / "prepared"}
    found = open_images("shapes", **place, columns=columns)
    assert found.n_classes == 3
    for split, pixels in raw.items():
        expected = pixels[:, None] if len(shape) == 2 else pixels.transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(getattr(found, split).images.numpy(), expected)
    more = open_images("shapes", **place, columns=Columns("image", "fine_label", 5))
    assert (more.n_classes, more.sha256) == (5, found.sha256)
    with pytest.raises(DataError, match=r"row 2: label 2, expected an integer from 0 to 1"):
        open_images("shapes", **place, columns=Columns("image", "fine_label", 2))
    with pytest.raises(DataError, match=r"expected `img`.*name them by image_column and label_"):
        open_images("shapes", **place)


def test_any_labelled_set_trains(tmp_path: Path) -> None:
    """A folder of parquet files, and its name and columns in the task: no more."""
    from adamct.config.compose import compose_sweep
    from adamct.train import Training

    rng, columns = np.random.default_rng(0), Columns("image", "label")
    for split in ("train", "test"):
        encoded = [png(rng.integers(0, 256, (16, 16), dtype=np.uint8)) for _ in range(64)]
        path = tmp_path / "raw" / "shapes" / f"{split}-00000-of-00001.parquet"
        write_parquet(path, encoded, [i % 4 for i in range(64)], columns)
    task = ["task=cnn_smoke", "task.data.corpus=shapes", "+task.data.image_column=image"]
    places = [f"data_dir={tmp_path / 'raw'}", f"cache_dir={tmp_path / 'prepared'}"]
    sweep = compose_sweep([*task, *places, "scale=smoke"], sweep=False)
    places = {"data_dir": sweep.data_dir, "cache_dir": sweep.cache_dir}
    training = Training(sweep[0].spec, sweep.execution, **places)
    assert training.task.of_data["n_classes"] == 4
    assert np.isfinite(float(training.step(0).loss))


# --- The decoding that is kept


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what makes any further decoding fail the test."""

    def refuse(*_: object) -> None:
        raise AssertionError("decoded an image")

    return lambda: monkeypatch.setattr(image_files, "_decode", refuse)


def test_images_are_decoded_once(
    tmp_path: Path, source: Path, no_decoding: Callable[[], None]
) -> None:
    prepared, before = tmp_path / "prepared", sorted(source.rglob("*"))
    first = open_images("cifar10", source=source, prepared=prepared)
    no_decoding()
    again = open_images("cifar10", source=source, prepared=prepared)
    alone = open_images("cifar10", source=None, prepared=prepared)
    for found in (first, again, alone):
        assert_right(found)
    assert first.sha256 == again.sha256 == alone.sha256
    assert sorted(source.rglob("*")) == before
    kept = sorted(path.name for path in prepared.iterdir())
    assert kept == ["cifar10.images.lock", "cifar10.images.pt"]  # and nothing unfinished


def test_other_files_never_meet_a_stale_decoding(tmp_path: Path, source: Path) -> None:
    place = {"source": source, "prepared": tmp_path / "prepared"}
    first = open_images("cifar10", **place)
    pixels, labels = pixels_and_labels("test")
    write_parquet(
        source / "cifar10" / TEST_FILE, [png(p) for p in pixels[::-1]], labels[::-1].tolist()
    )
    second = open_images("cifar10", **place)
    assert torch.equal(second.test.labels, first.test.labels.flip(0))
    assert second.sha256 != first.sha256
    np.testing.assert_array_equal(first.test.labels, labels)  # who has them mapped keeps them


def test_an_interrupted_decoding_is_begun_again(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = tmp_path / "prepared"
    with monkeypatch.context() as patch:
        patch.setattr(images.torch, "save", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            open_images("cifar10", source=source, prepared=prepared)
    with pytest.raises(DataError, match="no images 'cifar10'"):
        open_images("cifar10", source=None, prepared=prepared)
    assert_right(open_images("cifar10", source=source, prepared=prepared))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip_last_bit(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def flip_a_pixel(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "Error"),
        (flip_a_pixel, r"ValueError: sha256 \w+, expected \w+"),
        (lambda path: path.write_bytes(b""), "Error"),
        (lambda path: torch.save({"train_images": 1}, path), "KeyError"),
        (lambda path: torch.save([Path("x")], path), "UnpicklingError"),
    ],
)
def test_a_damaged_decoding_is_refused(
    tmp_path: Path, source: Path, damage: Callable[[Path], object], message: str
) -> None:
    prepared = tmp_path / "prepared"
    open_images("cifar10", source=source, prepared=prepared)
    path = prepared / "cifar10.images.pt"
    damage(path)
    for place in (source, None):
        with pytest.raises(DataError, match=f"{path} cannot be used .*{message}.*; delete it: it"):
            open_images("cifar10", source=place, prepared=prepared)


# --- What is wrong with a raw file


GOOD = png(np.zeros((32, 32, 3), dtype=np.uint8))
REMEDY = r".*replace it by a sound copy, or delete .*cifar10 and run `python scripts/prepare_data"


@pytest.mark.parametrize(
    ("encoded", "labels", "message"),
    [
        ([GOOD, GOOD[:60]], [0, 1], "row 1: the image cannot be decoded"),
        ([b"no image", GOOD], [0, 1], "row 0: the image cannot be decoded"),
        ([GOOD, None], [0, 1], "row 1: the image cannot be decoded"),
        (
            [GOOD, png(np.zeros((32, 31, 3), dtype=np.uint8))],
            [0, 1],
            r"row 1: .* \(31 x 32 pixels, expected 32 x 32\)",
        ),
        ([GOOD, GOOD], [0, 10], "row 1: label 10, expected an integer from 0 to 9"),
        ([GOOD, GOOD], [-1, 1], "row 0: label -1, expected"),
        ([GOOD, GOOD], [1, None], "row 1: label None, expected"),
        ([GOOD, GOOD], ["cat", "dog"], "row 0: label cat, expected"),
    ],
)
def test_a_wrong_row_is_named(
    tmp_path: Path, source: Path, encoded: list[bytes | None], labels: list, message: str
) -> None:
    path = source / "cifar10" / TEST_FILE
    write_parquet(path, encoded, labels)
    with pytest.raises(DataError, match=f"{path}, {message}{REMEDY}"):
        open_images("cifar10", source=source, prepared=tmp_path / "prepared")
    assert not list((tmp_path / "prepared").glob("*.pt"))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"image": [{"bytes": GOOD}], "label": [1]}, "has columns `image: struct<.*label: int64`"),
        ({"img": [{"bytes": GOOD}]}, "has columns `img: struct<bytes: binary>`, expected"),
        ({"img": [1], "label": [1]}, "has columns `img: int64, label: int64`, expected"),
        ({"img": [{"path": "x"}], "label": [1]}, "has columns `img: struct<path: string>, label"),
    ],
)
def test_a_missing_column_is_named(source: Path, table: dict[str, list], message: str) -> None:
    path = source / "cifar10" / TEST_FILE
    pq.write_table(pa.table(table), path)
    with pytest.raises(DataError, match=f"{path} {message}{REMEDY}"):
        open_images("cifar10", source=source)


def test_a_truncated_parquet_file_is_named(source: Path) -> None:
    path = source / "cifar10" / "train-00001-of-00002.parquet"
    truncate(path)
    with pytest.raises(DataError, match=f"{path} is truncated or no parquet file{REMEDY}"):
        open_images("cifar10", source=source)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("train-00001-of-00002", "1 of 2 files train-"),
        ("test-00000-of-00001", "0 of 1 files test-"),
    ],
)
def test_a_missing_shard_is_noticed(source: Path, name: str, counts: str) -> None:
    (source / "cifar10" / f"{name}.parquet").unlink()
    with pytest.raises(DataError, match=rf"cifar10 holds {counts}\*.parquet; copy the rest"):
        open_images("cifar10", source=source)


@pytest.mark.parametrize("damage", [flip_last_bit, Path.unlink])
@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_failed_checksum_names_the_file(
    tmp_path: Path,
    write_torchvision_layout: Callable[[Path], Path],
    name: str,
    damage: Callable[[Path], object],
) -> None:
    path = write_torchvision_layout(tmp_path) / "cifar-10-batches-py" / name
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    damage(path)
    message = f"{path} is missing, truncated or another file: expected md5 {md5}; replace it by"
    with pytest.raises(DataError, match=message):
        open_images("cifar10", source=tmp_path, prepared=tmp_path / "prepared")


def test_missing_data_is_said_with_its_remedy(tmp_path: Path) -> None:
    source, prepared = tmp_path / "source", tmp_path / "prepared"
    message = f"no images 'cifar10' in {source} or {prepared}: expected .* run `python scripts/prep"
    with pytest.raises(DataError, match=message):
        open_images("cifar10", source=source, prepared=prepared)
    with pytest.raises(DataError, match=r"no images 'mnist' in no folder at all: .* ADAMCT_DATA"):
        open_images("mnist")
    assert not prepared.exists()


# --- Preparation


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let ``datasets`` give the small images under the hub's name; list what is asked of it.

    A split that stands in the list beforehand cannot be reached.
    """
    import datasets

    asked: list[str] = []
    load = datasets.load_dataset

    def load_dataset(name: str, *, split: str, **options: object):
        if name != "uoft-cs/cifar10":
            return load(name, split=split, **options)
        if split in asked:
            raise ConnectionError("no route")
        asked.append(split)
        pixels, labels = pixels_and_labels(split)
        columns = {"img": [Image.fromarray(p) for p in pixels], "label": labels.tolist()}
        return datasets.Dataset.from_dict(columns).cast_column("img", datasets.Image())

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return asked


def test_preparing_downloads_from_the_hub_once(tmp_path: Path, hub: list[str]) -> None:
    prepared = tmp_path / "prepared"
    for _ in range(2):
        assert_right(prepare_images("cifar10", None, prepared))
        assert hub == ["train", "test"]
    assert_right(open_images("cifar10", source=None, prepared=prepared))


def test_preparing_leaves_what_is_there_alone(tmp_path: Path, source: Path, hub: list[str]) -> None:
    assert_right(prepare_images("cifar10", source, tmp_path / "prepared"))
    assert hub == []


def test_a_download_that_fails_is_tried_again(tmp_path: Path, hub: list[str]) -> None:
    prepared = tmp_path / "prepared"
    hub.append("test")
    with pytest.raises(DataError, match=r"from the hub \(ConnectionError: no route\); run the sam"):
        prepare_images("cifar10", None, prepared)
    with pytest.raises(DataError, match="no images 'cifar10'"):
        open_images("cifar10", source=None, prepared=prepared)
    hub.clear()
    assert_right(prepare_images("cifar10", None, prepared))


# --- The real thing


def test_the_real_images_open(real_data: Path, tmp_path: Path) -> None:
    if not (real_data / "cifar10").is_dir():
        pytest.skip(f"no cifar10/ in {real_data}")
    found = open_images("cifar10", source=real_data, prepared=tmp_path)
    facts = IMAGE_SETS["cifar10"]
    shape = (facts.channels, facts.size, facts.size)
    assert found.train.images.shape == (facts.n_train, *shape)
    assert found.test.images.shape == (facts.n_test, *shape)
    assert torch.bincount(found.train.labels).tolist() == facts.n_classes * [5_000]
    assert torch.bincount(found.test.labels).tolist() == facts.n_classes * [1_000]
    # The values that every CIFAR-10 recipe carries.
    mean, std = torch.tensor([0.4914, 0.4822, 0.4465]), torch.tensor([0.2470, 0.2435, 0.2616])
    torch.testing.assert_close(found.mean, mean, rtol=0, atol=1e-3)
    torch.testing.assert_close(found.std, std, rtol=0, atol=3e-3)
    assert open_images("cifar10", source=None, prepared=tmp_path).sha256 == found.sha256
