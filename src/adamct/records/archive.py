"""Reference records: what finished runs left, small enough to be kept in the repository.

A folder holds, for every experiment of one scale,

- ``<experiment>.runs.parquet``: per run its spec, and how it ended;
- ``<experiment>.scalars.parquet``: per run and step what was recorded, to the last bit but for the
  sums of a few experiments (``ROUNDED``), less what no figure and no claim reads (``ONLY_IN``);
- ``provenance.json``: which code made them, when, on what, what was left out or rounded, and the
  hashes of both files;
- ``verdicts.md``: what all claims come to on these records, for a reader.

What is read back is checked against its hashes, and against the experiment as it is defined today.
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
from adamct.config.execution import Sweep
from adamct.config.spec import RunSpec
from adamct.records import END_COLUMNS, Records, runs_table, training_command
from adamct.runs.store import RunFolder, StoreError

PROVENANCE = "provenance.json"
# These are read in some experiments alone, and left out of the others' reference.
ONLY_IN = {
    "train_loss": ("coarse_graining",),
    "lr": ("annealed_unstable",),
    "max_update": (
        "annealed_unstable",
        "instability_map",
        "instability_strip",
        "max_update_boundary",
        "max_update_float64",
        "max_update_levels",
        "max_update_normal_curve",
    ),
}
# Sums over matrices of float32, taken in float64 and kept here as float32: to 6e-8 of themselves,
# where no claim is about less. Their last 29 bits would be most of the reference.
ROUNDED = ("direction", "gradient_orthogonality", "norm_equilibrium")
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
    left_out = [n for n in records.scalars.columns if not _is_read(n, experiment)]
    scalars = records.scalars.drop(columns=left_out)
    if experiment in ROUNDED:
        sums = scalars.columns.drop(["run_id", "n"])
        scalars = scalars.astype(dict.fromkeys(sums, np.float32))
    contents = {
        f"{experiment}.runs.parquet": _to_bytes(_pack_runs(sweep, records.runs)),
        f"{experiment}.scalars.parquet": _to_bytes(pack_scalars(scalars)),
    }
    with files.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        files.replace(folder / name, data)
    entry = _provenance(sweep, records) | {
        "left_out": left_out,
        "rounded_to_float32": experiment in ROUNDED,
    }
    entry["files"] = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in contents.items()
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
    scalars = unpack_scalars(_read(scalars_path, entry, renew), wanted)
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


def _pack_runs(sweep: Sweep, runs: pd.DataFrame) -> pa.Table:
    """Return one row a run: its spec, and how it ended."""
    specs = {name: spec.canonical_json() for name, spec in sweep.runs.items()}
    once = runs.drop_duplicates("run_id")[["run_id", *END_COLUMNS]]
    once = once.assign(run_id=once.run_id.map(specs)).rename(columns={"run_id": "spec"})
    return pa.Table.from_pandas(once, preserve_index=False)


def _is_read(column: str, experiment: str) -> bool:
    name = re.sub(r"_\d+$", "", column)
    return experiment in ONLY_IN.get(name, (experiment,))


def pack_scalars(scalars: pd.DataFrame) -> pa.Table:
    """Return the table that :func:`unpack_scalars` takes: no bit is lost, and none kept twice."""
    columns: dict[str, pa.Array] = {}
    same_as: dict[str, str] = {}
    differences: dict[str, int] = {}
    first: dict[bytes, str] = {}
    for name in scalars.columns.drop(["run_id", "n"]):
        values = scalars[name].to_numpy(float)
        twin = first.setdefault(values.tobytes(), name)
        if twin != name:
            same_as[name] = twin
            continue
        columns[name], order = _packed(values)
        if order:
            differences[name] = order
    columns["n"] = pa.array(scalars.n, pa.int32())
    columns["run_id"] = pa.array(scalars.run_id)
    layout = {"columns": list(scalars), "same_as": same_as, "differences": differences}
    return pa.table(columns).replace_schema_metadata({"layout": json.dumps(layout)})


def _packed(values: np.ndarray) -> tuple[pa.Array, int]:
    """Return a column's values, or the differences of their bits, whichever is smallest.

    Float32 where that loses nothing. A smooth column of float64 has nearly equal bits from step to
    step: of their differences (of their differences) most leading bytes are zero.
    """
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    if np.array_equal(narrow.astype(float), values, equal_nan=True):
        return pa.array(narrow, from_pandas=True), 0
    choices = [pa.array(values, from_pandas=True)]
    bits = values.view(np.int64)
    for _ in range(2):
        bits = np.diff(bits, prepend=0)  # modulo 2⁶⁴
        choices.append(pa.array((bits << 1) ^ (bits >> 63)))  # the sign last: small is small
    order = min(range(3), key=lambda i: len(_to_bytes(pa.table({"values": choices[i]}))))
    return choices[order], order


def _unpacked(column: pa.ChunkedArray, order: int) -> np.ndarray:
    values = column.to_numpy()
    if order == 0:
        return values.astype(np.float64)
    bits = values.view(np.uint64)
    bits = (bits >> 1).view(np.int64) ^ -(bits & 1).view(np.int64)
    for _ in range(order):
        bits = np.cumsum(bits)
    return bits.view(np.float64)


def unpack_scalars(table: pa.Table, wanted: Sequence[str]) -> pd.DataFrame:
    """Return the scalars of the wanted runs, in this order, as they were before packing."""
    layout = json.loads(table.schema.metadata[b"layout"])
    run_ids = table["run_id"].combine_chunks().dictionary_encode()
    rank = {name: position for position, name in enumerate(wanted)}
    ranks = np.array([rank.get(name, -1) for name in run_ids.dictionary.to_pylist()])
    ranks = ranks[run_ids.indices.to_numpy()]
    rows = np.argsort(ranks, kind="stable")
    rows = rows[ranks[rows] >= 0]
    stored: dict[str, Any] = {
        name: _unpacked(table[name], layout["differences"].get(name, 0))[rows]
        for name in table.column_names
        if name not in ("run_id", "n")
    }
    stored["n"] = table["n"].to_numpy()[rows].astype(np.int64)
    stored["run_id"] = pd.Index(list(wanted)).take(ranks[rows])
    return pd.DataFrame(
        {name: stored[layout["same_as"].get(name, name)] for name in layout["columns"]}
    )


def _to_bytes(table: pa.Table) -> bytes:
    wide = (pa.float32(), pa.float64(), pa.int64())
    numbers = [column.name for column in table.schema if column.type in wide]
    buffer = io.BytesIO()
    with pq.ParquetWriter(
        buffer,
        table.schema,
        compression="zstd",
        compression_level=19,
        use_dictionary=[name for name in table.column_names if name not in numbers],
        use_byte_stream_split=numbers,
        write_statistics=False,
        store_schema=False,  # it would repeat, in Arrow's own words, what the file says
    ) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(table.schema.metadata or {})
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
    folders = [RunFolder.of(spec, sweep.runs_dir) for spec in sweep.runs.values()]
    made = [entry for folder in folders for entry in folder.environments()]
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
