"""A sweep: the points of one experiment at one scale, and how their runs are executed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adamct.config.execution import Execution, WandbTracker
from adamct.config.spec import RunSpec


@dataclass(frozen=True)
class GridPoint:
    """One point of an experiment's grid: the labels that figures sort by, and the run behind it.

    Several points may share a run (every strategy at k = 1): it is trained once.
    """

    experiment: str
    scale: str
    labels: dict[str, Any]  # beta, gamma (of the strategy's pair), k, strategy, point, seed
    spec: RunSpec


@dataclass(frozen=True)
class Sweep:
    """The points of one experiment at one scale, and how their runs are executed.

    Attributes:
        points: in the order in which they are launched; at least one.
        execution: of every run.
        runs_dir: folder of the run folders.
        data_dir: raw data, only read; ``None`` where only embedded data is used.
        cache_dir: prepared data.
        tracker: where the records are mirrored; ``None`` for nowhere.
        launcher: by its file in Hydra; ``"local"``, ``"basic"`` and ``"joblib"`` train on this
            machine.
        n_jobs: processes of the local launcher, as joblib counts them.
        runs_per_gpu: how many of them share a GPU, where ``n_jobs`` is negative.
        question: what the experiment asks.
        paper: where in the paper.
        reference_omits: the scalars that its reference records leave out.
        reference_rounds: whether they keep the others as float32.
    """

    points: tuple[GridPoint, ...]
    execution: Execution
    runs_dir: Path
    data_dir: Path | None
    cache_dir: Path
    tracker: WandbTracker | None = None
    launcher: str = "local"
    n_jobs: int = 1
    runs_per_gpu: int = 1
    question: str = ""
    paper: str = ""
    reference_omits: tuple[str, ...] = ()
    reference_rounds: bool = False

    @property
    def experiment(self) -> str:
        """Name of the experiment."""
        return self.points[0].experiment

    @property
    def scale(self) -> str:
        """smoke, laptop or paper."""
        return self.points[0].scale

    @property
    def runs(self) -> dict[str, RunSpec]:
        """The specs by ``run_id``, each once, in the order of the points."""
        return {point.spec.run_id: point.spec for point in self.points}

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.points)

    def __iter__(self) -> Iterator[GridPoint]:
        """Iterate over the points."""
        return iter(self.points)

    def __getitem__(self, index: int) -> GridPoint:
        """Return one point."""
        return self.points[index]
