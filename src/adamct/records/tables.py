"""Records of runs → two tidy tables: all that figures and claims ever read.

``runs`` has one row per point of the experiments' grids, ``scalars`` one row per run and step.
Points that share a run share its ``run_id``, and its steps stand in ``scalars`` once.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Any

import numpy as np
import pandas as pd

from adamct.config.sweep import GridPoint, Sweep
from adamct.records.columns import spec_columns
from adamct.runs.arrays import Arrays
from adamct.runs.lines import StoreError
from adamct.runs.store import RunFolder, folders_of
from adamct.theory import discrete_growth_rate, growth_rate, region, stability_coefficient

# How a run ended, and on what: the columns of ``runs`` that no spec implies.
END_COLUMNS = ("status", "n_recorded", "reason", "commit", "dirty", "device", "wall_s")


@dataclass(frozen=True)
class Records:
    """Tidy records.

    Attributes:
        runs: per point: ``experiment, scale, run_id``; the labels ``beta, gamma, k, strategy,
            point, seed``; what the spec says, see :func:`~adamct.records.columns.spec_columns`;
            ``C``, both theories' growth rates per step (``paper_rate, exact_rate``) and
            ``region``; how the run ended, and on what: ``END_COLUMNS``.
        scalars: per run and step: ``run_id, n``; ``train_loss, lr, test_loss`` where recorded;
            ``max_update`` of the last level, whose update is applied, and ``max_update_1 …
            max_update_k`` of each; of other vectors ``name_1 … name_K``, too.
    """

    runs: pd.DataFrame
    scalars: pd.DataFrame

    def of(self, *experiments: str) -> Records:
        """Return the records of one experiment, or of several.

        Raises:
            KeyError: if an experiment is not among these records.
        """
        if missing := set(experiments) - set(self.runs.experiment):
            known = ", ".join(sorted(set(self.runs.experiment))) or "none at all"
            raise KeyError(f"no records of experiment {min(missing)!r}; there are {known}")
        return self.where(self.runs[self.runs.experiment.isin(experiments)])

    def where(self, runs: pd.DataFrame) -> Records:
        """Return the records of some rows of ``runs``."""
        kept = self.scalars[self.scalars.run_id.isin(runs.run_id)]
        return Records(runs.reset_index(drop=True), kept.reset_index(drop=True))

    def series(self, run_id: str, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the steps n and the values of one scalar of one run, where it was recorded.

        Raises:
            KeyError: if these records have no such scalar.
        """
        self._require(name in self.scalars, name)
        rows = self.scalars.loc[self.scalars.run_id == run_id, ["n", name]].dropna()
        return rows["n"].to_numpy(), rows[name].to_numpy()

    def vectors(self, run_id: str, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the steps n and the values (steps, K) of one vector of one run.

        Raises:
            KeyError: if the run has no such vector.
        """
        columns = takewhile(self.scalars.columns.__contains__, (f"{name}_{i}" for i in count(1)))
        rows = self.scalars.loc[self.scalars.run_id == run_id, ["n", *columns]]
        values = rows.set_index("n").dropna(how="all").dropna(how="all", axis=1)
        self._require(not values.empty, name, f"run {run_id} has")
        return values.index.to_numpy(), values.to_numpy()

    def matrix(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return one scalar of every run: the steps n, and values of shape (steps, points).

        The columns follow the rows of ``runs``; NaN where a run ended before the others. Steps at
        which no run recorded it are left out.

        Raises:
            KeyError: if these records have no such scalar, or a run has no step at all.
        """
        self._require(name in self.scalars, name)
        table = self.scalars.pivot(index="n", columns="run_id", values=name).dropna(how="all")
        if empty := set(self.runs.run_id) - set(table):
            raise KeyError(
                f"{len(empty)} of {len(self.runs)} runs recorded no step, {min(empty)} among them; "
                "choose with where() the runs with n_recorded > 0"
            )
        return table.index.to_numpy(), table[self.runs.run_id].to_numpy()

    def _require(self, there: bool, name: str, whose: str = "these records have") -> None:
        """Raise a KeyError with the remedy if a scalar or a vector is not there."""
        if not there:
            columns = self.scalars.columns.drop(["run_id", "n"])
            known = dict.fromkeys(re.sub(r"_\d+$", "", column) for column in columns)
            raise KeyError(
                f"{whose} no {name!r}; there are {', '.join(known) or 'none at all'}. Add it to "
                "the experiment's observe and train again; for the reference, also take it out of "
                "reference_omits and save it anew"
            )


def load(sweep: Sweep, overrides: Sequence[str] = (), *, without: Collection[str] = ()) -> Records:
    """Read the records of finished and diverged runs.

    Args:
        sweep: of the experiment.
        overrides: that they were composed with, for the command that trains what is missing.
        without: names of scalars and vectors that are not read, as the experiment's
            ``reference_omits``; nor are the steps at which nothing else was recorded, but the
            last of each run.

    Raises:
        StoreError: if a run is missing, with the command that trains it; or if its record is torn.
    """
    folders = folders_of(sweep)
    missing = [name for name, folder in folders.items() if not folder.is_done()]
    if missing:
        raise StoreError(
            f"{len(missing)} of {len(folders)} runs of {sweep.experiment} ({sweep.scale} scale) "
            f"are missing in {sweep.runs_dir}; train them with: "
            f"{training_command(sweep.experiment, sweep.scale, overrides)}"
        )
    for name, spec in sweep.runs.items():
        folders[name].check_spec(spec)
    parts = {name: _columns(folder, without) for name, folder in folders.items()}
    ends = {name: _end(folder) for name, folder in folders.items()}
    return Records(runs_table(sweep, ends), _scalars(parts))


def training_command(experiment: str, scale: str, overrides: Sequence[str] = ()) -> str:
    """Return the command that trains what is missing of an experiment.

    Example:
        >>> training_command("trajectory", "smoke", ["seed=1"])
        'python scripts/run.py -m experiment=trajectory scale=smoke seed=1'
    """
    words = ["-m", f"experiment={experiment}", f"scale={scale}", *overrides]
    return f"python scripts/run.py {shlex.join(words)}"


def runs_table(points: Iterable[GridPoint], ends: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return the table ``runs``: what the points say, what the theories say, how the runs ended.

    Args:
        points: the rows.
        ends: per ``run_id``: the values of ``END_COLUMNS``.
    """
    runs = pd.DataFrame([_row(point, ends[point.spec.run_id]) for point in points])
    beta, gamma = runs.beta.to_numpy(float), runs.gamma.to_numpy(float)
    return runs.assign(
        C=stability_coefficient(beta, gamma),
        paper_rate=growth_rate(beta, gamma),
        exact_rate=discrete_growth_rate(beta, gamma),
        region=region(beta, gamma),
    )


def join(parts: Sequence[Records]) -> Records:
    """Join the records of several experiments; a run that they share appears once in scalars."""
    if not parts:  # a figure drawn from theory alone
        return Records(
            *(pd.DataFrame(columns=c) for c in (["experiment", "run_id"], ["run_id", "n"]))
        )
    scalars = pd.concat([part.scalars for part in parts]).drop_duplicates(["run_id", "n"])
    runs = pd.concat([part.runs for part in parts])
    return Records(runs.reset_index(drop=True), scalars.reset_index(drop=True))


def _columns(folder: RunFolder, without: Collection[str]) -> Arrays:
    """Return the columns of one run; a vector becomes ``name_1 … name_K``."""
    columns: Arrays = {}
    for name, array in folder.arrays(without=without).items():
        if array.ndim == 1:
            columns[name] = array
            continue
        columns |= {f"{name}_{i}": column for i, column in enumerate(array.T, start=1)}
        if name == "max_update":  # of the last level, whose update is applied
            columns[name] = array[:, -1]
    if not without:
        return columns
    rows = columns["n"] == len(columns["n"]) - 1  # of a diverged run, the one that is not finite
    for name, column in columns.items():
        if name != "n":
            rows |= ~np.isnan(column)
    return {name: column[rows] for name, column in columns.items()}


def _scalars(parts: Mapping[str, Arrays]) -> pd.DataFrame:
    """Return the rows of all runs, one after the other; NaN where one has not what another has."""
    n_rows = {run_id: len(columns["n"]) for run_id, columns in parts.items()}
    names = list(dict.fromkeys(name for columns in parts.values() for name in columns))
    names.remove("n")
    steps = np.concatenate([columns["n"] for columns in parts.values()])
    values = np.full((len(names), len(steps)), np.nan)
    start = 0
    for run_id, columns in parts.items():
        for row, name in zip(values, names, strict=True):
            if name in columns:
                row[start : start + n_rows[run_id]] = columns.pop(name)  # and let it go
        start += n_rows[run_id]
    scalars = pd.DataFrame(values.T, columns=names, copy=False)
    scalars.insert(0, "n", steps)
    run_ids = np.array(list(n_rows), object).repeat(list(n_rows.values()))
    scalars.insert(0, "run_id", pd.Series(run_ids, dtype=str))
    return scalars


def _end(folder: RunFolder) -> dict[str, Any]:
    """Return how a run ended, and on what."""
    outcome = folder.outcome()
    assert outcome is not None  # as load() checks
    last = (folder.environments() or [{}])[-1]
    made = [last.get(name) for name in ("commit", "dirty", "device")]
    values = [outcome.status, outcome.step, outcome.reason, *made, folder.wall_s()]
    return dict(zip(END_COLUMNS, values, strict=True))


def _row(point: GridPoint, end: Mapping[str, Any]) -> dict[str, Any]:
    names = {"experiment": point.experiment, "scale": point.scale, "run_id": point.spec.run_id}
    return {**names, **point.labels, **spec_columns(point.spec), **end}
