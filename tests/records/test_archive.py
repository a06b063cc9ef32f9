"""Reference records: the same tables as the runs, and nothing that is torn or out of date."""

import io
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from adamct import records
from adamct.config.compose import compose_sweep
from adamct.plotting.registry import figure_files, reads
from adamct.plotting.source import reference_source
from adamct.records import archive
from adamct.runs.lines import StoreError
from adamct.runs.runner import train_run

# Two and three levels, so that columns are ragged; and an experiment that keeps train_loss.
LEVELS = ["experiment=max_update_levels", "scale=smoke", "n_steps=6"]
GRAINS = ["experiment=coarse_graining", "scale=smoke", "n_steps=6"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train both, and return a function: overrides → the sweep, and its own records."""
    runs = f"runs_dir={tmp_path_factory.mktemp('runs')}"
    for sweep in (compose_sweep([*asked, runs]) for asked in (LEVELS, GRAINS)):
        for spec in sweep.runs.values():
            train_run(spec, sweep.execution, runs_dir=sweep.runs_dir)

    def of(*overrides):
        sweep = compose_sweep([*overrides, runs])
        return sweep, records.load(sweep)

    return of


@pytest.fixture(scope="module")
def reference(trained, tmp_path_factory):
    """Save both in one folder."""
    folder = tmp_path_factory.mktemp("reference")
    for asked in (LEVELS, GRAINS):
        archive.save(*trained(*asked), folder)
    return folder


@pytest.fixture
def saved(reference, tmp_path):
    """Return a copy of the reference, which the test may spoil."""
    return shutil.copytree(reference, tmp_path, dirs_exist_ok=True)


def load(asked, folder):
    return archive.load(compose_sweep(asked, with_data=False), folder)


@pytest.mark.parametrize("asked", [LEVELS, GRAINS], ids=lambda asked: asked[0])
def test_the_tables_come_back_as_they_were(asked, trained, saved):
    _, own = trained(*asked)
    found = load(asked, saved)
    pd.testing.assert_frame_equal(found.runs, own.runs, check_exact=True)
    kept = own.scalars[list(found.scalars)]
    pd.testing.assert_frame_equal(found.scalars, kept, check_exact=True)
    left_out = set(own.scalars) - set(found.scalars)
    experiment = asked[0].removeprefix("experiment=")
    assert left_out == set(archive.read_provenance(saved)[experiment]["left_out"])
    assert (left_out == {"train_loss", "lr"}) == ("train_loss" in left_out) == (asked is LEVELS)
    assert ("query_key_sample_1" in found.scalars) == (asked is GRAINS)
    plain = pd.read_parquet(saved / f"{experiment}.scalars.parquet").set_index(["run_id", "n"])
    kept = found.scalars.set_index(["run_id", "n"])[list(plain)]
    pd.testing.assert_frame_equal(plain.loc[kept.index], kept, check_exact=True)


def test_a_part_of_an_experiment_can_be_read(trained, saved):
    """In the order of its own points, not of the file."""
    part = [*LEVELS, "optimizer.k=3,2", "optimizer.strategy=naive,exp"]
    found, (_, own) = load(part, saved), trained(*part)
    pd.testing.assert_frame_equal(found.runs, own.runs[list(found.runs)], check_exact=True)
    pd.testing.assert_frame_equal(
        found.scalars, own.scalars[list(found.scalars)], check_exact=True, check_like=True
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    values=arrays(np.float64, 8, elements=st.floats(width=64, allow_nan=False)),
    missing=st.sampled_from([0, 1, 8]),
)
def test_pandas_reads_every_float_to_the_bit(values, missing):
    """Subnormal or huge, present or not: a table is plain parquet."""
    values[:missing] = np.nan
    table = pd.DataFrame({"run_id": "a", "n": np.arange(8), "x": values})
    found = pd.read_parquet(io.BytesIO(archive.to_parquet(table)))
    pd.testing.assert_frame_equal(found, table, check_exact=True)
    assert np.array_equal(*(t.x[missing:].to_numpy().view(np.int64) for t in (found, table)))


@pytest.mark.parametrize("asked", [LEVELS, GRAINS], ids=lambda asked: asked[0])
def test_what_a_reference_omits_need_not_be_read(asked, trained):
    sweep, own = trained(*asked)
    found = records.load(sweep, without=sweep.reference_omits).scalars
    kept = [c for c in own.scalars if re.sub(r"_\d+$", "", c) not in sweep.reference_omits]
    pd.testing.assert_frame_equal(found, own.scalars[kept], check_exact=True)


def test_an_experiment_that_omits_nothing_is_kept_whole(trained, tmp_path):
    sweep, own = trained(*LEVELS)
    archive.save(replace(sweep, reference_omits=()), own, tmp_path)
    found = load(LEVELS, tmp_path).scalars
    pd.testing.assert_frame_equal(found, own.scalars, check_exact=True)


def test_an_experiment_that_rounds_is_kept_as_float32(trained, tmp_path):
    sweep, own = trained(*LEVELS)
    entry = archive.save(replace(sweep, reference_omits=(), reference_rounds=True), own, tmp_path)
    assert entry["rounded_to_float32"]
    values = own.scalars.columns.drop(["run_id", "n"])
    rounded = own.scalars[values].astype(np.float32).astype(np.float64)
    pd.testing.assert_frame_equal(load(LEVELS, tmp_path).scalars[values], rounded, check_exact=True)


def test_saving_again_gives_the_same_bytes(trained, saved):
    before = {path.name: path.read_bytes() for path in saved.glob("*.parquet")}
    archive.save(*trained(*LEVELS), saved)
    assert {path.name: path.read_bytes() for path in saved.glob("*.parquet")} == before
    assert set(archive.read_provenance(saved)) == {"max_update_levels", "coarse_graining"}


def test_the_provenance_says_what_made_it(trained, saved):
    entry = archive.read_provenance(saved)["max_update_levels"]
    _, own = trained(*LEVELS)
    assert entry["commits"] == sorted(set(own.runs.commit.dropna())) or [None]
    assert (entry["points"], entry["runs"], entry["steps"]) == (10, 10, 60)
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
            lambda folder: shutil.copy(*sorted(folder.glob("*.runs.parquet"))),
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
    assert "lacks 10 of the 10 points" in str(error.value)
    assert (
        "python scripts/run.py -m experiment=max_update_levels scale=smoke && "
        "python scripts/save_reference.py max_update_levels --scale smoke"
    ) in str(error.value)


def test_other_text_behind_the_same_definition_is_no_change(saved):
    """The embedded text differs between Python versions; the reference names its own."""
    whole, blank = compose_sweep(LEVELS), compose_sweep(LEVELS, with_data=False)
    assert blank[0].spec.task.data.sha256 is None
    assert [point.spec.without_data() for point in whole] == [point.spec for point in blank]
    own = {point.spec.task.data.sha256 for point in whole}
    assert set(load(LEVELS, saved).runs.data_sha256) == own != {None}


def test_the_repositorys_reference_is_whole_small_and_of_todays_experiments():
    source = reference_source("laptop")
    shown = {name: reads(path) for name, path in figure_files().items()}
    for experiment in sorted({e for experiments in shown.values() for e in experiments}):
        sweep, found = source.open(experiment)
        assert len(found.runs) == len(sweep)
        assert set(found.scalars.run_id) == set(found.runs.run_id)
        assert not found.runs.dirty.astype(bool).any()
    assert sum(path.stat().st_size for path in source.reference.glob("*.parquet")) <= 12e6
    pictures = {path.stem for path in source.reference.glob("*.png")}
    assert pictures == {path.stem for path in figure_files().values()}
