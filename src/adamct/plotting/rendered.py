"""What a rendered figure leaves behind, as its JSON file says it: written and read by one class."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from adamct.claims import Verdict
from adamct.plotting.registry import figure_number, short_name


class ExperimentRuns(BaseModel):
    """One experiment that a figure reads, and the runs that were read.

    Attributes:
        settings: what tells its runs apart, each in a few words.
        wall_s: their times added up; one that was killed and went on has none, and counts 0.
        run_ids_sha256: of the names of all its runs.
    """

    model_config = ConfigDict(frozen=True)

    experiment: str
    question: str
    command: str
    points: int
    runs: int
    seeds: tuple[int, ...]
    n_steps: tuple[int, ...]
    settings: dict[str, str]
    corpora: tuple[str, ...]
    data_sha256: tuple[str, ...]
    commits: tuple[str, ...]
    dirty: bool
    devices: tuple[str, ...]
    statuses: dict[str, int]
    wall_s: float
    run_ids_sha256: str


class Rendered(BaseModel):
    """A rendered figure: its files and verdicts.

    Attributes:
        figure: as make knows it: ``"fig3"``.
        stem: of its files.
        source: of the records: the reader's own runs, or the repository's reference.
        seconds: that rendering and judging took.
        files: the names of its pictures, and of its table if it has one.
    """

    model_config = ConfigDict(frozen=True)

    figure: str
    stem: str
    title: str
    caption: str
    alt: str = Field(min_length=1)
    scale: str
    source: Literal["runs", "reference"]
    drawn: AwareDatetime
    seconds: float
    files: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    experiments: tuple[ExperimentRuns, ...]

    def as_text(self, folder: Path) -> str:
        """Return what a terminal shows of it; its files are in ``folder``."""
        here = Path.cwd()
        shown = folder.relative_to(here) if folder.is_relative_to(here) else folder
        head = f"{self.figure}: {', '.join(str(shown / name) for name in self.files)}"
        texts = (v.as_text(aside=self.counted_elsewhere(v)) for v in self.verdicts)
        return "\n".join([head, *texts])

    def counted_elsewhere(self, verdict: Verdict) -> str:
        """Say with which figure a verdict counts; empty if with this one."""
        own = short_name(verdict.figure)
        return "" if own == self.figure else f"counted with Figure {figure_number(own)}"
