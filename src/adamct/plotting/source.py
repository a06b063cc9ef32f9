"""Where figures and verdicts get their records: the runs themselves, or the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adamct import records as store_records
from adamct.claims import CLAIMS, Verdict, judge
from adamct.config.compose import compose_sweep
from adamct.config.execution import WandbTracker
from adamct.config.sweep import Sweep
from adamct.plotting.registry import FIGURES_DIR
from adamct.records import Records, archive

REFERENCE_DIR = FIGURES_DIR / "reference"


@dataclass(frozen=True)
class Source:
    """Where figures get their records: each experiment is read once, however many show it.

    Attributes:
        scale: smoke, laptop or paper.
        overrides: of the configuration, such as ``seed=1``.
        reference: the folder of reference records to read; ``None`` reads the runs themselves.
    """

    scale: str
    overrides: tuple[str, ...] = ()
    reference: Path | None = None
    _known: dict[str, tuple[Sweep, Records]] = field(default_factory=dict, init=False, repr=False)

    def read(self, experiment: str) -> Records:
        """Return an experiment's records; as :meth:`open`."""
        return self.open(experiment)[1]

    def open(self, experiment: str) -> tuple[Sweep, Records]:
        """Return an experiment's sweep and its records.

        Raises:
            StoreError: if they are missing or torn, with the command that makes them.
            ConfigurationError: for an override that cannot work.
        """
        if experiment not in self._known:
            asked = [f"experiment={experiment}", f"scale={self.scale}", *self.overrides]
            if self.reference is None:
                sweep = compose_sweep(asked)
                omits = sweep.reference_omits  # what no figure and no claim reads
                found = store_records.load(sweep, self.overrides, without=omits)
                self._known[experiment] = sweep, found
            else:
                sweep = compose_sweep(asked, with_data=False)
                self._known[experiment] = sweep, archive.load(sweep, self.reference)
        return self._known[experiment]

    def holds(self, experiments: Sequence[str]) -> bool:
        """Return whether the reference holds all of some experiments."""
        assert self.reference is not None
        return set(archive.read_provenance(self.reference)).issuperset(experiments)

    def tracker(self) -> WandbTracker | None:
        """Return where figures are to be shown in W&B, if anywhere, as the overrides say."""
        named = {override: override.lstrip("+") for override in self.overrides}
        if not any(name.startswith("tracker") for name in named.values()):
            return None
        # The others are of the experiments: ranges, or keys that only some configurations have.
        asked = [o for o, name in named.items() if name.startswith(("tracker", "runs_dir"))]
        return compose_sweep(asked, sweep=False, with_data=False).tracker


def reference_source(scale: str, folder: Path = REFERENCE_DIR) -> Source:
    """Return the source that reads the reference records of a scale."""
    return Source(scale, reference=folder / scale)


def judge_all(source: Source) -> list[Verdict]:
    """Judge every claim whose records a reference holds, figure by figure."""
    verdicts = []
    for figure in sorted({claim.figure for claim in CLAIMS}):
        claims = [c for c in CLAIMS if c.figure == figure and source.holds(c.reads)]
        read = dict.fromkeys(name for claim in claims for name in claim.reads)
        verdicts += judge(claims, store_records.join([source.read(name) for name in read]))
    return verdicts
