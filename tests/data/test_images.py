"""Image sets in both layouts, built small; what is wrong with a file; and the real thing."""

import hashlib
import io
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torchvision.datasets import CIFAR10

from adamct.data import DataError, image_files, images, locations
from adamct.data.catalogue import IMAGE_SETS
from adamct.data.image_files import HUB_COLUMNS, TORCHVISION_FOLDER, Columns, download_archive
from adamct.data.image_set import ImageSet
from adamct.data.images import open_images

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


def write_parquet(path: Path, encoded: list[bytes], labels: list, columns=HUB_COLUMNS) -> None:
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
            path = tmp_path / f"raw/cifar10/{split}-{shard:05d}-of-{n_shards:05d}.parquet"
            write_parquet(path, [png(pixels[row]) for row in rows], labels[rows].tolist())
    return tmp_path / "raw"


@pytest.fixture
def cifar10(tmp_path: Path, source: Path) -> Callable[..., ImageSet]:
    """Return what opens CIFAR-10 in the hub's layout."""
    return partial(open_images, "cifar10", source=source, prepared=tmp_path / "prepared")


def write_torchvision_layout(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write torchvision's layout, and let torchvision expect these files' md5."""
    content: dict[str, dict] = {"batches.meta": {"label_names": list("abcdefghij")}}
    files = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
    for split, names in files.items():
        parts = (np.array_split(array, len(names)) for array in pixels_and_labels(split))
        for name, x, y in zip(names, *parts, strict=True):
            rows = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
            content[name] = {"data": rows, "labels": [*y]}
    folder.mkdir(parents=True)
    md5 = {}
    for name, value in content.items():
        (folder / name).write_bytes(pickle.dumps(value))
        md5[name] = hashlib.md5(pickle.dumps(value)).hexdigest()
    for split, names in files.items():
        monkeypatch.setattr(CIFAR10, f"{split}_list", [(name, md5[name]) for name in names])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5["batches.meta"]})


def assert_right(images: ImageSet) -> None:
    for split in ("train", "test"):
        pixels, labels = pixels_and_labels(split)
        got = getattr(images, split)
        np.testing.assert_array_equal(got.images.numpy(), pixels.transpose(0, 3, 1, 2))
        np.testing.assert_array_equal(got.labels.numpy(), labels)
    assert (images.name, images.n_classes) == ("cifar10", 10)


@pytest.mark.parametrize("place", ["source", "prepared", "source/cifar10", "prepared/cifar10"])
def test_both_layouts_give_the_same_data(tmp_path, cifar10, monkeypatch, place):
    hub = cifar10()
    assert_right(hub)
    write_torchvision_layout(tmp_path / "tv" / place / TORCHVISION_FOLDER, monkeypatch)
    ours = cifar10(source=tmp_path / "tv" / "source", prepared=tmp_path / "tv" / "prepared")
    assert_right(ours)
    assert ours.sha256 == hub.sha256


def test_grey_images_and_jpegs_become_the_colour_of_the_set(source, cifar10):
    grey = np.arange(1024, dtype=np.uint8).reshape(32, 32)
    jpeg = png(pixels_and_labels("test")[0][0], "jpeg")
    write_parquet(source / "cifar10" / TEST_FILE, [png(grey), jpeg], [0, 1])
    found = cifar10().test.images
    assert torch.equal(found[0], torch.from_numpy(grey).expand(3, 32, 32))
    expected = np.asarray(Image.open(io.BytesIO(jpeg))).transpose(2, 0, 1)
    np.testing.assert_array_equal(found[1].numpy(), expected)


@pytest.mark.parametrize("by_datasets", [True, False])
@pytest.mark.parametrize("shape", [(28, 20), (9, 16, 3)])
def test_any_labelled_set_in_the_hubs_layout_opens(tmp_path, by_datasets, shape):
    rng = np.random.default_rng(0)
    columns = Columns("image", "fine_label")
    raw = {split: rng.integers(0, 256, (n, *shape), dtype=np.uint8) for split, n in N.items()}
    for split, pixels in raw.items():
        path = tmp_path / "raw" / "shapes" / "data" / f"{split}-00000-of-00001.parquet"
        labels = [i % 3 for i in range(len(pixels))]
        write_parquet(path, [png(image) for image in pixels], labels, columns)
        if by_datasets:
            table = {"image": [Image.fromarray(image) for image in pixels], "fine_label": labels}
            kinds = {"image": datasets.Image(), "fine_label": datasets.ClassLabel(3)}
            features = datasets.Features(kinds)
            datasets.Dataset.from_dict(table, features=features).to_parquet(str(path))
    shapes = partial(open_images, "shapes", source=tmp_path / "raw", prepared=tmp_path / "prepared")
    found = shapes(columns=columns)
    assert found.n_classes == 3
    for split, pixels in raw.items():
        expected = pixels[:, None] if len(shape) == 2 else pixels.transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(getattr(found, split).images.numpy(), expected)
    more = shapes(columns=Columns("image", "fine_label", 5))
    assert (more.n_classes, more.sha256) == (5, found.sha256)
    with pytest.raises(DataError, match=r"train split.*labels \[0, 1, 2\], .* 0 to 1, .*n_classes"):
        shapes(columns=Columns("image", "fine_label", 2))
    with pytest.raises(DataError, match=r"in `img`.*its columns are image, .*by image_column"):
        shapes()


def test_images_are_decoded_once(tmp_path, source, cifar10, monkeypatch):
    before = sorted(source.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr(images.torch, "save", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):  # an interrupted decoding is begun again
            cifar10()
    with pytest.raises(DataError, match="the data 'cifar10' are not prepared"):
        cifar10(source=None)
    cifar10()
    first = cifar10()
    with monkeypatch.context() as patch:
        patch.setattr(images, "read_raw", lambda *_: pytest.fail("decoded an image"))
        for found in (first, cifar10(), cifar10(source=None)):
            assert_right(found)
            assert found.sha256 == first.sha256
    assert sorted(source.rglob("*")) == before
    kept = sorted(path.name for path in (tmp_path / "prepared").iterdir())
    assert kept == ["cifar10.images.pt", "cifar10.lock"]  # and nothing unfinished

    # Other files never meet a stale decoding, and who has it mapped keeps it.
    pixels, labels = pixels_and_labels("test")
    encoded = [png(p) for p in pixels[::-1]]
    write_parquet(source / "cifar10" / TEST_FILE, encoded, labels[::-1].tolist())
    second = cifar10()
    assert torch.equal(second.test.labels, first.test.labels.flip(0))
    assert second.sha256 != first.sha256
    np.testing.assert_array_equal(first.test.labels, labels)


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-7]), "Error"),
        (flip_a_bit, r"ValueError: sha256 \w+, expected \w+"),
        (lambda path: path.write_bytes(b""), "Error"),
        (lambda path: torch.save({"train_images": 1}, path), "KeyError"),
        (lambda path: torch.save([Path("x")], path), "UnpicklingError"),
    ],
)
def test_a_damaged_decoding_is_refused(tmp_path, cifar10, source, damage, message):
    cifar10()
    path = tmp_path / "prepared" / "cifar10.images.pt"
    damage(path)
    for place in (source, None):
        with pytest.raises(DataError, match=f"{path} cannot be read .*{message}.*: delete it, and"):
            cifar10(source=place)


GOOD, NARROW = (png(np.zeros((32, width, 3), dtype=np.uint8)) for width in (32, 31))


DEEP = png(np.full((32, 32), 40_000, np.uint16))  # 16 bits a channel


def struct(*encoded: bytes | None) -> list[dict[str, bytes | None]]:
    return [{"bytes": image} for image in encoded]


@pytest.mark.parametrize(
    ("table", "row", "reason"),
    [
        ({"img": struct(GOOD, GOOD[:60]), "label": [0, 1]}, 1, "Error"),
        ({"img": struct(b"no image", GOOD), "label": [0, 1]}, 0, "UnidentifiedImageError"),
        ({"img": struct(GOOD, None), "label": [0, 1]}, 1, "Error"),
        ({"img": struct(GOOD, NARROW), "label": [0, 1]}, 1, r"\(3, 32, 31\), expected \(3, 32, 3"),
        ({"img": struct(DEEP), "label": [0]}, 0, "mode I;16, expected one of 1, L, LA, P, RGB"),
        ({"img": struct(GOOD, GOOD), "label": [1, None]}, 1, "'NoneType' object cannot be inter"),
        ({"img": struct(GOOD), "label": ["cat"]}, 0, "'str' object cannot be interpreted as an"),
        ({"image": struct(GOOD), "label": [1]}, 0, "its columns are image, label"),
        ({"img": struct(GOOD)}, 0, "its columns are img"),
        ({"img": [1], "label": [1]}, 0, "Error"),
        ({"img": [{"path": "x"}], "label": [1]}, 0, "Error"),
        ({"img": [], "label": []}, 0, ""),
        (None, 0, "ArrowInvalid"),
    ],
)
def test_a_wrong_row_is_named_with_its_file(tmp_path, source, cifar10, table, row, reason):
    path = source / "cifar10" / TEST_FILE
    if table is None:
        path.write_bytes(path.read_bytes()[:-7])
    else:
        pq.write_table(pa.table(table), path)
    message = (
        rf"{path}, row {row}, an image in `img` and its class in `label`, cannot be read "
        rf"\(.*{reason}.*\): .*image_column.*replace it by a sound copy, .*delete .* run "
    )
    with pytest.raises(DataError, match=f"{message}`python scripts/prepare_data"):
        cifar10()
    assert not list((tmp_path / "prepared").glob("*.pt"))


def test_a_missing_shard_is_noticed(source, cifar10):
    for name, counts in ((TEST_FILE, "0 of 1 files t"), ("train-00001-of-00002", "1 of 2 files t")):
        (source / "cifar10" / name).with_suffix(".parquet").unlink()
        with pytest.raises(DataError, match=rf"cifar10 holds {counts}.*\.parquet: copy the rest"):
            cifar10()


@pytest.mark.parametrize("damage", [flip_a_bit, Path.unlink])
@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_failed_checksum_names_the_file(tmp_path, monkeypatch, name, damage):
    path = tmp_path / TORCHVISION_FOLDER / name
    write_torchvision_layout(path.parent, monkeypatch)
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    damage(path)
    message = f"{path} is missing, truncated or another file: expected md5 {md5}; replace it by"
    with pytest.raises(DataError, match=message):
        open_images("cifar10", source=tmp_path, prepared=tmp_path / "prepared")


def test_missing_data_is_said_with_its_remedy(tmp_path):
    place = {"source": tmp_path / "raw", "prepared": tmp_path / "prepared"}
    for name, message in (
        ("cifar10", "not in .*raw: expected .*cifar-10-batches-py/; run scripts/prepare_data"),
        ("mnist", r"not in .*raw: expected .*\.parquet.*; put them into .* ADAMCT_DATA"),
    ):
        with pytest.raises(DataError, match=f"'{name}' are not prepared, and {message}"):
            open_images(name, **place, may_download=name == "mnist")
    assert not list(tmp_path.iterdir())


def test_what_is_missing_is_read_from_the_hub_once(source, cifar10, monkeypatch):
    asked, there = [], source.rename(source.with_name("hub"))

    def from_disk(layout: str, address: str) -> object:
        asked.append(address)
        if len(asked) == 2:  # the first reading breaks off in the test split
            raise ConnectionError("no route")
        split = Path(address).name.partition("-")[0]
        return locations.stream_rows(layout, str(there / "cifar10" / f"{split}-*.parquet"))

    monkeypatch.setattr(image_files, "stream_rows", from_disk)
    message = r"hf://.*cifar10@.*/test-.*\(ConnectionError: no route\): run the same .* connection"
    with pytest.raises(DataError, match=message):
        cifar10(may_download=True)
    with pytest.raises(DataError, match="the data 'cifar10' are not prepared"):
        cifar10()
    for _ in range(2):
        assert_right(cifar10(may_download=True))
    assert asked == 2 * [files[0] for files in locations.hub_files("cifar10").values()]
    assert_right(cifar10())


def test_the_archive_is_downloaded_to_where_it_is_found(tmp_path, monkeypatch):
    folder = tmp_path / "cifar10" / TORCHVISION_FOLDER
    monkeypatch.setattr(
        CIFAR10, "download", lambda _: write_torchvision_layout(folder, monkeypatch)
    )
    download_archive(tmp_path)
    assert_right(open_images("cifar10", prepared=tmp_path))
    monkeypatch.setattr(CIFAR10, "download", lambda _: folder.read_bytes())
    with pytest.raises(DataError, match=r"archive cannot be read .*: run the same command where"):
        download_archive(tmp_path)


def test_the_real_images_open(real_data, tmp_path):
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
