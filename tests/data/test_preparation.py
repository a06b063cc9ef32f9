"""Preparation of documents: layout, limits, interruption, corruption, the real sample's counts."""

import fcntl
import gzip
import hashlib
import json
import multiprocessing
import os
import re
import resource
import signal
import threading
from pathlib import Path

import numpy as np
import pytest

from adamct.data import DataError, locations, open_corpus, preparation
from adamct.data.preparation import prepare_corpus
from adamct.data.tokens import Manifest, Request, load_gpt2, open_tokens
from adamct.files import FileError

END = 50256


def letters(n: int, seed: int) -> list[str]:
    """Texts of 1 to 39 letters, and one without any."""
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(list("abc \n"), rng.integers(1, 40))) for _ in range(n)]
    texts[n // 2] = ""
    return texts


TRAIN = [letters(23, 0), letters(11, 1), letters(17, 2)]
VALIDATION = [letters(9, 3)]
SPLITS = {"train": TRAIN, "validation": VALIDATION}
N_DOCUMENTS = sum(map(len, TRAIN + VALIDATION))


def write_shard(path: Path, texts: list[str], column: str = "text", **others: object) -> None:
    rows = ({column: text, "timestamp": "2019-04-25T12:57:54Z", **others} for text in texts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))


def shard(source: Path, split: str, index: int, total: int = 3) -> Path:
    return source / "c4" / "en" / f"c4-{split}.{index:05d}-of-{total:05d}.json.gz"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for split, shards in SPLITS.items():
        for index, texts in enumerate(shards):
            write_shard(shard(tmp_path / "raw", split, index, len(shards)), texts)
    return tmp_path / "raw"


class Ascii:
    """Stands in for tiktoken's encoding, a token a letter; interrupted after ``n_calls``."""

    def __init__(self, n_calls: int = 1000, kill: bool = False) -> None:
        self.n_calls, self.kill, self.n_documents = n_calls, kill, 0

    def encode_ordinary_batch(self, texts: list[str]) -> list[list[int]]:
        if self.n_calls == 0:
            if self.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise KeyboardInterrupt
        self.n_calls -= 1
        self.n_documents += len(texts)
        return [list(text.encode("ascii")) for text in texts]


def prepare(source: Path | None, prepared: Path, encoding=None, corpus="c4", **asked) -> Manifest:
    """Prepare in chunks of five documents."""
    tokens = {split: asked.pop(f"{split}_tokens", 10**6) for split in SPLITS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparation, "CHUNK", 5)
        patch.setattr(preparation, "load_gpt2", lambda _: encoding or Ascii())
        return prepare_corpus(corpus, source, prepared, Request(tokens=tokens, **asked))


def expected(shards: list[list[str]], n_tokens: float = np.inf) -> np.ndarray:
    """The shortest run of whole documents, each with its end token, that reaches `n_tokens`."""
    tokens: list[int] = []
    for text in (text for texts in shards for text in texts):
        if len(tokens) >= n_tokens:
            break
        tokens += [*text.encode("ascii"), END]
    return np.array(tokens, dtype=np.uint16)


def assert_prepared(prepared: Path, train: np.ndarray | None = None, corpus: str = "c4") -> None:
    tokens = open_tokens(prepared / corpus, verify=True)[1]["train"]
    np.testing.assert_array_equal(tokens, expected(TRAIN) if train is None else train)


def assert_goes_on(source: Path, prepared: Path, n_left: int, train=None) -> None:
    """Check that what was broken off is nothing yet, and once the rest is encoded, all there is."""
    assert not (prepared / "c4").exists()
    rest = Ascii()
    prepare(source, prepared, rest)
    assert rest.n_documents == n_left
    assert_prepared(prepared, train)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_tokens_are_the_documents_in_order_each_with_its_end(source, tmp_path):
    manifest = prepare(source, tmp_path)
    assert sorted(contents(tmp_path / "c4")) == ["manifest.json", "train.bin", "validation.bin"]
    corpus = open_corpus("c4", source=None, prepared=tmp_path)
    for split, shards in SPLITS.items():
        record, data = manifest.splits[split], (tmp_path / "c4" / f"{split}.bin").read_bytes()
        assert data == expected(shards).astype("<u2").tobytes()
        assert record.sha256 == hashlib.sha256(data).hexdigest()
        assert record.documents == sum(map(len, shards))
        assert record.tokens == len(data) // 2
        for index, used in enumerate(record.shards):
            raw = shard(source, split, index, len(shards))
            assert (used.name, used.size) == (raw.name, raw.stat().st_size)
            assert used.sha256 == hashlib.sha256(raw.read_bytes()).hexdigest()
            assert used.documents == len(shards[index])
        mapped = getattr(corpus, split)
        assert isinstance(mapped, np.memmap)
        assert mapped.tobytes() == data
        assert not mapped.flags.writeable
    assert set(manifest.versions) == {"python", "datasets", "tiktoken"}
    # Runs are named by it, so it must not change.
    identity = json.dumps(["gpt2", "", *(manifest.splits[split].sha256 for split in SPLITS)])
    assert corpus.sha256 == hashlib.sha256(identity.encode()).hexdigest()


@pytest.mark.parametrize("n_tokens", [1, 200, 444, 445, 10**6])
def test_a_split_ends_with_the_document_that_reaches_the_count(source, tmp_path, n_tokens):
    train = expected(TRAIN, n_tokens)
    record = prepare(source, tmp_path, train_tokens=n_tokens).splits["train"]
    assert (record.tokens, record.documents) == (len(train), (train == END).sum())
    assert_prepared(tmp_path, train)


# C4 as others publish it again, with columns more, of unequal types, or under other names.
@pytest.mark.parametrize(
    ("column", "others"),
    [("text", {}), ("content", {"meta": {"url": "u", "n": [1]}, "timestamp": None})],
)
def test_any_folder_in_c4s_layout_and_any_column_is_read(tmp_path, column, others):
    for index, texts in enumerate(TRAIN):
        path = tmp_path / "raw" / "mine" / f"mine-train.{index}-of-3.json.gz"
        write_shard(path, texts, column, **(others if index else {"url": 7}))
    write_shard(path.with_name("mine-validation.json.gz"), ["2019-04-25T12:57:54Z"], column)
    prepare(tmp_path / "raw", tmp_path, corpus="mine", text_column=column)
    assert_prepared(tmp_path, corpus="mine")
    validation = open_tokens(tmp_path / "mine")[1]["validation"]
    np.testing.assert_array_equal(validation, expected([["2019-04-25T12:57:54Z"]]))


# Chunks of five documents: 5 in the first shard, 3 in the second, 4 in the third, 2 to validate.
@pytest.mark.parametrize(("n_chunks", "n_kept"), [(0, 0), (4, 0), (5, 23), (9, 34), (13, 51)])
def test_resuming_is_bit_identical_and_repeats_no_whole_shard(source, tmp_path, n_chunks, n_kept):
    prepare(source, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        prepare(source, tmp_path / "cut", Ascii(n_chunks))
    assert_goes_on(source, tmp_path / "cut", N_DOCUMENTS - n_kept)
    assert contents(tmp_path / "cut" / "c4") == contents(tmp_path / "whole" / "c4")


def test_a_killed_process_leaves_what_another_goes_on_from(source, tmp_path):
    arguments = (source, tmp_path, Ascii(6, kill=True))
    process = multiprocessing.get_context("fork").Process(target=prepare, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert_goes_on(source, tmp_path, N_DOCUMENTS - len(TRAIN[0]))  # its lock has died with it


@pytest.mark.parametrize("replaced", [0, 1])
def test_what_has_changed_since_is_tokenized_again(source, tmp_path, replaced):
    with pytest.raises(KeyboardInterrupt):
        prepare(source, tmp_path, Ascii(9))  # one chunk into the third shard
    new = [*TRAIN[:replaced], letters(13, 9), *TRAIN[replaced + 1 :]]
    write_shard(shard(source, "train", replaced), new[replaced])
    with pytest.raises(KeyboardInterrupt):
        prepare(source, tmp_path, Ascii(7))
    prepare(source, tmp_path, train_tokens=700)
    assert_prepared(tmp_path, expected(new, 700))


def test_two_processes_do_not_prepare_at_once(source, tmp_path):
    done = threading.Event()
    with (tmp_path / "c4.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = threading.Thread(target=lambda: (prepare(source, tmp_path), done.set()))
        waiting.start()
        assert not done.wait(0.2)
        assert not (tmp_path / "c4.partial").exists()
    waiting.join()
    assert_prepared(tmp_path)


def gz(lines: bytes):
    return lambda _: gzip.compress(lines)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[: len(data) * 2 // 3], ""),
        (lambda data: data[:100] + bytes([data[100] ^ 0xFF]) + data[101:], ""),
        (lambda data: b"", ""),
        (gz(b""), "holds no documents"),
        (gzip.decompress, ""),
        (gz(b'{"text": "a", "timestamp": oops\n'), "from document 0 on, .*JSON"),
        (gz(b'"text"\n'), "from document 0 on, "),
        (
            gz(b'{"text": "a"}\n{"word": "a", "n": 1}'),
            "1 on, .*keys word, n, expected a text under",
        ),
        (
            gz(b'{"text": "a"}\n{"text": null, "n": 1}'),
            "1 on, .*keys text, n, expected a text under",
        ),
    ],
)
def test_a_damaged_shard_is_named_and_once_mended_preparation_goes_on(
    source, tmp_path, damage, message
):
    path = shard(source, "train", 1)
    data = path.read_bytes()
    path.write_bytes(damage(data))
    remedy = r"--text-column.*download .*again.* run the same command"
    with pytest.raises(DataError, match=f"{path}.*{message}.*{remedy}"):
        prepare(source, tmp_path)
    path.write_bytes(data)
    assert_goes_on(source, tmp_path, N_DOCUMENTS - len(TRAIN[0]))


def test_a_full_disk_is_named_and_preparation_goes_on_with_room(source, tmp_path):
    texts = ["x" * 3000] * 20
    write_shard(shard(source, "train", 2), texts)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))  # the third shard does not fit
    try:
        with pytest.raises(FileError, match=r"c4\.partial/\w+\.tokens cannot be .*: make ro"):
            prepare(source, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    n_left = 20 + sum(map(len, VALIDATION))
    assert_goes_on(source, tmp_path, n_left, expected([*TRAIN[:2], texts]))


def test_a_source_without_files_is_refused(source, tmp_path):
    shard(source, "validation", 0, 1).unlink()
    for place, corpus, message in (
        (tmp_path / "nowhere", "c4", r"not in .*nowhere: .*c4/\*-train\..*--source"),
        (source, "c4", r"not in .*raw: expected .*c4/\*-validation\..*ADAMCT_DATA"),
        (source, "mine", r"not in .*raw: expected .*mine/\*-train\..*ADAMCT_DATA"),
        (None, "mine", r"not in any folder of raw data: .*mine/\*-train\..*ADAMCT_DAT"),
    ):
        with pytest.raises(DataError, match=message):
            prepare(place, tmp_path, corpus=corpus)
    with pytest.raises(ValueError, match=r"tokens\.train\s.*greater than 0"):
        prepare(source, tmp_path, train_tokens=0)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_without_a_local_copy_the_hub_is_streamed_as_far_as_needed(source, tmp_path, monkeypatch):
    opened: list[str] = []

    def from_disk(layout: str, url: str) -> object:
        if (tmp_path / "c4").exists():
            raise ConnectionError("no route")
        opened.append(url)
        name = Path(url).name.replace("-01024", "-00003").replace("-00008", "-00001")
        return locations.stream_rows(layout, str(source / "c4" / "en" / name))

    monkeypatch.setattr(preparation, "stream_rows", from_disk)
    prepare(None, tmp_path, train_tokens=500, validation_tokens=100)
    assert_prepared(tmp_path, expected(TRAIN, 500))
    train, validation = locations.hub_files("c4").values()
    assert opened == [*train[:2], validation[0]]
    assert train[1].endswith("/en/c4-train.00001-of-01024.json.gz")
    assert (len(train), len(validation)) == (1024, 8)
    with pytest.raises(DataError, match=r"c4-train\.00000-of-01024.*no route.*--source"):
        prepare(None, tmp_path / "other")


def test_what_is_prepared_is_kept_or_if_of_something_else_refused(source, tmp_path):
    full = prepare(source, tmp_path / "full", train_tokens=300)
    first = prepare(source, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "c4").iterdir()}
    assert prepare(source, tmp_path, Ascii(0)) == first  # which would raise at once
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "c4").iterdir()} == before
    with pytest.raises(DataError, match=r"'train': 1000000,.*asked is .*'train': 50,.*delete .*c4"):
        prepare(source, tmp_path, train_tokens=50)
    write_shard(shard(source, "train", 3), letters(5, 7))
    with pytest.raises(DataError, match=r"of 1,000,000 train.*now offers 4.*delete .*c4 to"):
        prepare(source, tmp_path)
    assert prepare(source, tmp_path / "full", train_tokens=300) == full  # a further shard is none
    write_shard(shard(source, "train", 0), letters(5, 7))
    with pytest.raises(DataError, match="of other names or sizes"):
        prepare(source, tmp_path / "full", train_tokens=300)


@pytest.fixture
def folder(source: Path, tmp_path: Path) -> Path:
    prepare(source, tmp_path)
    return tmp_path / "c4"


def test_a_damaged_folder_names_the_file_and_the_remedy(folder):
    train, manifest = ((folder / name).read_bytes() for name in ("train.bin", "manifest.json"))
    for name, data, message in (
        ("validation.bin", b"", "has 0 bytes, but"),
        ("train.bin", train[: len(train) // 2], "has .* bytes, but"),
        ("train.bin", train + b"\0\0", "has .* bytes, but"),
        ("train.bin", None, "has 0 bytes, but"),
        ("manifest.json", manifest[:100], ".*cannot be read"),
        ("manifest.json", b'{"format": "other"}', ".*cannot be read"),
        ("manifest.json", b"\xff\xfe", ".*cannot be read"),
        ("manifest.json", None, ".*cannot be read .*No such"),
    ):
        (folder / name).unlink()
        if data is not None:
            (folder / name).write_bytes(data)
        remedy = "delete .*c4 and run scripts/prepare_data"
        with pytest.raises(DataError, match=rf"{name},? {message}.*{remedy}"):
            open_corpus("c4", source=None, prepared=folder.parent)


def test_the_command_verifies_every_byte(folder, script, capsys):
    main = script("prepare_data.py").main
    arguments = ["c4", "--verify", "--prepared", str(folder.parent)]
    assert main(arguments) == 0
    counts = f"train: {len(expected(TRAIN)):,} tokens (all there are; 1,000,000 asked)"
    assert counts in capsys.readouterr().out
    data = bytearray((folder / "train.bin").read_bytes())
    data[333] ^= 1
    (folder / "train.bin").write_bytes(data)
    open_tokens(folder)
    assert main(arguments) == 2
    assert re.match(r"error: .*train\.bin has sha256 .*delete", capsys.readouterr().err)


def test_what_is_not_prepared_is_not_verified(tmp_path, script, capsys):
    main = script("prepare_data.py").main
    (tmp_path / "raw" / "cifar10").mkdir(parents=True)
    folders = ["--source", str(tmp_path / "raw"), "--prepared", str(tmp_path / "prepared")]
    assert main(["cifar10", "--verify", *folders]) == 2
    assert "cifar10.images.pt is not there to be verified" in capsys.readouterr().err
    (tmp_path / "raw" / "plays").mkdir()
    (tmp_path / "raw" / "plays" / "input.txt").write_text("To be")
    assert main(["plays", *folders]) == 0
    assert "needs no preparation" in capsys.readouterr().out
    for asked in (["plays"], ["cifar10", "--verify"]):
        with pytest.raises(SystemExit):
            main([*asked, "--archive", *folders])
        assert "--archive downloads cifar10 alone" in capsys.readouterr().err


def test_counts_of_the_real_sample(real_data, tmp_path):
    corpus = open_corpus("c4", source=real_data, prepared=tmp_path)  # tokenized at its first use
    assert corpus.sha256 == "588103c5e8a0ed2afa6e7024d025733ffdcae77ed28c79bd383ee4be065fb625"
    assert (corpus.encoding, corpus.vocab_size) == ("gpt2", 50257)
    splits = prepare_corpus("c4", real_data, tmp_path, Request()).splits
    counts = [(split.tokens, split.tokens - split.documents) for split in splits.values()]
    assert counts == [(529_021, 527_425), (28_785, 28_701)]
    # Decoding gives the raw documents back, in order.
    raw = gzip.decompress(sorted(real_data.glob("c4/en/c4-validation*"))[0].read_bytes())
    texts = [json.loads(line)["text"] for line in raw.decode().splitlines()]
    decoded = load_gpt2(real_data).decode(corpus.validation.tolist())
    assert decoded == "".join(text + "<|endoftext|>" for text in texts)
