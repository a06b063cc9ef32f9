"""Records → a figure's pictures, the verdicts on its claims, and a JSON file of its facts."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

from adamct import files
from adamct import records as store_records
from adamct.claims import CLAIMS, Claim, Verdict, judge
from adamct.config.sweep import Sweep
from adamct.plotting import no_backend as no_backend  # before all that imports matplotlib
from adamct.plotting import registry
from adamct.plotting.rendered import ExperimentRuns, Rendered
from adamct.plotting.source import Source
from adamct.plotting.style import save, style
from adamct.records import Records, training_command

# What a reader of "what was run" wants to know of the specs, and how much of it in full.
SETTINGS = (
    *("beta", "gamma", "k", "strategy", "lr", "weight_decay", "schedule"),
    *("guard", "state_dtype"),
)
MOST_VALUES = 6
PICTURE_DPI = 150  # 1,050 pixels across: sharp in a page, small in a repository


def render(name: str, source: Source, folder: Path) -> Rendered:
    """Draw one figure, judge its claims, and write ``<stem>.json`` beside its pictures.

    Args:
        name: as make knows it: ``"fig3"``.
        source: where its records come from.
        folder: where the pictures go.

    Raises:
        StoreError, ConfigurationError: as :meth:`Source.read`.
    """
    began = time.monotonic()
    path, module, read = _opened(name, source)
    records = store_records.join([part for _, part in read])
    with style():
        written = save(module.draw(records), folder / path.stem)
    if hasattr(module, "table"):  # the numbers behind the points, where a picture cannot name them
        written.append(folder / f"{path.stem}.csv")
        module.table(records).to_csv(written[-1], index=False)
    rendered = Rendered(
        figure=name,
        stem=path.stem,
        title=registry.title(path),
        caption=module.CAPTION,
        alt=module.ALT,
        scale=source.scale,
        source="runs" if source.reference is None else "reference",
        verdicts=_verdicts(name, records),
        experiments=tuple(experiment_runs(sweep, part, source.overrides) for sweep, part in read),
        files=tuple(path.name for path in written),
        drawn=datetime.now(timezone.utc).replace(microsecond=0),
        seconds=round(time.monotonic() - began, 3),
    )
    # Not by pydantic's own JSON, in which an infinite statistic becomes null.
    text = json.dumps(rendered.model_dump(mode="json"), indent=1, ensure_ascii=False)
    files.replace(folder / f"{path.stem}.json", text + "\n")
    return rendered


def _verdicts(name: str, records: Records) -> tuple[Verdict, ...]:
    """Judge what a figure shows, each with all claims of its own figure, which share a level."""

    def shown(claim: Claim | Verdict) -> bool:
        return name in map(registry.short_name, (claim.figure, *claim.also))

    figures = {claim.figure for claim in CLAIMS if shown(claim)}
    judged = judge([claim for claim in CLAIMS if claim.figure in figures], records)
    return tuple(verdict for verdict in judged if shown(verdict))


def draw_picture(name: str, source: Source, path: Path) -> None:
    """Draw one figure as a PNG file of moderate size, and nothing else.

    Raises:
        StoreError, ConfigurationError: as :meth:`Source.read`.
    """
    _, module, read = _opened(name, source)
    with style():
        figure = module.draw(store_records.join([part for _, part in read]))
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=PICTURE_DPI)


def _opened(name: str, source: Source) -> tuple[Path, ModuleType, list[tuple[Sweep, Records]]]:
    """Return a figure's file, its module, and each experiment that it reads with its records."""
    path = registry.chosen([name])[name]
    read = [source.open(experiment) for experiment in registry.reads(path)]
    return path, registry.import_file(path), read


def experiment_runs(
    sweep: Sweep, records: Records, overrides: Sequence[str] = ()
) -> ExperimentRuns:
    """Return what an experiment asks, and of which runs its records are."""
    runs = records.runs.drop_duplicates("run_id")

    def distinct(column: str) -> tuple[Any, ...]:
        return tuple(sorted(set(runs[column].dropna().tolist())))

    return ExperimentRuns(
        experiment=sweep.experiment,
        question=sweep.question,
        command=training_command(sweep.experiment, sweep.scale, overrides),
        points=len(records.runs),
        runs=len(runs),
        seeds=distinct("seed"),
        n_steps=distinct("n_steps"),
        settings={name: spread(distinct(name)) for name in SETTINGS},
        corpora=distinct("corpus"),
        data_sha256=distinct("data_sha256"),
        commits=distinct("commit"),
        dirty=True in distinct("dirty"),
        devices=distinct("device"),
        statuses=runs.status.value_counts().to_dict(),
        wall_s=round(float(runs.wall_s.astype(float).sum()), 3),
        run_ids_sha256=hashlib.sha256("\n".join(sorted(runs.run_id)).encode()).hexdigest(),
    )


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
