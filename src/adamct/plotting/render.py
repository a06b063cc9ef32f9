"""Records → a figure's pictures, the verdicts on its claims, and a file that says how it came."""

from __future__ import annotations

import hashlib
import inspect
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib as mpl

from adamct import files
from adamct import records as store_records
from adamct.claims import CLAIMS, judge
from adamct.claims.verdict import Verdict
from adamct.config.compose import compose_sweep
from adamct.config.execution import Sweep, WandbTracker
from adamct.plotting import registry as gallery
from adamct.plotting.style import save, style
from adamct.records import Records, training_command
from adamct.records import archive as reference

REFERENCE_DIR = gallery.FIGURES_DIR / "reference"
# What a reader of "what was run" wants to know of the specs, and how much of it in full.
SETTINGS = (
    *("beta", "gamma", "k", "strategy", "lr", "weight_decay", "schedule"),
    *("guard", "state_dtype"),
)
MOST_VALUES = 6
PICTURE_DPI = 150  # 1,050 pixels across: sharp in a page, small in a repository


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
                self._known[experiment] = sweep, store_records.load(sweep, self.overrides)
            else:
                sweep = compose_sweep(asked, with_data=False)
                self._known[experiment] = sweep, reference.load(sweep, self.reference)
        return self._known[experiment]

    def tracker(self) -> WandbTracker | None:
        """Return where figures are to be shown in W&B, if anywhere, as the overrides say."""
        named = {override: override.lstrip("+") for override in self.overrides}
        if not any(name.startswith("tracker") for name in named.values()):
            return None
        # The others are of the experiments: ranges, or keys that only some configurations have.
        asked = [o for o, name in named.items() if name.startswith(("tracker", "runs_dir"))]
        return compose_sweep(asked, sweep=False, with_data=False).tracker


@dataclass(frozen=True)
class Drawn:
    """What became of a figure: the files that show it, and the verdicts on its claims."""

    name: str
    pictures: tuple[Path, ...]
    verdicts: tuple[Verdict, ...]

    def as_text(self) -> str:
        """Return what a terminal shows of it."""
        here = Path.cwd()
        shown = [p.relative_to(here) if p.is_relative_to(here) else p for p in self.pictures]
        head = f"{self.name}: {', '.join(map(str, shown))}"
        return "\n".join([head, *(verdict.as_text() for verdict in self.verdicts)])


def draw(name: str, source: Source, folder: Path) -> Drawn:
    """Draw one figure, judge its claims, and write ``<stem>.json`` beside its pictures.

    Args:
        name: as make knows it: ``"fig3"``.
        source: where its records come from.
        folder: where the pictures go.

    Raises:
        StoreError, ConfigurationError: as :meth:`Source.read`.
    """
    began = time.monotonic()
    path, module, parts = _opened(name, source)
    records = store_records.join(list(parts.values()))
    with style():
        pictures = save(module.draw(records), folder / path.stem)
    if hasattr(module, "table"):  # the numbers behind the points, where a picture cannot name them
        pictures.append(folder / f"{path.stem}.csv")
        module.table(records).to_csv(pictures[-1], index=False)
    number = path.stem.split("_")[0]
    verdicts = [judge(claim, records) for claim in CLAIMS if claim.figure == number]
    facts = {
        "figure": name,
        "stem": path.stem,
        "title": (inspect.getdoc(module) or "").partition("\n")[0],
        "caption": module.CAPTION,
        "alt": module.ALT,
        "scale": source.scale,
        "source": "runs" if source.reference is None else "reference",
        "drawn": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - began, 3),
        "verdicts": [verdict.model_dump(mode="json") for verdict in verdicts],
        "experiments": [
            describe(source.open(experiment)[0], part, source.overrides)
            for experiment, part in parts.items()
        ],
    }
    text = json.dumps(facts, indent=1, ensure_ascii=False)
    files.replace(folder / f"{path.stem}.json", text + "\n")
    return Drawn(name, tuple(pictures), tuple(verdicts))


def draw_picture(name: str, source: Source, path: Path) -> None:
    """Draw one figure as a PNG file of moderate size, and nothing else.

    Raises:
        StoreError, ConfigurationError: as :meth:`Source.read`.
    """
    _, module, parts = _opened(name, source)
    with style():
        figure = module.draw(store_records.join(list(parts.values())))
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=PICTURE_DPI)


def _opened(name: str, source: Source) -> tuple[Path, ModuleType, dict[str, Records]]:
    """Return a figure's file, its module, and the records of each experiment that it reads."""
    mpl.use("Agg")
    path = gallery.chosen([name])[name]
    parts = {experiment: source.read(experiment) for experiment in gallery.reads(path)}
    return path, gallery.import_file(path), parts


def describe(sweep: Sweep, records: Records, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Say what an experiment asks, and of which runs its records are.

    ``wall_s`` adds up the runs' times; one that was killed and went on has none, and counts 0.
    """
    runs = records.runs.drop_duplicates("run_id")

    def distinct(column: str) -> list[Any]:
        return sorted(set(runs[column].dropna().tolist()))

    return {
        "experiment": sweep.experiment,
        "question": sweep.question,
        "command": training_command(sweep.experiment, sweep.scale, overrides),
        "points": len(records.runs),
        "runs": len(runs),
        "seeds": distinct("seed"),
        "n_steps": distinct("n_steps"),
        "settings": {name: spread(distinct(name)) for name in SETTINGS},
        "corpora": distinct("corpus"),
        "data_sha256": distinct("data_sha256"),
        "commits": distinct("commit"),
        "dirty": True in distinct("dirty"),
        "devices": distinct("device"),
        "statuses": runs.status.value_counts().to_dict(),
        "wall_s": round(float(runs.wall_s.astype(float).sum()), 3),
        "run_ids_sha256": hashlib.sha256("\n".join(sorted(runs.run_id)).encode()).hexdigest(),
    }


def spread(values: Sequence[Any]) -> str:
    """Return distinct values in few words.

    Example:
        >>> spread(["exp", "naive"]), spread([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
        ('exp, naive', '0.1 … 0.7 (7 values)')
    """
    words = [f"{value:.6g}" if isinstance(value, float) else str(value) for value in values]
    if len(words) <= MOST_VALUES:
        return ", ".join(words)
    return f"{words[0]} … {words[-1]} ({len(words)} values)"
