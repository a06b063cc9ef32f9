"""Preparation of C4: layout, limits, interruption, corruption, and the real sample's counts."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from adamct.data import DataError, default_source, open_corpus, unigram_cross_entropy
from adamct.data.c4 import HUB_REVISION, load_gpt2, prepare_c4
from adamct.data.preparation import Encoder
from adamct.data.tokens import Manifest, open_tokens, verify_tokens
from adamct.files import FileError

pytest.importorskip("datasets")
pytest.importorskip("tiktoken")

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "scripts" / "prepare_data.py"
END = 255


def encode(texts: list[str]) -> list[list[int]]:
    return [list(text.encode("ascii")) for text in texts]


def documents(n: int, seed: int) -> list[str]:
    """Texts of 1 to 39 letters, and one without any."""
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(list("abc \n"), rng.integers(1, 40))) for _ in range(n)]
    texts[n // 2] = ""
    return texts


TRAIN = [documents(23, 0), documents(11, 1), documents(17, 2)]
VALIDATION = [documents(9, 3)]


def write_shard(path: Path, texts: list[str]) -> None:
    rows = (
        {"text": text, "timestamp": "2019-04-25T12:57:54Z", "url": f"https://example.org/{i}"}
        for i, text in enumerate(texts)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))


def shard(source: Path, split: str, index: int, total: int = 3) -> Path:
    return source / "c4" / "en" / f"c4-{split}.{index:05d}-of-{total:05d}.json.gz"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for index, texts in enumerate(TRAIN):
        write_shard(shard(tmp_path / "raw", "train", index), texts)
    for index, texts in enumerate(VALIDATION):
        write_shard(shard(tmp_path / "raw", "validation", index, 1), texts)
    return tmp_path / "raw"


def prepare(
    source: Path | None,
    prepared: Path,
    encode: Callable[[list[str]], list[list[int]]] = encode,
    *,
    train_tokens: int = 10**6,
    wait: bool = True,
) -> Manifest:
    return prepare_c4(
        source,
        prepared,
        train_tokens=train_tokens,
        encoder=Encoder("ascii", 256, END, encode),
        chunk_documents=5,
        progress=False,
        wait=wait,
    )


def expected(shards: list[list[str]], n_tokens: float = np.inf) -> np.ndarray:
    """The shortest run of whole documents, each with its end token, that reaches `n_tokens`."""
    tokens: list[int] = []
    for text in (text for texts in shards for text in texts):
        if len(tokens) >= n_tokens:
            break
        tokens += [*text.encode("ascii"), END]
    return np.array(tokens, dtype=np.uint16)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- What is written


def test_tokens_are_the_documents_in_order_each_with_its_end(source: Path, tmp_path: Path) -> None:
    manifest = prepare(source, tmp_path)
    assert sorted(contents(tmp_path / "c4")) == ["manifest.json", "train.bin", "validation.bin"]
    for split, shards in (("train", TRAIN), ("validation", VALIDATION)):
        record = manifest.splits[split]
        data = (tmp_path / "c4" / f"{split}.bin").read_bytes()
        assert data == expected(shards).astype("<u2").tobytes()
        assert record.sha256 == hashlib.sha256(data).hexdigest()
        assert record.documents == sum(map(len, shards))
        assert record.tokens == len(data) // 2
        for index, used in enumerate(record.shards):
            raw = shard(source, split, index, len(shards))
            assert (used.name, used.size) == (raw.name, raw.stat().st_size)
            assert used.sha256 == hashlib.sha256(raw.read_bytes()).hexdigest()
            assert used.documents == len(shards[index])
    assert set(manifest.versions) == {"python", "datasets", "tiktoken"}


def test_an_open_corpus_is_memory_mapped_and_named_by_its_contents(
    source: Path, tmp_path: Path
) -> None:
    prepare(source, tmp_path)
    corpus = open_corpus("c4", source=None, prepared=tmp_path)
    assert isinstance(corpus.train, np.memmap)
    assert (corpus.encoding, corpus.vocab_size) == ("ascii", 256)
    np.testing.assert_array_equal(corpus.train, expected(TRAIN))
    np.testing.assert_array_equal(corpus.validation, expected(VALIDATION))
    with pytest.raises(ValueError, match="read-only"):
        corpus.train[0] = 0
    write_shard(shard(source, "validation", 0, 1), [*VALIDATION[0], "more"])
    prepare(source, tmp_path / "other")
    other = open_corpus("c4", source=None, prepared=tmp_path / "other")
    assert corpus.sha256 != other.sha256


@pytest.mark.parametrize("n_tokens", [1, 200, 444, 445, 10**6])
def test_a_split_ends_with_the_document_that_reaches_the_count(
    source: Path, tmp_path: Path, n_tokens: int
) -> None:
    manifest = prepare(source, tmp_path, train_tokens=n_tokens)
    _, maps = open_tokens(tmp_path / "c4")
    np.testing.assert_array_equal(maps["train"], expected(TRAIN, n_tokens))
    assert manifest.splits["train"].documents == int((maps["train"] == END).sum())


def test_preparing_again_changes_nothing(source: Path, tmp_path: Path) -> None:
    first = prepare(source, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "c4").iterdir()}

    def refuse(texts: list[str]) -> list[list[int]]:
        raise AssertionError("tokenized twice")

    assert prepare(source, tmp_path, refuse) == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "c4").iterdir()} == before


# --- Interruption


class Interrupted:
    """An encoder that is interrupted in its n-th call, and counts what it has encoded."""

    def __init__(self, n: int) -> None:
        self.n, self.n_documents = n, 0

    def __call__(self, texts: list[str]) -> list[list[int]]:
        if self.n == 0:
            raise KeyboardInterrupt
        self.n -= 1
        self.n_documents += len(texts)
        return encode(texts)


@pytest.mark.parametrize("n_chunks", [0, 1, 4, 5, 6, 12, 13])
@pytest.mark.parametrize("torn", [b"", b"\x01\x02\x03"])
def test_resuming_is_bit_identical_and_repeats_nothing(
    source: Path, tmp_path: Path, n_chunks: int, torn: bytes
) -> None:
    prepare(source, tmp_path / "whole")
    first, second = Interrupted(n_chunks), Interrupted(100)
    with pytest.raises(KeyboardInterrupt):
        prepare(source, tmp_path / "cut", first)
    assert not (tmp_path / "cut" / "c4").exists()
    with (tmp_path / "cut" / "c4.partial" / "train.bin").open("ab") as file:
        file.write(torn)  # a chunk that was on its way to the disk
    prepare(source, tmp_path / "cut", second)
    assert contents(tmp_path / "cut" / "c4") == contents(tmp_path / "whole" / "c4")
    assert first.n_documents + second.n_documents == sum(map(len, TRAIN + VALIDATION))


def test_a_killed_process_leaves_what_another_goes_on_from(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "whole")
    program = f"""
import os, signal
from pathlib import Path
from adamct.data.c4 import prepare_c4
from adamct.data.preparation import Encoder
calls = []
def encode(texts):
    calls.append(len(texts))
    if len(calls) == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return [list(text.encode("ascii")) for text in texts]
prepare_c4(Path({str(source)!r}), Path({str(tmp_path / "cut")!r}), train_tokens=10**6,
           encoder=Encoder("ascii", 256, {END}, encode), chunk_documents=5, progress=False)
"""
    killed = subprocess.run([sys.executable, "-c", program], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "cut" / "c4").exists()
    rest = Interrupted(100)
    prepare(source, tmp_path / "cut", rest, wait=False)  # the lock has died with its holder
    assert contents(tmp_path / "cut" / "c4") == contents(tmp_path / "whole" / "c4")
    # Six chunks were committed: five of the first shard (23 documents), one of the second.
    assert rest.n_documents == sum(map(len, TRAIN + VALIDATION)) - 23 - 5


@pytest.mark.parametrize("replaced", [0, 1])
def test_a_shard_replaced_meanwhile_is_tokenized_again(
    source: Path, tmp_path: Path, replaced: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        prepare(source, tmp_path, Interrupted(7))  # one chunk into the second shard
    new = [*TRAIN[:replaced], documents(13, 9), *TRAIN[replaced + 1 :]]
    write_shard(shard(source, "train", replaced), new[replaced])
    prepare(source, tmp_path)
    _, maps = open_tokens(tmp_path / "c4")
    np.testing.assert_array_equal(maps["train"], expected(new))


def test_another_request_starts_over(source: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        prepare(source, tmp_path, Interrupted(7))
    prepare(source, tmp_path, train_tokens=100)
    _, maps = open_tokens(tmp_path / "c4")
    np.testing.assert_array_equal(maps["train"], expected(TRAIN, 100))


def test_a_lost_token_file_starts_over(source: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        prepare(source, tmp_path, Interrupted(7))
    (tmp_path / "c4.partial" / "train.bin").unlink()
    prepare(source, tmp_path)
    _, maps = open_tokens(tmp_path / "c4")
    np.testing.assert_array_equal(maps["train"], expected(TRAIN))


def test_two_processes_do_not_prepare_at_once(source: Path, tmp_path: Path) -> None:
    done = threading.Event()
    with (tmp_path / "c4.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(FileError, match=r"c4\.lock is held by another process"):
            prepare(source, tmp_path, wait=False)
        waiting = threading.Thread(target=lambda: (prepare(source, tmp_path), done.set()))
        waiting.start()
        assert not done.wait(0.2)
        assert not (tmp_path / "c4.partial").exists()
    waiting.join()
    np.testing.assert_array_equal(open_tokens(tmp_path / "c4")[1]["train"], expected(TRAIN))


# --- Corruption of raw files, and disks


def truncated(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def flipped(data: bytes) -> bytes:
    return data[:100] + bytes([data[100] ^ 0xFF]) + data[101:]


@pytest.mark.parametrize(
    "damage",
    [
        truncated,
        flipped,
        lambda data: b"",
        lambda data: gzip.compress(b""),
        lambda data: gzip.decompress(data),
        lambda data: gzip.compress(b'{"text": "a", "timestamp": oops\n'),
        lambda data: gzip.compress(b'{"document": "a"}\n'),
        lambda data: gzip.compress(b'{"text": null, "timestamp": null, "url": null}\n'),
    ],
    ids=["truncated", "flipped", "empty", "nothing", "not gzip", "not JSON", "foreign", "null"],
)
def test_a_damaged_shard_is_named_and_preparation_goes_on_once_it_is_mended(
    source: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = shard(source, "train", 1)
    data = path.read_bytes()
    path.write_bytes(damage(data))
    with pytest.raises(DataError, match=f"{path.name}.*download .*again.* run the same command"):
        prepare(source, tmp_path)
    assert not (tmp_path / "c4").exists()
    path.write_bytes(data)
    rest = Interrupted(100)
    prepare(source, tmp_path, rest)
    assert rest.n_documents == sum(map(len, TRAIN + VALIDATION)) - len(TRAIN[0])
    _, maps = open_tokens(tmp_path / "c4")
    np.testing.assert_array_equal(maps["train"], expected(TRAIN))


def test_a_full_disk_is_named_and_preparation_goes_on_with_room(
    source: Path, tmp_path: Path
) -> None:
    texts = [["x" * 3000] * 20]
    write_shard(shard(source, "train", 0), texts[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))  # the second chunk does not fit
    try:
        with pytest.raises(FileError, match=r"train\.bin cannot be written .*: make room"):
            prepare(source, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "c4").exists()
    rest = Interrupted(100)
    prepare(source, tmp_path, rest)
    assert rest.n_documents == 15 + sum(map(len, TRAIN[1:] + VALIDATION))
    _, maps = open_tokens(tmp_path / "c4")
    np.testing.assert_array_equal(maps["train"], expected(texts + TRAIN[1:]))


def test_a_source_without_c4_files_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere is not a folder.*ADAMCT_DATA"):
        prepare(tmp_path / "nowhere", tmp_path)
    shard(source, "validation", 0, 1).unlink()
    with pytest.raises(DataError, match=r"c4/en holds no c4-validation.*download"):
        prepare(source, tmp_path)
    assert not list(tmp_path.glob("c4*"))


@pytest.mark.parametrize("count", [0, -3])
def test_a_count_that_asks_for_nothing_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(ValueError, match=f"train_tokens is {count}"):
        prepare(None, tmp_path, train_tokens=count)


def test_an_encoding_wider_than_two_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="cl100k has 100277 tokens, but uint16 holds 65536"):
        Encoder("cl100k", 100277, 100257, encode)


# --- The hub


@pytest.fixture
def hub(source: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hub's two calls, answered from `source`; returns the addresses that were opened."""
    import datasets
    import huggingface_hub

    opened: list[str] = []
    local = {
        f"en/c4-train.{i:05d}-of-01024.json.gz": shard(source, "train", i) for i in range(3)
    } | {"en/c4-validation.00000-of-00008.json.gz": shard(source, "validation", 0, 1)}
    load = datasets.load_dataset

    def get_paths_info(
        self: object, repo_id: str, paths: str, *, repo_type: str, revision: str
    ) -> list[SimpleNamespace]:
        assert (repo_id, repo_type, revision) == ("allenai/c4", "dataset", HUB_REVISION)
        data = local[paths].read_bytes()
        lfs = SimpleNamespace(sha256=hashlib.sha256(data).hexdigest())
        return [SimpleNamespace(size=len(data), lfs=lfs)]

    def load_dataset(kind: str, *, data_files: list[str], **options: object) -> object:
        opened.extend(data_files)
        prefix = f"hf://datasets/allenai/c4@{HUB_REVISION}/"
        files = [str(local[url.removeprefix(prefix)]) for url in data_files]
        return load(kind, data_files=files, **options)

    monkeypatch.setattr(huggingface_hub.HfApi, "get_paths_info", get_paths_info)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return opened


def test_without_a_local_copy_the_hub_is_streamed_as_far_as_needed(
    source: Path, tmp_path: Path, hub: list[str]
) -> None:
    n_train, n_validation = 500, 100
    manifest = prepare_c4(
        None,
        tmp_path,
        train_tokens=n_train,
        validation_tokens=n_validation,
        encoder=Encoder("ascii", 256, END, encode),
        progress=False,
    )
    _, maps = open_tokens(tmp_path / "c4")
    np.testing.assert_array_equal(maps["train"], expected(TRAIN, n_train))
    np.testing.assert_array_equal(maps["validation"], expected(VALIDATION, n_validation))
    assert [url.rsplit("/")[-1] for url in hub] == [
        "c4-train.00000-of-01024.json.gz",
        "c4-train.00001-of-01024.json.gz",
        "c4-validation.00000-of-00008.json.gz",
    ]
    first = shard(source, "train", 0).read_bytes()
    assert manifest.splits["train"].shards[0].sha256 == hashlib.sha256(first).hexdigest()


def test_an_unreachable_hub_is_reported_with_the_alternative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub.HfApi, "get_paths_info", fail)
    with pytest.raises(DataError, match=r"c4-train\.00000-of-01024.*no route.*--source"):
        prepare(None, tmp_path)


# --- What is prepared already


def test_another_request_on_prepared_data_is_refused(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path)
    with pytest.raises(DataError, match=r"1,000,000 train.*asked is 50 train.*delete .*c4 to"):
        prepare(source, tmp_path, train_tokens=50)


def test_data_prepared_from_less_than_the_source_now_has_is_refused(
    source: Path, tmp_path: Path
) -> None:
    prepare(source, tmp_path)
    write_shard(shard(source, "train", 3), documents(5, 7))
    with pytest.raises(DataError, match=r"of 1,000,000 train.*now offers 4.*delete .*c4 to"):
        prepare(source, tmp_path)


def test_further_shards_do_not_matter_to_a_split_that_is_full(source: Path, tmp_path: Path) -> None:
    first = prepare(source, tmp_path, train_tokens=300)
    write_shard(shard(source, "train", 3), documents(5, 7))
    assert prepare(source, tmp_path, train_tokens=300) == first
    write_shard(shard(source, "train", 0), documents(5, 7))
    with pytest.raises(DataError, match="of other names or sizes"):
        prepare(source, tmp_path, train_tokens=300)


# --- Opening


@pytest.fixture
def folder(source: Path, tmp_path: Path) -> Path:
    prepare(source, tmp_path)
    return tmp_path / "c4"


def test_missing_data_is_reported_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"c4 does not exist.*run scripts/prepare_data\.py c4"):
        open_corpus("c4", source=None, prepared=tmp_path)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("train.bin", lambda data: data[: len(data) // 2], r"train\.bin holds .* bytes"),
        ("train.bin", lambda data: data + b"\0\0", r"train\.bin holds .* bytes"),
        ("validation.bin", None, r"validation\.bin holds 0 bytes"),
        ("manifest.json", None, r"manifest\.json does not exist"),
        ("manifest.json", lambda data: data[:100], r"manifest\.json is not a manifest"),
        ("manifest.json", lambda data: b'{"format": "other"}', r"manifest\.json is not a"),
        ("manifest.json", lambda data: b"\xff\xfe", r"manifest\.json is not a manifest"),
    ],
)
def test_a_damaged_folder_names_the_file_and_the_remedy(
    folder: Path, name: str, change: Callable[[bytes], bytes] | None, message: str
) -> None:
    path = folder / name
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=rf"{message}.*delete .*c4 and run scripts/prepare_data"):
        open_corpus("c4", source=None, prepared=folder.parent)


def test_verification_finds_a_single_flipped_bit(folder: Path) -> None:
    assert verify_tokens(folder) == open_tokens(folder)[0]
    path = folder / "train.bin"
    data = bytearray(path.read_bytes())
    data[333] ^= 1
    path.write_bytes(data)
    open_tokens(folder)
    with pytest.raises(DataError, match=r"train\.bin has sha256 .*delete"):
        verify_tokens(folder)


# --- The command


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False
    )


def test_verify_reports_on_success_and_the_remedy_on_failure(folder: Path) -> None:
    found = command("verify", "--prepared", str(folder.parent))
    assert found.returncode == 0
    assert (
        f"train: {len(expected(TRAIN)):,} tokens (all there are; 1,000,000 asked)" in found.stdout
    )
    (folder / "train.bin").write_bytes(b"")
    failed = command("verify", "--prepared", str(folder.parent))
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: ")
    assert "delete" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_help_loads_no_heavy_library() -> None:
    program = f"""
import runpy, sys
sys.argv = ["prepare_data.py", "c4", "--help"]
try:
    runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
except SystemExit as end:
    assert end.code == 0
print(sorted({{"torch", "datasets", "tiktoken", "pandas"}} & set(sys.modules)))
"""
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "--train-tokens" in found.stdout
    assert found.stdout.splitlines()[-1] == "[]"


# --- The real sample


@pytest.fixture(scope="module")
def sample() -> Path:
    place = default_source()
    if place is None or len([*place.glob("c4/en/*.json.gz"), *place.glob("tiktoken/*")]) != 5:
        pytest.skip("ADAMCT_DATA names no sample of C4 with tiktoken's files")
    return place


def test_counts_of_the_real_sample(sample: Path, tmp_path: Path) -> None:
    manifest = prepare_c4(sample, tmp_path, progress=False)
    train, validation = manifest.splits["train"], manifest.splits["validation"]
    assert (train.tokens, train.tokens - train.documents) == (529_021, 527_425)
    assert (validation.tokens, validation.tokens - validation.documents) == (28_785, 28_701)
    corpus = open_corpus("c4", source=sample, prepared=tmp_path)
    assert (corpus.encoding, corpus.vocab_size) == ("gpt2", 50257)
    unigram = unigram_cross_entropy(corpus.train, corpus.validation, corpus.vocab_size)
    assert unigram == pytest.approx(7.82, abs=0.005)
    # Decoding gives the raw documents back, in order.
    raw = gzip.decompress(sorted(sample.glob("c4/en/c4-validation*"))[0].read_bytes())
    texts = [json.loads(line)["text"] for line in raw.decode().splitlines()]
    decoded = load_gpt2(sample).decode(corpus.validation.tolist())
    assert decoded == "".join(text + "<|endoftext|>" for text in texts)


def test_gpt2_encoding(sample: Path) -> None:
    encoding = load_gpt2(sample)
    assert encoding.n_vocab == 50257
    assert encoding.encode_ordinary("hello world") == [31373, 995]
