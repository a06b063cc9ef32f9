"""Train what an experiment asks for, and skip what is already trained.

    One run:       python scripts/run.py task=gpt_laptop optimizer.beta=0.99 n_steps=200
    An experiment: python scripts/run.py -m experiment=max_update_normal_curve scale=smoke
    In W&B:        python scripts/run.py -m experiment=max_update_normal_curve tracker=wandb
    On a cluster:  python scripts/run.py -m experiment=kadam_c4 scale=paper hydra/launcher=slurm

``-m`` trains every run of the experiment: on this machine by processes of our own, elsewhere
through a launcher of Hydra's. ``--cfg job`` shows the configuration as it is composed.
"""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf"
ANSWERED_BY_HYDRA = {"--hydra-help", "--version", "--cfg", "-c", "--info", "-i"}


def job(cfg: DictConfig) -> None:
    """Train the run of one Hydra job."""
    from adamct.config.compose import sweep_of_job
    from adamct.files import ExpectedError
    from adamct.runs.runner import train_run

    sweep = sweep_of_job(cfg)
    try:
        train_run(
            sweep[0].spec,
            sweep.execution,
            runs_dir=sweep.runs_dir,
            data_dir=sweep.data_dir,
            cache_dir=sweep.cache_dir,
        )
    except ExpectedError as error:
        # Shown without a traceback. The sweep goes on, and reports at its end.
        print(f"error: {error}", file=sys.stderr)
    except Exception:
        # Its outcome says so, too. To Hydra it would be a reason to launch no further jobs.
        traceback.print_exc()


def through_hydra() -> None:
    """Hand the command line to Hydra, which shows what it is asked, or launches every job."""
    import hydra  # not for --help, nor in the workers, which import this file

    hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(job)()


def launch() -> None:
    """Launch every job of a sweep, and wait for them."""
    with suppress(SystemExit):  # Hydra has shown the error of a job
        through_hydra()


def usage() -> str:
    """Return the commands, the groups of the configuration and their options, and all keys."""
    groups = sorted(
        (folder.relative_to(CONF).as_posix(), sorted(path.stem for path in folder.glob("*.yaml")))
        for folder in CONF.rglob("*")
        if folder.is_dir() and "hydra" not in folder.parts
    )
    launchers = sorted(path.stem for path in (CONF / "hydra" / "launcher").glob("*.yaml"))
    options = [*groups, ("hydra/launcher", [*launchers, "basic", "joblib"])]
    return "\n".join(
        [
            str(__doc__),
            "== Groups (choose with group=option) ==",
            *(f"{group}: {', '.join(names)}" for group, names in options if names),
            "",
            "== conf/config.yaml (override with key=value) ==",
            (CONF / "config.yaml").read_text(),
        ]
    )


def train(arguments: list[str]) -> int:
    """Import what trains, check every run before the first is trained, train, and report."""
    from adamct.runs.sweep import run_sweep
    from adamct.tracking.live_sync import tracked

    return run_sweep(arguments, launch=launch, track=tracked)


def main(arguments: list[str]) -> int:
    """Answer at once what can be, and train what is missing otherwise."""
    os.chdir(ROOT)  # relative paths, of runs and of prepared data, are the project's
    if {"--help", "-h"} & set(arguments):
        print(usage(), end="")
        return 0
    if any(a.split("=")[0] in ANSWERED_BY_HYDRA for a in arguments):
        through_hydra()
        return 0
    from adamct.runs.exits import exit_code

    return exit_code(lambda: train(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
