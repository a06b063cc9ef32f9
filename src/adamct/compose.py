"""Hydra configuration → specs; the only module that imports Hydra.

Configuration crosses one border here, once: below it, everything is typed, frozen and checked.
:func:`compose_cells` reads a sweep exactly as ``scripts/run.py -m`` will launch it, so that the
door, the figures and the tests all speak of the same runs.
"""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from adamct.cells import cell_from_values
from adamct.configuration import ConfigurationError
from adamct.spec import Cell

CONF_DIR = Path(__file__).resolve().parents[2] / "conf"


@contextmanager
def _one_kind_of_error() -> Iterator[None]:
    """Raise what Hydra, OmegaConf and YAML say of a configuration as ``ConfigurationError``."""
    try:
        yield
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        raise ConfigurationError(str(error)) from error


@_one_kind_of_error()
def compose_cells(
    overrides: Sequence[str], *, sweep: bool = True, with_data: bool = True
) -> list[Cell]:
    """Compose every cell of a sweep, in the order in which Hydra launches them.

    Args:
        overrides: as on the command line: ``["experiment=max_update_normal_curve", "seed=0,1"]``.
        sweep: expand the sweep (``-m``); otherwise compose the one run that the overrides name.
        with_data: open each cell's data, to refuse what is missing and to name the run by it.
            Without, the specs have no ``run_id``.

    Raises:
        ConfigurationError: for a value that cannot work, with the key and the remedy.
    """
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    fixed = {o.key_or_group: o.input_line or "" for o in parsed if not o.is_sweep_override()}
    swept = [o for o in parsed if o.is_sweep_override()]
    if swept and not sweep:
        raise ConfigurationError(
            f"{swept[0].input_line!r} is a sweep; call with -m (--multirun) to launch it"
        )
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        base = compose("config", list(fixed.values()), return_hydra_config=True)
        ranges = _own_ranges(base, skip=set(fixed)) if sweep else {}
        ranges |= {o.key_or_group: _choices(o) for o in swept}
        # Groups change the composition itself; every other key changes values in its result.
        groups = {key: ranges.pop(key) for key in list(ranges) if _is_group(key)}
        values_of = {key: _values(key, texts) for key, texts in ranges.items()}
        cells = []
        for picks in itertools.product(*groups.values()):
            chosen = [f"{key}={pick}" for key, pick in zip(groups, picks, strict=True)]
            base = _own_part(compose("config", [*fixed.values(), *chosen]))
            frozen = pickle.dumps(base)  # thawed ten times as fast as it is deep-copied
            for values in itertools.product(*values_of.values()):
                cfg = pickle.loads(frozen)
                for key, value in zip(ranges, values, strict=True):
                    OmegaConf.update(cfg, key, value, force_add=True)
                cells.append(_cell(cfg, with_data))
    if not cells:
        empty = [key for key, choices in {**groups, **ranges}.items() if not choices]
        raise ConfigurationError(f"the sweep has no runs: {', '.join(empty)} ranges over nothing")
    return cells


def cell_from_config(cfg: DictConfig) -> Cell:
    """Compose the cell of one Hydra job, from the configuration that Hydra hands it."""
    return _cell(cfg, with_data=True)


def experiment_names() -> list[str]:
    """Names of the experiments in ``conf/experiment``, sorted."""
    return sorted(path.stem for path in (CONF_DIR / "experiment").glob("*.yaml"))


# ------------------------------------------------------------------------------------ sweeps


def _is_group(key: str) -> bool:
    return (CONF_DIR / key).is_dir()


def _choices(override: Override) -> list[str]:
    swept = override.is_sweep_override()
    return list(map(str, override.sweep_string_iterator() if swept else [override.value()]))


def _own_ranges(base: DictConfig, skip: set[str]) -> dict[str, list[str]]:
    """Return the ranges that the experiment sweeps itself, less those that were overridden."""
    parser = OverridesParser.create()
    params = base.hydra.sweeper.params or {}
    overrides = [parser.parse_override(f"{key}={params[key]}") for key in params if key not in skip]
    return {o.key_or_group: _choices(o) for o in overrides}


def _own_part(cfg: DictConfig) -> DictConfig:
    """Return the configuration without Hydra's own node, the larger part of it."""
    if "hydra" not in cfg:
        return cfg
    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])


def _values(key: str, texts: Iterable[str]) -> list[Any]:
    parser = OverridesParser.create()
    return [parser.parse_override(f"{key}={text}").value() for text in texts]


def _cell(cfg: DictConfig, with_data: bool) -> Cell:
    values = OmegaConf.to_container(_own_part(cfg), resolve=True, throw_on_missing=True)
    return cell_from_values(values, with_data)
