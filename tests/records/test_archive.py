"""Reference records: the same tables as the runs, and nothing that is torn or out of date."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from adamct import records
from adamct.config.compose import compose_sweep
from adamct.plotting.registry import figure_files, import_file, reads
from adamct.plotting.render import REFERENCE_DIR, Source
from adamct.records import archive as reference
from adamct.runs.runner import carry_out
from adamct.runs.store import StoreError

SAVING = Path(__file__).parents[2] / "scripts" / "save_reference.py"
# Two and three levels, so that columns are ragged; and an experiment that keeps every column.
LEVELS = ["experiment=max_update_levels", "scale=smoke", "n_steps=6"]
GRAINS = ["experiment=coarse_graining", "scale=smoke", "n_steps=6"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train both, and return the override that finds them."""
    runs = f"runs_dir={tmp_path_factory.mktemp('runs')}"
    for cell in (cell for sweep in (LEVELS, GRAINS) for cell in compose_sweep([*sweep, runs])):
        carry_out(cell.spec, sweep.execution, runs_dir=sweep.runs_dir, cache_dir=sweep.cache_dir)
    return runs


@pytest.fixture
def saved(trained, tmp_path):
    """Save both in a folder of this test."""
    for sweep in (LEVELS, GRAINS):
        cells = compose_sweep([*sweep, trained])
        reference.save(cells, records.load(cells), tmp_path)
    return tmp_path


def load(sweep, folder):
    return reference.load(compose_sweep(sweep, with_data=False), folder)


@pytest.mark.parametrize("sweep", [LEVELS, GRAINS], ids=lambda sweep: sweep[0])
def test_the_tables_come_back_as_they_were(sweep, trained, saved):
    own = records.load(compose_sweep([*sweep, trained]))
    found = load(sweep, saved)
    pd.testing.assert_frame_equal(found.runs, own.runs, check_exact=True)
    kept = own.scalars[list(found.scalars)]
    pd.testing.assert_frame_equal(found.scalars, kept, check_exact=True)
    left_out = reference.read_provenance(saved)[own.runs.experiment[0]]["left_out"]
    assert set(own.scalars) - set(found.scalars) == set(left_out)


def test_what_is_left_out_is_left_out_by_name(saved):
    provenance = reference.read_provenance(saved)
    assert provenance["max_update_levels"]["left_out"] == ["train_loss", "lr"]
    assert "train_loss" not in provenance["coarse_graining"]["left_out"]
    assert "query_key_sample_1" in load(GRAINS, saved).scalars


def test_a_part_of_an_experiment_can_be_read(trained, saved):
    """In the order of its own cells, not of the file."""
    part = [*LEVELS, "optimizer.k=3,2", "optimizer.strategy=naive,exp"]
    found, own = load(part, saved), records.load(compose_sweep([*part, trained]))
    pd.testing.assert_frame_equal(found.runs, own.runs[list(found.runs)], check_exact=True)
    pd.testing.assert_frame_equal(
        found.scalars, own.scalars[list(found.scalars)], check_exact=True, check_like=True
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    values=arrays(np.float64, 8, elements=st.floats(width=64, allow_nan=False)),
    missing=st.sampled_from([0, 1, 8]),
    smooth=st.booleans(),
)
def test_every_float_comes_back_to_the_bit(values, missing, smooth):
    """Subnormal or huge, in float32 or not, as they are or in differences."""
    values = np.cumsum(1e-3 * np.arange(8)) + 1 / 3 if smooth else values
    values[:missing] = np.nan
    scalars = pd.DataFrame({"run_id": "a", "n": np.arange(8), "x": values, "y": values})
    found = reference.unpack_scalars(reference.pack_scalars(scalars), ["a"])
    assert list(found) == list(scalars)
    for name in ("x", "y"):
        assert np.array_equal(found[name].isna(), scalars[name].isna())
        present = ~np.isnan(values)
        bits, expected = (v[present].view(np.int64) for v in (found[name].to_numpy(), values))
        assert np.array_equal(bits, expected)


def test_saving_again_gives_the_same_bytes(trained, saved):
    before = {path.name: path.read_bytes() for path in saved.glob("*.parquet")}
    cells = compose_sweep([*LEVELS, trained])
    reference.save(cells, records.load(cells), saved)
    assert {path.name: path.read_bytes() for path in saved.glob("*.parquet")} == before
    assert set(reference.read_provenance(saved)) == {"max_update_levels", "coarse_graining"}


def test_the_provenance_says_what_made_it(trained, saved):
    entry = reference.read_provenance(saved)["max_update_levels"]
    own = records.load(compose_sweep([*LEVELS, trained]))
    assert entry["commits"] == sorted(set(own.runs.commit.dropna())) or [None]
    assert (entry["cells"], entry["runs"], entry["steps"]) == (8, 8, 48)
    assert entry["threads"] == [1]
    assert "torch" in entry["versions"]
    assert entry["wall_s"] == pytest.approx(own.runs.wall_s.sum(), abs=0.1)
    for name, file in entry["files"].items():
        assert (saved / name).stat().st_size == file["bytes"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "provenance.json").unlink(), "holds no reference of"),
        (lambda folder: (folder / "provenance.json").write_text("{"), "is no provenance"),
        (
            lambda folder: (folder / "max_update_levels.scalars.parquet").unlink(),
            "max_update_levels.scalars.parquet cannot be read",
        ),
        (
            lambda folder: (folder / "coarse_graining.runs.parquet").replace(
                folder / "max_update_levels.runs.parquet"
            ),
            "max_update_levels.runs.parquet is torn, altered, or not the file",
        ),
    ],
    ids=["no provenance", "torn provenance", "no scalars", "foreign runs"],
)
def test_a_file_that_is_missing_torn_or_foreign_is_named(spoil, message, saved):
    spoil(saved)
    with pytest.raises(StoreError, match=message):
        load(LEVELS, saved)


def test_an_experiment_that_has_changed_names_the_command_that_renews_it(saved):
    with pytest.raises(StoreError, match="its definition has changed since") as error:
        load([*LEVELS, "optimizer.lr=0.002"], saved)
    assert "lacks 8 of the 8 cells" in str(error.value)
    assert (
        "python scripts/run.py -m experiment=max_update_levels scale=smoke && "
        "python scripts/save_reference.py max_update_levels --scale smoke"
    ) in str(error.value)


def test_other_text_behind_the_same_definition_is_no_change(saved):
    """The embedded text differs between Python versions; the reference names its own."""
    found = load(LEVELS, saved)
    assert compose_sweep(LEVELS, with_data=False)[0].spec.task.data.sha256 is None
    assert set(found.runs.data_sha256) == {
        json.loads(cell.spec.canonical_json())["task"]["data"]["sha256"]
        for cell in compose_sweep(LEVELS)
    }


def test_a_spec_without_its_data_is_the_one_composed_without():
    whole, blank = compose_sweep(LEVELS), compose_sweep(LEVELS, with_data=False)
    assert [cell.spec.without_data() for cell in whole] == [cell.spec for cell in blank]
    assert whole[0].spec != blank[0].spec


@pytest.fixture(scope="module")
def committed():
    """Return the repository's own reference, each experiment of which is read once."""
    return Source("laptop", reference=REFERENCE_DIR / "laptop")


def test_the_repositorys_reference_is_whole_small_and_of_todays_experiments(committed):
    folder = committed.reference
    shown = {name: reads(path) for name, path in figure_files().items()}
    for experiment in sorted({e for experiments in shown.values() for e in experiments}):
        cells = compose_sweep([f"experiment={experiment}", "scale=laptop"], with_data=False)
        found = committed.read(experiment)
        assert len(found.runs) == len(cells)
        assert set(found.scalars.run_id) == set(found.runs.run_id)
        assert not found.runs.dirty.astype(bool).any()
    assert sum(path.stat().st_size for path in folder.glob("*.parquet")) <= 5e6
    pictures = {path.stem for path in folder.glob("*.png")}
    assert pictures == {path.stem for path in figure_files().values()}


NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-")


def words_and_numbers(text):
    text = text.translate(SUPERSCRIPTS).replace(" × 10", "e")
    return NUMBER.split(text), [float(n.replace(",", "")) for n in NUMBER.findall(text)]


def test_the_verdicts_in_the_repository_are_those_of_its_reference(committed):
    """To 2 %: the last of three figures, and rounding errors, may differ between machines."""
    saving = import_file(SAVING)
    now = words_and_numbers(saving.verdicts(committed))
    then = words_and_numbers((committed.reference / saving.VERDICTS).read_text("utf-8"))
    renew = "the verdicts are of other claims or records; python scripts/save_reference.py"
    assert now[0] == then[0], renew
    assert now[1] == pytest.approx(then[1], rel=0.02, abs=1e-9), renew
