"""Reference records: what finished runs left, small enough to be kept in the repository.

A folder holds, for every experiment of one scale,

- ``<experiment>.runs.parquet``: per run its spec, and how it ended;
- ``<experiment>.scalars.parquet``: per run and step what was recorded, less what the experiment's
  ``reference_omits`` names, and to the last bit unless it says ``reference_rounds``: then as
  float32. Where every run has one level, ``max_update`` is ``max_update_1`` and left out;
- ``provenance.json``: which code made them, when, on what, what was left out or rounded, and the
  hashes of both files;
- ``verdicts.md``: the verdicts of all claims on these records.

The tables are plain parquet, for any reader. What is read back here is checked against its hashes,
and against the experiment as it is defined today.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from adamct import files
from adamct.config.spec import RunSpec
from adamct.config.sweep import Sweep
from adamct.records import END_COLUMNS, Records, runs_table, training_command
from adamct.runs.lines import StoreError
from adamct.runs.store import processes_of

PROVENANCE = "provenance.json"
ENVIRONMENT = ("python", "device", "threads", "compiled", "deterministic")


def save(sweep: Sweep, records: Records, folder: Path) -> dict[str, Any]:
    """Save one experiment's records as reference, in place of those that were there.

    Args:
        sweep: of the experiment, composed with its data.
        records: of its points, as :func:`adamct.records.load` returns them.
        folder: of the experiment's scale.

    Returns:
        The entry in ``provenance.json``.

    Raises:
        FileError: if a file cannot be written.
    """
    experiment = sweep.experiment
    scalars, left_out = _scalars_to_save(sweep, records.scalars)
    contents = {
        f"{experiment}.runs.parquet": to_parquet(_runs_to_save(sweep, records.runs)),
        f"{experiment}.scalars.parquet": to_parquet(scalars),
    }
    with files.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        files.replace(folder / name, data)
    entry = _provenance(sweep, records) | {
        "left_out": left_out,
        "rounded_to_float32": sweep.reference_rounds,
        "files": {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in contents.items()
        },
    }
    # Last: without their entry, the files count as torn.
    whole = read_provenance(folder) | {experiment: entry}
    text = json.dumps(dict(sorted(whole.items())), indent=1, ensure_ascii=False)
    files.replace(folder / PROVENANCE, text + "\n")
    return entry


def load(sweep: Sweep, folder: Path) -> Records:
    """Read the reference of one experiment: the same tables as its runs would give.

    Args:
        sweep: of the experiment as it is defined today, composed without its data, which the
            reference names itself.
        folder: of the experiment's scale.

    Raises:
        StoreError: if a file is missing, torn or foreign, or was made by another definition of
            the experiment; with the command that renews it.
    """
    renew = (
        f"renew it with: {training_command(sweep.experiment, sweep.scale)} && python "
        f"scripts/save_reference.py {sweep.experiment} --scale {sweep.scale}"
    )
    entry = read_provenance(folder).get(sweep.experiment)
    if entry is None:
        raise StoreError(f"{folder} holds no reference of {sweep.experiment}; {renew}")
    runs_path, scalars_path = (folder / name for name in entry["files"])
    saved = _read(runs_path, entry, renew).to_pylist()
    specs = {spec.without_data(): spec for spec in map(_spec, saved)}
    if changed := [p for p in sweep if p.spec not in specs]:
        raise StoreError(
            f"{runs_path} lacks {len(changed)} of the {len(sweep)} points of {sweep.experiment} as "
            f"it is composed now: its definition has changed since, or an override asks for runs "
            f"that the reference does not hold; leave the override out, or {renew}"
        )
    points = [replace(point, spec=specs[point.spec]) for point in sweep]
    ends = {_spec(row).run_id: {name: row[name] for name in END_COLUMNS} for row in saved}
    wanted = list(dict.fromkeys(point.spec.run_id for point in points))
    scalars = _restored(_read(scalars_path, entry, renew).to_pandas(), wanted)
    return Records(runs_table(points, ends), scalars)


def read_provenance(folder: Path) -> dict[str, Any]:
    """Read what made the reference in a folder, per experiment; empty where there is none.

    Raises:
        StoreError: if the file is torn.
    """
    path = folder / PROVENANCE
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise StoreError(
            f"{path} is no provenance of reference records ({error}); "
            "restore it from the repository's history"
        ) from error


# ------------------------------------------------------------------------------------ tables


def _runs_to_save(sweep: Sweep, runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row a run: its spec, and how it ended."""
    specs = {name: spec.canonical_json() for name, spec in sweep.runs.items()}
    once = runs.drop_duplicates("run_id")
    return once[list(END_COLUMNS)].assign(spec=once.run_id.map(specs))


def _scalars_to_save(sweep: Sweep, scalars: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the scalars that are kept, and the names of those that the experiment omits."""
    left_out = [c for c in map(str, scalars) if re.sub(r"_\d+$", "", c) in sweep.reference_omits]
    kept = scalars.drop(columns=left_out)
    if _of_one_level(kept) and kept.max_update.equals(kept.max_update_1):
        kept = kept.drop(columns="max_update")
    if sweep.reference_rounds:
        kept = kept.astype(dict.fromkeys(kept.columns.drop(["run_id", "n"]), np.float32))
    return kept, left_out


def _restored(saved: pd.DataFrame, run_ids: Sequence[str]) -> pd.DataFrame:
    """Return the scalars of some runs, in their order, as :func:`adamct.records.load` would."""
    rank = {name: position for position, name in enumerate(run_ids)}
    ranks = saved.run_id.map(rank).dropna().sort_values(kind="stable")
    scalars = saved.loc[ranks.index].reset_index(drop=True)
    scalars = scalars.astype(dict.fromkeys(scalars.select_dtypes(np.float32), np.float64))
    scalars = scalars.copy()  # in one block: astype leaves one a column, which is slow to read
    if _of_one_level(scalars) and "max_update" not in scalars:
        scalars.insert(
            scalars.columns.get_loc("max_update_1") + 1, "max_update", scalars.max_update_1
        )
    return scalars


def _of_one_level(scalars: pd.DataFrame) -> bool:
    return "max_update_1" in scalars and "max_update_2" not in scalars


def to_parquet(table: pd.DataFrame) -> bytes:
    """Return a table as plain parquet: floats split into streams of bytes, then zstd.

    The leading bytes of neighbouring floats are alike, and so compress once they stand together.
    """
    buffer = io.BytesIO()
    numbers = list(table.select_dtypes("number"))
    pq.write_table(
        pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None),
        buffer,
        compression="zstd",
        compression_level=19,
        use_dictionary=[name for name in table if name not in numbers],
        use_byte_stream_split=numbers,
        write_statistics=False,
        store_schema=False,  # it would repeat, in Arrow's own words, what the file says
    )
    return buffer.getvalue()


def _read(path: Path, entry: Mapping[str, Any], renew: str) -> pa.Table:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror}); {renew}") from error
    if hashlib.sha256(data).hexdigest() != entry["files"][path.name]["sha256"]:
        raise StoreError(
            f"{path} is torn, altered, or not the file that {PROVENANCE} beside it names; {renew}"
        )
    return pq.read_table(io.BytesIO(data))


def _spec(row: Mapping[str, Any]) -> RunSpec:
    return RunSpec.model_validate_json(row["spec"])


# -------------------------------------------------------------------------------- provenance


def _provenance(sweep: Sweep, records: Records) -> dict[str, Any]:
    """Describe what made an experiment's records; a list holds the values that occurred."""
    runs = records.runs.drop_duplicates("run_id")
    made = processes_of(sweep)
    started = sorted(entry["started"] for entry in made)

    def distinct(values: Sequence[Any]) -> list[Any]:
        return sorted(set(values), key=str)

    libraries = sorted({library for entry in made for library in entry["versions"]})
    return {
        "command": training_command(sweep.experiment, sweep.scale),
        "commits": distinct([entry["commit"] for entry in made]),
        "dirty": any(entry["dirty"] for entry in made),
        "started": [started[0], started[-1]],
        "saved": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **{name: distinct([entry[name] for entry in made]) for name in ENVIRONMENT},
        "versions": {
            library: distinct([entry["versions"].get(library) for entry in made])
            for library in libraries
        },
        "wall_s": round(float(runs.wall_s.astype(float).sum()), 1),
        "points": len(records.runs),
        "runs": len(runs),
        "steps": len(records.scalars),
        "statuses": runs.status.value_counts().to_dict(),
    }
