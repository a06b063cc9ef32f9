"""CIFAR-10 in both layouts, built small; what is wrong with a file; and the real thing."""

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

from adamct.data import image_parquet
from adamct.data.image_cifar10 import prepare_cifar10
from adamct.data.images import open_images
from adamct.data.locations import DataError

N = {"train": 12, "test": 5}


def pixels_and_labels(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Random pictures, (N, 32, 32, 3), and labels."""
    rng = np.random.default_rng(len(split))
    pixels = rng.integers(0, 256, (N[split], 32, 32, 3), dtype=np.uint8)
    return pixels, rng.integers(0, 10, N[split])


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def write_parquet(path: Path, encoded: list[bytes | None], labels: list) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    img = [{"bytes": picture, "path": "x.png"} for picture in encoded]
    pq.write_table(pa.table({"img": img, "label": labels}), path, row_group_size=4)


def write_hub_layout(root: Path) -> Path:
    """Write the hub's layout, the train split in two shards."""
    for split, n_shards in (("train", 2), ("test", 1)):
        pixels, labels = pixels_and_labels(split)
        for shard, rows in enumerate(np.array_split(np.arange(N[split]), n_shards)):
            path = root / "cifar10" / f"{split}-{shard:05d}-of-{n_shards:05d}.parquet"
            write_parquet(path, [png(pixels[row]) for row in rows], labels[rows].tolist())
    return root


def write_torchvision_layout(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write torchvision's layout, and let torchvision expect these files' md5."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)

    def write(name: str, content: dict) -> str:
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    pixels, labels = pixels_and_labels("train")
    train_list = []
    for number, rows in enumerate(np.array_split(np.arange(N["train"]), 5), start=1):
        flat = pixels[rows].transpose(0, 3, 1, 2).reshape(len(rows), -1)
        name = f"data_batch_{number}"
        md5 = write(name, {"data": flat, "labels": labels[rows].tolist()})
        train_list.append([name, md5])
    pixels, labels = pixels_and_labels("test")
    flat = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)
    test_md5 = write("test_batch", {"data": flat, "labels": labels.tolist()})
    meta_md5 = write("batches.meta", {"label_names": list("abcdefghij")})
    monkeypatch.setattr(CIFAR10, "train_list", train_list)
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", test_md5]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": meta_md5})
    return root


def assert_right(images) -> None:
    for split in ("train", "test"):
        pixels, labels = pixels_and_labels(split)
        got = getattr(images, split)
        np.testing.assert_array_equal(got.images.numpy(), pixels.transpose(0, 3, 1, 2))
        np.testing.assert_array_equal(got.labels.numpy(), labels)
    assert images.name == "cifar10"
    assert images.n_classes == 10


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what makes any further decoding fail the test."""

    def refuse(*_: object) -> None:
        raise AssertionError("decoded a picture")

    return lambda: monkeypatch.setattr(image_parquet, "_decode_picture", refuse)


# --- Both layouts


def test_both_layouts_give_the_same_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = open_images("cifar10", source=write_hub_layout(tmp_path / "hub"))
    assert_right(hub)
    root = write_torchvision_layout(tmp_path / "tv", monkeypatch)
    torchvision = open_images("cifar10", source=root)
    assert_right(torchvision)
    assert torchvision.sha256 == hub.sha256


@pytest.mark.parametrize("place", ["source", "prepared", "source/cifar10", "prepared/cifar10"])
def test_torchvisions_layout_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    write_torchvision_layout(tmp_path / place, monkeypatch)
    images = open_images("cifar10", source=tmp_path / "source", prepared=tmp_path / "prepared")
    assert_right(images)


def test_grey_pictures_and_jpegs_become_colour(tmp_path: Path) -> None:
    grey = np.arange(1024, dtype=np.uint8).reshape(32, 32)
    file = io.BytesIO()
    Image.fromarray(pixels_and_labels("test")[0][0]).save(file, "jpeg")
    for split in ("train", "test"):
        path = tmp_path / "cifar10" / f"{split}-0.parquet"
        write_parquet(path, [png(grey), file.getvalue()], [0, 1])
    pictures = open_images("cifar10", source=tmp_path).train.images
    assert torch.equal(pictures[0], torch.from_numpy(grey).expand(3, 32, 32))
    expected = np.asarray(Image.open(file)).transpose(2, 0, 1)
    np.testing.assert_array_equal(pictures[1].numpy(), expected)


# --- The decoding that is kept


def test_pictures_are_decoded_once(tmp_path: Path, no_decoding: Callable[[], None]) -> None:
    source, prepared = write_hub_layout(tmp_path / "source"), tmp_path / "prepared"
    before = sorted(source.rglob("*"))
    first = open_images("cifar10", source=source, prepared=prepared)
    no_decoding()
    again = open_images("cifar10", source=source, prepared=prepared)
    alone = open_images("cifar10", source=None, prepared=prepared)
    for images in (first, again, alone):
        assert_right(images)
    assert first.sha256 == again.sha256 == alone.sha256
    assert sorted(source.rglob("*")) == before
    kept = [path for path in prepared.iterdir() if path.is_dir()]
    assert len(kept) == 1  # nothing unfinished is left beside it


def test_other_files_never_meet_a_stale_decoding(tmp_path: Path) -> None:
    source, prepared = write_hub_layout(tmp_path / "source"), tmp_path / "prepared"
    first = open_images("cifar10", source=source, prepared=prepared)
    path = source / "cifar10" / "test-00000-of-00001.parquet"
    pixels, labels = pixels_and_labels("test")
    write_parquet(path, [png(p) for p in pixels[::-1]], labels[::-1].tolist())
    second = open_images("cifar10", source=source, prepared=prepared)
    assert torch.equal(second.test.labels, first.test.labels.flip(0))
    assert second.sha256 != first.sha256
    with pytest.raises(DataError, match=r"holds 2 decoded versions of CIFAR-10 .* ADAMCT_DATA"):
        open_images("cifar10", source=None, prepared=prepared)


def test_an_interrupted_decoding_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, prepared = write_hub_layout(tmp_path / "source"), tmp_path / "prepared"
    with monkeypatch.context() as patch:
        patch.setattr(image_parquet.json, "dumps", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            open_images("cifar10", source=source, prepared=prepared)
    assert list(prepared.glob("cifar10-*/train_images.npy"))
    with pytest.raises(DataError, match="no CIFAR-10"):
        open_images("cifar10", source=None, prepared=prepared)
    assert_right(open_images("cifar10", source=source, prepared=prepared))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip_last_bit(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("train_images.npy", truncate, r"train_images.npy cannot be used .* bytes, expected"),
        ("test_labels.npy", Path.unlink, r"test_labels.npy cannot be used \(FileNotFoundError"),
        ("test_images.npy", flip_last_bit, "SHA-256 .*, its manifest says"),
        ("manifest.json", truncate, r"manifest.json cannot be used \(JSONDecodeError"),
        ("manifest.json", Path.unlink, r"manifest.json cannot be used \(FileNotFoundError"),
        ("manifest.json", lambda path: path.write_text("[]"), "manifest.json cannot be used"),
    ],
)
def test_a_damaged_decoding_is_refused(
    tmp_path: Path, file: str, damage: Callable[[Path], object], message: str
) -> None:
    source, prepared = write_hub_layout(tmp_path / "source"), tmp_path / "prepared"
    open_images("cifar10", source=source, prepared=prepared)
    [path] = prepared.glob(f"cifar10-*/{file}")
    damage(path)
    with pytest.raises(DataError, match=f"{message}.*delete {path.parent}; it is decoded again"):
        open_images("cifar10", source=source, prepared=prepared)


# --- What is wrong with a raw file


GOOD = png(np.zeros((32, 32, 3), dtype=np.uint8))
REMEDY = r".*; replace it by a sound copy, or delete .*cifar10 and run `python scripts/prepare_data"


@pytest.mark.parametrize(
    ("encoded", "labels", "message"),
    [
        ([GOOD, GOOD[:60]], [0, 1], "row 1: the picture cannot be decoded"),
        ([b"no picture", GOOD], [0, 1], "row 0: the picture cannot be decoded"),
        ([GOOD, None], [0, 1], "row 1: the picture cannot be decoded"),
        (
            [GOOD, png(np.zeros((32, 31, 3), dtype=np.uint8))],
            [0, 1],
            r"row 1: .* \(31 x 32 pixels, expected 32 x 32\)",
        ),
        ([GOOD, GOOD], [0, 10], "row 1: label 10, expected an integer from 0 to 9"),
        ([GOOD, GOOD], [-1, 1], "row 0: label -1, expected"),
        ([GOOD, GOOD], [1, None], "row 1: label nan, expected"),
        ([GOOD, GOOD], ["cat", "dog"], "row 0: label cat, expected"),
    ],
)
def test_a_wrong_row_is_named(
    tmp_path: Path, encoded: list[bytes | None], labels: list, message: str
) -> None:
    write_hub_layout(tmp_path)
    path = tmp_path / "cifar10" / "test-00000-of-00001.parquet"
    write_parquet(path, encoded, labels)
    with pytest.raises(DataError, match=f"{path}, {message}{REMEDY}"):
        open_images("cifar10", source=tmp_path, prepared=tmp_path / "prepared")
    assert not list((tmp_path / "prepared").glob("cifar10-*/"))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"image": [{"bytes": GOOD}], "label": [1]}, "has columns `image: struct<.*label: int64`"),
        ({"img": [{"bytes": GOOD}]}, "has columns `img: struct<bytes: binary>`, expected"),
        ({"img": [GOOD], "label": [1]}, "has columns `img: binary, label: int64`, expected"),
        ({"img": [{"path": "x"}], "label": [1]}, "has columns `img: struct<path: string>, label"),
    ],
)
def test_a_missing_column_is_named(tmp_path: Path, table: dict[str, list], message: str) -> None:
    write_hub_layout(tmp_path)
    path = tmp_path / "cifar10" / "test-00000-of-00001.parquet"
    pq.write_table(pa.table(table), path)
    with pytest.raises(DataError, match=f"{path} {message}{REMEDY}"):
        open_images("cifar10", source=tmp_path)


def test_a_truncated_parquet_file_is_named(tmp_path: Path) -> None:
    write_hub_layout(tmp_path)
    path = tmp_path / "cifar10" / "train-00001-of-00002.parquet"
    truncate(path)
    with pytest.raises(DataError, match=f"{path} is truncated or no parquet file{REMEDY}"):
        open_images("cifar10", source=tmp_path)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("train-00001-of-00002", "1 of 2 files train-"),
        ("test-00000-of-00001", "0 of 1 files test-"),
    ],
)
def test_a_missing_shard_is_noticed(tmp_path: Path, name: str, counts: str) -> None:
    write_hub_layout(tmp_path)
    (tmp_path / "cifar10" / f"{name}.parquet").unlink()
    with pytest.raises(DataError, match=rf"cifar10 holds {counts}\*.parquet; copy the rest"):
        open_images("cifar10", source=tmp_path)


@pytest.mark.parametrize("damage", [flip_last_bit, Path.unlink])
@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_failed_checksum_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: Callable[[Path], object]
) -> None:
    write_torchvision_layout(tmp_path, monkeypatch)
    path = tmp_path / "cifar-10-batches-py" / name
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    damage(path)
    message = f"{path} is missing, truncated or another file: expected md5 {md5}; replace it by"
    with pytest.raises(DataError, match=message):
        open_images("cifar10", source=tmp_path)


def test_missing_data_is_said_with_its_remedy(tmp_path: Path) -> None:
    source, prepared = tmp_path / "source", tmp_path / "prepared"
    message = f"no CIFAR-10 in {source} or {prepared}: expected .* run `python scripts/prepare_data"
    with pytest.raises(DataError, match=message):
        open_images("cifar10", source=source, prepared=prepared)
    with pytest.raises(DataError, match="no CIFAR-10 in no folder at all"):
        open_images("cifar10")
    assert not prepared.exists()


# --- Preparation


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let ``datasets`` give the small pictures under the hub's name; list what is asked of it.

    A split that stands in the list beforehand cannot be reached.
    """
    datasets = pytest.importorskip("datasets")
    asked: list[str] = []

    def load_dataset(name: str, split: str):
        assert name == "uoft-cs/cifar10"
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
    assert_right(prepare_cifar10(None, prepared))
    assert hub == ["train", "test"]
    assert_right(prepare_cifar10(None, prepared))
    assert hub == ["train", "test"]
    assert_right(open_images("cifar10", source=None, prepared=prepared))


def test_preparing_leaves_what_is_there_alone(tmp_path: Path, hub: list[str]) -> None:
    source = write_hub_layout(tmp_path / "source")
    assert_right(prepare_cifar10(source, tmp_path / "prepared"))
    assert hub == []


def test_a_download_that_fails_is_tried_again(tmp_path: Path, hub: list[str]) -> None:
    prepared = tmp_path / "prepared"
    hub.append("test")
    with pytest.raises(
        DataError, match=r"origin 'hub' \(ConnectionError: no route\); try origin 'torchvision'"
    ):
        prepare_cifar10(None, prepared)
    with pytest.raises(DataError, match="no CIFAR-10"):
        open_images("cifar10", source=None, prepared=prepared)
    hub.clear()
    assert_right(prepare_cifar10(None, prepared))


def test_preparing_downloads_with_torchvision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(self: CIFAR10) -> None:
        if not self._check_integrity():
            write_torchvision_layout(Path(self.root), monkeypatch)
            (Path(self.root) / self.filename).touch()

    monkeypatch.setattr(CIFAR10, "download", download)
    assert_right(prepare_cifar10(None, tmp_path / "prepared", origin="torchvision"))
    assert not list(tmp_path.rglob("*.tar.gz"))


# --- The real thing


def test_the_real_pictures_open(real_data: Path, tmp_path: Path) -> None:
    if not (real_data / "cifar10").is_dir():
        pytest.skip(f"no cifar10/ in {real_data}")
    images = open_images("cifar10", source=real_data, prepared=tmp_path)
    assert images.train.images.shape == (50_000, 3, 32, 32)
    assert images.test.images.shape == (10_000, 3, 32, 32)
    assert torch.bincount(images.train.labels).tolist() == 10 * [5_000]
    assert torch.bincount(images.test.labels).tolist() == 10 * [1_000]
    # The values that every CIFAR-10 recipe carries.
    torch.testing.assert_close(
        images.mean, torch.tensor([0.4914, 0.4822, 0.4465]), rtol=0, atol=1e-3
    )
    torch.testing.assert_close(
        images.std, torch.tensor([0.2470, 0.2435, 0.2616]), rtol=0, atol=3e-3
    )
    assert open_images("cifar10", source=None, prepared=tmp_path).sha256 == images.sha256
