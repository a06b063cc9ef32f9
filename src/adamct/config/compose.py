"""Hydra configuration → specs; the only module that imports Hydra.

Configuration crosses one border here, once: below it, everything is typed, frozen and checked.
:func:`compose_sweep` reads a sweep exactly as ``scripts/run.py -m`` will launch it, so that the
command line, the figures and the tests all read the same runs.
"""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from adamct.config.resolve import resolve
from adamct.config.schema import CONF_DIR, ConfigurationError
from adamct.config.sweep import Sweep

Values = dict[str, Any]


@contextmanager
def _one_kind_of_error() -> Iterator[None]:
    """Re-raise errors of Hydra, OmegaConf and YAML as ``ConfigurationError``."""
    try:
        yield
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        raise ConfigurationError(str(error)) from error


@_one_kind_of_error()
def compose_sweep(overrides: Sequence[str], *, sweep: bool = True, with_data: bool = True) -> Sweep:
    """Compose every point of a sweep, in the order in which Hydra launches them.

    Args:
        overrides: as on the command line: ``["experiment=max_update_normal_curve", "seed=0,1"]``.
        sweep: expand the sweep (``-m``); otherwise compose the one run that the overrides name.
        with_data: open each point's data, to refuse what is missing and to name the run by it.
            Without, the specs have no ``run_id``.

    Raises:
        ConfigurationError: for a value that cannot work, with the key and the remedy.
    """
    parser = OverridesParser.create()
    parsed = parser.parse_overrides(list(overrides))
    fixed = {o.key_or_group: o.input_line or "" for o in parsed if not o.is_sweep_override()}
    swept = [o for o in parsed if o.is_sweep_override()]
    if swept and not sweep:
        raise ConfigurationError(
            f"{swept[0].input_line!r} is a sweep; call with -m (--multirun) to launch it"
        )
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        base = compose("config", list(fixed.values()), return_hydra_config=True)
        launcher = base.hydra.runtime.choices["hydra/launcher"] if sweep else "local"
        of_launcher = base.hydra.launcher if sweep else {}
        workers = {name: of_launcher.get(name, 1) for name in ("n_jobs", "runs_per_gpu")}
        params = base.hydra.sweeper.params or {} if sweep else {}
        own = [f"{key}={params[key]}" for key in params if key not in fixed]
        ranges = {o.key_or_group: _choices(o) for o in (*parser.parse_overrides(own), *swept)}
        with open_dict(base):
            del base["hydra"]  # the larger part, and no part of a run
        # Groups change the composition itself; every other key changes values in its result.
        groups = {key: ranges.pop(key) for key in list(ranges) if _is_group(key)}
        choices = (
            [parser.parse_override(f"{key}={text}").value() for text in texts]
            for key, texts in ranges.items()
        )
        points = [dict(zip(ranges, point, strict=True)) for point in itertools.product(*choices)]
        found: list[Sweep] = []
        for picks in itertools.product(*groups.values()):
            chosen = [f"{key}={pick}" for key, pick in zip(groups, picks, strict=True)]
            cfg = compose("config", [*fixed.values(), *chosen]) if chosen else base
            found += [resolve(values, with_data) for values in _at_each(cfg, points)]
    if not found:
        empty = [key for key, choices in {**groups, **ranges}.items() if not choices]
        raise ConfigurationError(f"the sweep has no runs: {', '.join(empty)} ranges over nothing")
    return replace(_joined(found), launcher=launcher, **workers)


def sweep_of_job(cfg: DictConfig) -> Sweep:
    """Compose the one point of a Hydra job, from the configuration that Hydra hands it."""
    return resolve(_plain(cfg), with_data=True)


def experiment_names() -> list[str]:
    """Names of the experiments in ``conf/experiment``, sorted."""
    return sorted(path.stem for path in (CONF_DIR / "experiment").glob("*.yaml"))


# ------------------------------------------------------------------------------------ sweeps


def _joined(parts: Sequence[Sweep]) -> Sweep:
    """Join sweeps of one point each; refuse to sweep what a sweep has one of."""
    first = parts[0]
    of_one = ("experiment", "scale", "execution", "runs_dir", "data_dir", "cache_dir", "tracker")
    for name in of_one:
        if differing := [p for p in parts if getattr(p, name) != getattr(first, name)]:
            raise ConfigurationError(
                f"{name} is swept: {getattr(first, name)!r} and {getattr(differing[0], name)!r}; "
                f"a sweep has one {name}, so call once for each"
            )
    return replace(first, points=tuple(point for part in parts for point in part))


def _is_group(key: str) -> bool:
    return (CONF_DIR / key).is_dir()


def _choices(override: Override) -> list[str]:
    swept = override.is_sweep_override()
    return list(map(str, override.sweep_string_iterator() if swept else [override.value()]))


def _at_each(base: DictConfig, points: list[dict[str, Any]]) -> Iterator[Values]:
    """Yield the plain values of a configuration with each point's values in it.

    Resolving takes OmegaConf tens of milliseconds, and a sweep has thousands of points. So it is
    done once where it comes to the same: no interpolation mentions a swept key, and the values
    that are put in are neither interpolations nor mappings, which would have to be merged, nor
    elements of a list.
    """
    unresolved = json.dumps(OmegaConf.to_container(base))
    mentioned = set(re.findall(r"\w+", " ".join(re.findall(r"\$\{[^\s\"]*", unresolved))))
    swept = {word for point in points for key in point for word in key.split(".")}
    put_in = json.dumps(points)
    merged = put_in.count("{") != len(points) or any(word.isdigit() for word in swept)
    if mentioned & swept or "${" in put_in or merged:
        for point in points:
            cfg = copy.deepcopy(base)
            for key, value in point.items():
                OmegaConf.update(cfg, key, value, force_add=True)
            yield _plain(cfg)
        return
    resolved = _plain(base)
    for point in points:
        values = copy.deepcopy(resolved)
        for key, value in point.items():
            *parents, name = key.split(".")
            node = values
            for parent in parents:
                if not isinstance(node.get(parent), dict):
                    node[parent] = {}  # as OmegaConf puts a mapping in the place of a null
                node = node[parent]
            node[name] = value
        yield values


def _plain(cfg: DictConfig) -> Values:
    values = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    assert isinstance(values, dict)
    return cast(Values, values)
